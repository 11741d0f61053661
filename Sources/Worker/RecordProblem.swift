import Jobs
import Tables

/// Why a record has no prediction.
enum RecordProblem {
  case record(RecordError)
  case notANumber(column: String)
  case wrongType(column: String, type: ColumnType)
  case notFinite
  /// The filter cannot tell, and why.
  case filter(String)
  /// Scoring it ends the process, and how.
  case isolated(String)

  /// A code for programs, and a sentence for people.
  var description: (code: String, message: String) {
    switch self {
    case .notANumber(let column):
      ("NOT_A_NUMBER", "column \(column) holds text that is neither a number nor a null word")
    case .wrongType(let column, .text):
      ("WRONG_TYPE", "column \(column) holds text with a NUL, which PostgreSQL does not store")
    case .wrongType(let column, let type):
      ("WRONG_TYPE", "column \(column) holds a value that is no \(type.rawValue)")
    case .notFinite: ("NOT_FINITE", "the prediction is not a finite number")
    case .filter(let reason): ("FILTER", reason)
    case .isolated(let reason): ("SCORING_CRASHED", reason)
    case .record(let error): error.description
    }
  }
}

extension RecordError {
  fileprivate var description: (code: String, message: String) {
    switch self {
    case .fieldCount(let expected, let found):
      ("FIELD_COUNT", "the header has \(expected) fields, the record \(found)")
    case .textAfterQuote:
      ("TEXT_AFTER_QUOTE", "text follows a closing quote before the next delimiter")
    case .unterminatedQuote: ("UNTERMINATED_QUOTE", "the file ends inside quotes")
    case .recordTooLong:
      (
        "RECORD_TOO_LONG",
        "longer than \(Limits.recordByteLimit) bytes; reading went on after it"
      )
    case .invalidUTF8: ("INVALID_UTF8", "the record is not UTF-8")
    case .invalidJSON: ("INVALID_JSON", "the line is not one JSON object and nothing else")
    case .leftOut: ("SCORING_CRASHED", "scoring it ends the process")
    case .notAnObject: ("NOT_AN_OBJECT", "the line is JSON, but no object")
    }
  }
}

extension TextBuffer {
  /// Appends a line of an error frame: ordinal, tab, JSON object.
  ///
  /// - Parameters:
  ///   - problem: What is wrong with the record.
  ///   - record: Which of the tile.
  ///   - tile: The tile.
  ///   - ordinal: The record's number in its block.
  ///   - path: The input's.
  mutating func append(
    _ problem: RecordProblem, of record: Int, in tile: borrowing RecordTile, ordinal: Int,
    path: String
  ) {
    let (code, message) = problem.description
    append(ordinal)
    append("\t{\"instance\":")
    // Bytes that are not UTF-8 become replacement characters.
    appendJSONString(unsafe String(decoding: tile.text(of: record), as: UTF8.self))
    append(",\"error\":{\"code\":")
    appendJSONString(code)
    append(",\"message\":")
    appendJSONString(message)
    append("},\"source\":")
    appendJSONString(path)
    append(",\"offset\":")
    append(Int(tile.offset(of: record)))
    append("}\n")
  }
}
