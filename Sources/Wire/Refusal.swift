internal import CWire

/// Why a request was not carried out.
package struct Refusal: Error, Hashable, Sendable {
  package let code: RefusalCode
  /// For people: what was wrong, where, and what to do.
  package let text: String

  package init(code: RefusalCode, text: String) {
    self.code = code
    self.text = text
  }

  /// How a request that could not be read is answered.
  package init(_ error: WireError) {
    let code: RefusalCode = error.code == .version ? .version : .malformed
    self.init(code: code, text: error.context)
  }
}

/// Kinds of refusals, where the asker acts on them.
package enum RefusalCode: UInt32, Hashable, Sendable, CaseIterable {
  /// For reasons that only people act on.
  case other = 1
  /// The token is not one of this plane.
  case unauthorized = 2
  case version = 3
  case malformed = 4
  case notFound = 5
  case alreadyExists = 6
  /// The job's state does not allow it.
  case state = 7
  /// A limit is reached: too many jobs, workers or requests.
  case limit = 8
  /// Starting or stopping: the same request may succeed later.
  case unavailable = 9
  case spoolFull = 10
  /// The seal does not match the lease, or the lease is not the asker's.
  case seal = 11
  /// The input is no longer what was planned.
  case changed = 12
  /// The request's own content is wrong: the job file, the model, the inputs.
  case invalidRequest = 13
}

extension Refusal {
  init(reading message: Wire__Refusal) throws(WireError) {
    let number = unsafe message.code.rawValue
    // A code that a newer peer knows is still a refusal.
    code = RefusalCode(rawValue: number) ?? .other
    text = try unsafe Field.text(
      message.text, limit: WireLimits.reasonByteCount, "refusal.text")
  }

  func packed(in arena: MessageArena) -> UnsafeMutablePointer<Wire__Refusal> {
    unsafe arena.message(wire__refusal__init) { message in
      unsafe message.code = Wire__RefusalCode(rawValue: code.rawValue)
      unsafe message.text = arena.remark(text, limit: WireLimits.reasonByteCount)
    }
  }
}
