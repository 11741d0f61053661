/// Why columnar results could not be written, or be read back.
package struct ColumnarWriteError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The kinds of failure.
  package enum Code: Hashable, Sendable {
    /// What takes or gives the file's bytes failed, and knows why.
    case bytes
    /// A block or a file is not what it has to be.
    case corrupt
    /// No memory, or a refusal of the library.
    case other(Int32)
  }

  package let code: Code
  /// The call, and what the library said.
  package let context: String

  package init(code: Code, context: String) {
    self.code = code
    self.context = context
  }

  package var description: String { context }
}
