/// Why a frame was not read or not written.
package struct WireError: Error, Hashable, Sendable, CustomStringConvertible {
  package let code: Code
  /// Names the field or the step, and the numbers; never payloads or tokens.
  package let context: String
  /// The request that was being read, to answer it with a refusal; 0 where it is not known.
  package internal(set) var requestID: UInt64 = 0

  package enum Code: Hashable, Sendable {
    /// The frame is larger than its listener allows.
    case tooLarge
    /// The frame would need more memory than its size justifies.
    case overBudget
    /// Not a protobuf message of this kind.
    case malformed
    /// A field has a value that the protocol does not allow.
    case invalid
    /// The peer's version does not go with ours; the context is the sentence for users.
    case version
  }

  init(_ code: Code, _ context: String) {
    self.code = code
    self.context = context
  }

  static func invalid(_ field: StaticString, _ what: String) -> WireError {
    WireError(.invalid, "\(field): \(what)")
  }

  func naming(request: UInt64) -> WireError {
    var error = self
    error.requestID = request
    return error
  }

  package var description: String { "\(code): \(context)" }
}
