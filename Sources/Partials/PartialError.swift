/// Why a partial could not be written or is not what it says.
package struct PartialError: Error, Hashable, Sendable, CustomStringConvertible {
  package enum Code: Hashable, Sendable {
    /// Not a partial, of another version, or damaged.
    case damaged
    /// Larger than `Limits.partialByteCount`.
    case tooLarge
    case file(FileError.Code)
  }

  package let code: Code
  /// The path, the place and the numbers.
  package let context: String

  package init(code: Code, context: String) {
    self.code = code
    self.context = context
  }

  init(_ error: FileError) {
    self.init(code: .file(error.code), context: error.context)
  }

  package var description: String { context }
}
