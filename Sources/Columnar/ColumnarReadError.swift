/// Why a columnar file cannot be read.
package struct ColumnarReadError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The kinds of failure.
  package enum Code: Hashable, Sendable {
    /// The bytes are not what their format says.
    case damaged
    /// A feature of the format, or a type, that is not read.
    case unsupported
    /// More columns, metadata or memory than is allowed.
    case limit
    /// Anything else, with the number of the C interface.
    case other(Int32)
  }

  package let code: Code
  /// The file, the row group and the column, and what is wrong with them; no values.
  package let context: String

  package init(code: Code, context: String) {
    self.code = code
    self.context = context
  }

  package var description: String { context }
}
