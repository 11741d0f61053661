import CColumnar
import Glibc
import Jobs

/// Runs a call of the C interface and gives its failure this module's type.
func check(
  _ name: StaticString, _ call: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Int32
) throws(ColumnarWriteError) {
  var message: UnsafeMutablePointer<CChar>?
  let status = unsafe call(&message)
  guard status != Int32(NS_RESULT_OK) else { return }
  throw unsafe ColumnarWriteError(name, status, message)
}

extension ColumnarWriteError {
  /// Takes a message of the C interface over.
  init(_ name: StaticString, _ status: Int32, _ message: UnsafeMutablePointer<CChar>?) {
    defer { unsafe free(message) }
    let text = unsafe message.map { unsafe String(cString: $0) } ?? "no memory for a message"
    let code: Code =
      switch Int(status) {
      case NS_RESULT_CALLER_FAILED: .bytes
      case NS_RESULT_CORRUPT: .corrupt
      default: .other(status)
      }
    self.init(code: code, context: "\(name): \(text)")
  }
}

extension ColumnType {
  /// Its number in the C interface.
  var code: Int32 {
    let number =
      switch self {
      case .boolean: NS_RESULT_BOOLEAN
      case .integer: NS_RESULT_INTEGER
      case .number: NS_RESULT_NUMBER
      case .float: NS_RESULT_FLOAT
      case .text: NS_RESULT_TEXT
      case .binary: NS_RESULT_BINARY
      case .date: NS_RESULT_DATE
      case .timestamp: NS_RESULT_TIMESTAMP
      }
    return Int32(number)
  }
}

/// The names of columns where C can see them, and their types.
@safe final class ColumnarFields {
  private let names: UnsafeMutableBufferPointer<CChar>
  private(set) var fields: [ns_result_field] = unsafe []

  init(_ columns: [ResultColumn]) {
    let byteCount = columns.reduce(0) { $0 + $1.name.utf8.count }
    unsafe names = .allocate(capacity: max(1, byteCount))
    var next = 0
    for column in columns {
      let start = next
      for byte in column.name.utf8 {
        unsafe names[next] = CChar(bitPattern: byte)
        next += 1
      }
      guard let base = unsafe names.baseAddress else { continue }
      let field = unsafe ns_result_field(
        name: base + start, name_byte_count: next - start, type: column.type.code)
      unsafe fields.append(field)
    }
  }

  deinit { unsafe names.deallocate() }
}
