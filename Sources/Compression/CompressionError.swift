/// What went wrong with compressed bytes.
package struct CompressionError: Error, Hashable {
  /// What a caller can act on.
  package let code: Code
  /// The call, the offset and the numbers; never the bytes themselves.
  package let context: String

  /// The kinds of failure.
  package enum Code: Hashable, Sendable {
    /// The bytes are not what the format says, or their checksum is wrong.
    case corrupt
    /// The text would be larger than the caller's cap.
    case tooLarge
    /// Something follows the one frame that was asked for.
    case trailingBytes
    /// The bytes end in the middle of a frame or member.
    case truncated
    /// Anything else, with the library's own number.
    case other(Int)
  }

  /// Makes an error.
  package init(code: Code, context: String) {
    self.code = code
    self.context = context
  }
}

extension CompressionError: CustomStringConvertible {
  /// The context and, where it adds something, the code.
  package var description: String { "\(context) (\(code))" }
}
