import CNNG

/// What went wrong on a socket, and where.
///
/// `context` names the call, the address and the numbers involved, never a payload, so that it may
/// be printed and logged as it is.
package struct TransportError: Error, Equatable, CustomStringConvertible {
  /// The failures that a caller answers in different ways; the rest is `other`.
  package enum Code: Equatable, Sendable {
    /// No reply in time: the peer is slow, unreachable or gone. Worth another attempt.
    case timedOut
    /// The connection broke while a reply was awaited. Worth another attempt.
    case disconnected
    /// This end was closed, by its owner or because libnng hangs in this process; if it was not the
    /// owner, the process has to start anew. Nothing more can be sent.
    case closed
    /// Nothing listens at the address.
    case connectionRefused
    /// Another socket listens at the address.
    case addressInUse
    /// An address that is malformed or against the rules of `Address`.
    case refusedAddress
    /// A body above the limit of its channel.
    case messageTooLarge
    /// A certificate, a key or a handshake that failed.
    case tls
    /// Any other nng error number.
    case other(Int32)
  }

  package let code: Code
  package let context: String

  package init(code: Code, context: String) {
    self.code = code
    self.context = context
  }

  package var description: String { "\(code): \(context)" }

  /// The error for an nng status, or a system call's, other than zero.
  init(status: Int32, _ call: String) {
    let reason = unsafe String(cString: nng_strerror(status))
    self.init(code: Code(status: status), context: "\(call): \(reason)")
  }

  /// Throws unless an nng call answered zero.
  static func check(_ status: Int32, _ call: @autoclosure () -> String) throws(TransportError) {
    guard status == 0 else { throw TransportError(status: status, call()) }
  }
}

extension TransportError.Code {
  /// Sorts an nng error number by what a caller can do about it.
  init(status: Int32) {
    switch nng_errno_enum(rawValue: UInt32(status)) {
    case NNG_ETIMEDOUT: self = .timedOut
    case NNG_ECONNRESET, NNG_ECONNABORTED, NNG_ECONNSHUT: self = .disconnected
    case NNG_ECLOSED, NNG_ECANCELED: self = .closed
    case NNG_ECONNREFUSED: self = .connectionRefused
    case NNG_EADDRINUSE: self = .addressInUse
    case NNG_EADDRINVAL: self = .refusedAddress
    case NNG_EMSGSIZE: self = .messageTooLarge
    case NNG_ECRYPTO, NNG_EPEERAUTH: self = .tls
    default: self = .other(status)
    }
  }
}
