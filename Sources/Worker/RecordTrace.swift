import Models
import Scoring
import Tables

/// What one record was on its way from text to a line of the output.
package struct RecordTrace: Sendable {
  /// Where its text begins in the file, in bytes of decompressed text.
  package let offset: UInt64
  /// The block it begins in, from the shard's first.
  package let block: Int
  /// Without its line end; of a record that is too long the begin.
  package let text: [UInt8]
  /// One for each input of the model; none where the record could not be divided into fields.
  package let features: [Feature]
  /// Sums over the trees, and what the job's output makes of them; none where there are no
  /// features, or one is not a number.
  package let rawScores: [Double]
  package let prediction: [Double]
  /// LightGBM's name of what the model was trained for.
  package let objective: String
  package let line: Line

  /// What is written of the record.
  package enum Line: Hashable, Sendable {
    /// A line of the results, line end included.
    case result([UInt8])
    /// A JSON object for the error file, which the row is still to be added to.
    case error([UInt8])
    /// Nothing: the filter leaves the record out.
    case leftOut
  }

  /// One input of the model.
  package struct Feature: Sendable {
    package let input: String
    /// The column that feeds it.
    package let column: String
    /// The field, without quotes around it and with each quote in it once.
    package let text: String
    /// What is scored: NaN for a missing value, zero for an input that is not used.
    package let value: Double
    package let meaning: Meaning
  }

  /// How a field became a value.
  package enum Meaning: Hashable, Sendable {
    case number
    /// The code of this category.
    case category(String)
    /// A null word.
    case missing
    /// Text that the model reads itself.
    case text
    /// A category that the model does not have.
    case unseen
    /// Text where the model needs a number: the record is an error.
    case notANumber
    /// No split or leaf looks at the input.
    case unused
  }
}

extension TileScorer {
  /// What a record of the tile that was evaluated last was on its way.
  mutating func trace(
    _ record: Int, of tile: borrowing RecordTile, block: Int, line: RecordTrace.Line
  ) -> RecordTrace {
    let features = tile.error(of: record) == nil ? readFeatures(record, of: tile) : []
    let hasScore = !features.isEmpty && !features.contains { $0.meaning == .notANumber }
    let width = context.model.outputCount
    let own = record * width..<(record + 1) * width
    let rawScores = hasScore ? rawScores(tile) : []
    return unsafe RecordTrace(
      offset: tile.offset(of: record), block: block, text: Array(tile.text(of: record)),
      features: features, rawScores: hasScore ? Array(rawScores[own]) : [],
      prediction: hasScore ? Array(outputs[own]) : [], objective: context.model.objective,
      line: line)
  }

  private func readFeatures(
    _ record: Int, of tile: borrowing RecordTile
  ) -> [RecordTrace.Feature] {
    var all: [RecordTrace.Feature] = []
    for (index, input) in context.model.inputs.enumerated() {
      let column = context.mapping.columnIndices[index]
      let field = unsafe tile.field(record, column)
      let value = input.isUsed ? features[index * RecordTile.recordLimit + record] : 0
      // As in scoring: between quotes a null word is a category like any other text.
      let isNull = unsafe !field.isQuoted && context.csv.nullWords.contains(field.bytes)
      let meaning: RecordTrace.Meaning
      if !input.isUsed {
        meaning = .unused
      } else if isNotANumber(record, input: index) {
        meaning = .notANumber
      } else if input.isText {
        meaning = isNull ? .missing : .text
      } else if value.isNaN {
        meaning = isNull || !input.hasCategories ? .missing : .unseen
      } else {
        meaning = input.meaning(of: value)
      }
      all.append(
        RecordTrace.Feature(
          input: input.name, column: context.columns[column],
          text: unsafe shownText(of: field, value: value, of: tile), value: value,
          meaning: meaning))
    }
    return all
  }

  /// A field's text; of a column that is read as numbers alone, the number's.
  private func shownText(
    of field: RecordTile.Field, value: Double, of tile: borrowing RecordTile
  ) -> String {
    if unsafe !tile.isText && field.bytes.isEmpty && !value.isNaN { return "\(value)" }
    return unsafe String(decoding: field.unescaped(), as: UTF8.self)
  }
}

extension ModelInput {
  fileprivate var hasCategories: Bool {
    if case .categorical(.some) = kind { return true }
    return false
  }

  fileprivate func meaning(of value: Double) -> RecordTrace.Meaning {
    guard case .categorical(let table?) = kind,
      let code = Int(exactly: value), table.categories.indices.contains(code)
    else { return .number }
    return .category(table.categories[code].spelling)
  }
}
