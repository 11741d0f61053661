/// The two kinds of socket: short commands, and pieces of partials.
///
/// They are apart because one connection carries one message at a time: a heartbeat must not wait
/// behind four megabytes.
package enum Channel: Sendable, CaseIterable {
  case control
  case bulk

  /// The longest frame that is accepted, header included; a longer one ends its connection.
  ///
  /// libnng 1.5.2 allocates what a frame's header declares before the first byte arrives, and by
  /// default sets no limit at all.
  package var frameByteLimit: Int {
    switch self {
    case .control: 64 << 10
    case .bulk: 5 << 20
    }
  }

  /// The longest body that fits into a frame: the request number takes four bytes.
  package var bodyByteLimit: Int { frameByteLimit - 4 }
}
