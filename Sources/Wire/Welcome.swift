internal import CWire
package import Jobs

/// What a worker learns when it joins.
package struct Welcome: Hashable, Sendable {
  package let incarnation: Incarnation
  package let heartbeatInterval: Duration
  package let leaseDuration: Duration
  package let deadManTime: Duration
  package let stallTime: Duration
  package let bulkPort: UInt16
  /// The coordinator program's version, for people.
  package let versionText: String

  package init(
    incarnation: Incarnation, heartbeatInterval: Duration, leaseDuration: Duration,
    deadManTime: Duration, stallTime: Duration = Limits.stallTime, bulkPort: UInt16,
    versionText: String
  ) {
    self.incarnation = incarnation
    self.heartbeatInterval = heartbeatInterval
    self.leaseDuration = leaseDuration
    self.deadManTime = deadManTime
    self.stallTime = stallTime
    self.bulkPort = bulkPort
    self.versionText = versionText
  }
}

extension Welcome {
  init(reading message: Wire__Welcome) throws(WireError) {
    let times = 1...Int(UInt32.max)
    incarnation = unsafe Incarnation(message.incarnation)
    heartbeatInterval = .milliseconds(
      try unsafe Field.number(message.heartbeat_milliseconds, in: times, "welcome.heartbeat"))
    leaseDuration = .milliseconds(
      try unsafe Field.number(message.lease_milliseconds, in: times, "welcome.lease"))
    deadManTime = .milliseconds(
      try unsafe Field.number(message.dead_man_milliseconds, in: times, "welcome.dead_man"))
    let stall = unsafe message.stall_milliseconds
    stallTime = stall == 0 ? Limits.stallTime : .milliseconds(stall)
    bulkPort = UInt16(
      try unsafe Field.number(message.bulk_port, in: 0...65_535, "welcome.bulk_port"))
    versionText = try unsafe Field.text(
      message.version_text, limit: WireLimits.nameByteCount, "welcome.version_text")
  }

  func packed(in arena: MessageArena) -> UnsafeMutablePointer<Wire__Welcome> {
    unsafe arena.message(wire__welcome__init) { message in
      unsafe message.incarnation = incarnation.rawValue
      unsafe message.heartbeat_milliseconds = heartbeatInterval.wireMilliseconds
      unsafe message.lease_milliseconds = leaseDuration.wireMilliseconds
      unsafe message.dead_man_milliseconds = deadManTime.wireMilliseconds
      unsafe message.stall_milliseconds = stallTime.wireMilliseconds
      unsafe message.bulk_port = UInt32(bulkPort)
      unsafe message.version_text = arena.remark(versionText, limit: WireLimits.nameByteCount)
    }
  }
}
