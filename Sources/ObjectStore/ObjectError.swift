/// Why an object store could not do what was asked.
package struct ObjectError: Error, Hashable, Sendable {
  /// What a caller can act on.
  package let code: Code
  /// The request, the object, the numbers and what to do; never a payload or a credential.
  package let context: String

  /// The kinds of failure.
  package enum Code: Hashable, Sendable {
    /// There is no such object, bucket or upload.
    case missing
    /// The object is not the version that was pinned.
    case changed
    /// A conditional write found something else there.
    case refusedByCondition
    /// Two writes met; for a multipart upload: begin it again.
    case conflict
    /// The credentials are missing, expired or do not allow the request.
    case denied
    /// The store did not answer well within the time for retries: the same may work later.
    case unavailable
    /// Bytes came that are not the object's.
    case damaged
    /// A quota or a disk of the store is full.
    case full
    /// A scheme, a feature or a kind of answer that is not handled.
    case unsupported
    /// An address or an answer that makes no sense.
    case malformed
    /// The caller gave up.
    case cancelled
  }

  /// Makes an error.
  package init(code: Code, context: String) {
    self.code = code
    self.context = context
  }
}

extension ObjectError: CustomStringConvertible {
  /// The context.
  package var description: String { context }
}
