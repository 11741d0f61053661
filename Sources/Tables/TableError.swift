/// Why an input cannot be listed or read as a table.
package struct TableError: Error, Hashable {
  /// What a caller can act on.
  package let code: Code
  /// The path, the offset and the numbers, and what to do; column names, but no values.
  package let context: String

  /// The kinds of failure.
  package enum Code: Hashable, Sendable {
    /// A path, pattern or folder that stands for no file.
    case noInput
    /// A scheme, file type or option that is not there.
    case unsupported
    /// The first record does not serve as a header.
    case header
    /// Two files of one job have different headers.
    case headerMismatch
    /// An input is not the one that was planned.
    case inputChanged
    /// A file has become shorter than it was.
    case inputShrank
    /// A store does not answer, or not to these credentials: the same may work later.
    case unavailable
    /// The reader was told to stop.
    case cancelled
    /// A source that can only be read forwards was asked to go back.
    case outOfOrder
    /// A system call failed with this `errno`.
    case system(Int32)
  }

  /// Makes an error.
  package init(code: Code, context: String) {
    self.code = code
    self.context = context
  }
}

extension TableError: CustomStringConvertible {
  /// The context.
  package var description: String { context }
}
