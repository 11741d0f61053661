/// A key to AWS and what goes with it.
///
/// Not printable on purpose: nothing of it may reach a message.
package struct AWSCredentials: Equatable, Sendable {
  let keyID: String
  let secret: String
  let sessionToken: String?
  /// When they end, in nanoseconds since 1970; nil for keys that last.
  let expiry: Int64?

  /// Makes credentials.
  package init(keyID: String, secret: String, sessionToken: String?, expiry: Int64? = nil) {
    self.keyID = keyID
    self.secret = secret
    self.sessionToken = sessionToken
    self.expiry = expiry
  }
}

extension AWSCredentials: CustomStringConvertible, CustomReflectable {
  /// No more than what it is.
  package var description: String { "AWS credentials" }
  /// Empty.
  package var customMirror: Mirror { Mirror(self, children: []) }
}

/// Where credentials were looked for and found.
struct FoundCredentials: Equatable, Sendable {
  let credentials: AWSCredentials
  /// For messages, such as `the profile "batch"`.
  let source: String
}
