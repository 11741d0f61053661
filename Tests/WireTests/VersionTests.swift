import CWire
import Testing
import Wire

@Suite struct VersionTests {
  struct Meeting: Sendable {
    let peer: UInt32
    let peerMinimum: UInt32
    let own: UInt32
    let isRefused: Bool

    init(_ peer: UInt32, _ peerMinimum: UInt32, _ own: UInt32, _ isRefused: Bool) {
      self.peer = peer
      self.peerMinimum = peerMinimum
      self.own = own
      self.isRefused = isRefused
    }
  }

  @Test(arguments: [
    // Equal and neighbouring versions, in both directions.
    Meeting(1, 1, 1, false), Meeting(2, 1, 1, false), Meeting(2, 2, 3, false),
    Meeting(7, 6, 7, false), Meeting(6, 5, 7, false), Meeting(8, 7, 7, false),
    // Two or more apart.
    Meeting(5, 4, 7, true), Meeting(9, 8, 7, true), Meeting(3, 2, 1, true),
    Meeting(1, 1, 3, true), Meeting(.max, 1, 1, true),
    // Two apart, although the peer says that it reads ours.
    Meeting(9, 1, 7, true),
    // A neighbour that no longer reads ours.
    Meeting(8, 8, 7, true),
    // Version 2 sends no tokens, and takes none.
    Meeting(1, 1, 2, true), Meeting(2, 2, 1, true),
    // None.
    Meeting(0, 0, 1, true), Meeting(0, 0, 7, true),
  ])
  func table(_ meeting: Meeting) throws {
    let refusal = Wire.versionRefusal(
      peer: meeting.peer, peerMinimum: meeting.peerMinimum, own: meeting.own)
    #expect((refusal != nil) == meeting.isRefused)
    guard let refusal else { return }
    #expect(refusal.contains("version \(meeting.peer) "))
    #expect(refusal.contains("version \(meeting.own) "))
  }

  @Test func oldestVersions() {
    #expect([0, 1, 2, 7].map(Wire.oldestVersion(spokenBy:)) == [1, 1, 2, 6])
  }

  /// A peer two versions ahead is told so, even if it sends a body that we do not know, and its
  /// request's number is known for the answer.
  @Test func distantRequestIsRefusedByVersion() {
    let frame = request(version: 4, minimumVersion: 3) { $0.message(60) { _ in } }
    let error = #expect(throws: WireError.self) { try FleetEnvelope(decoding: frame, now: now) }
    #expect(error?.code == .version)
    #expect(error?.requestID == 99)
    #expect(error?.context == Wire.versionRefusal(peer: 4, peerMinimum: 3))
  }

  @Test func neighbourIsReadAndNamed() throws {
    let frame = request(version: 3, minimumVersion: 2) { $0.message(22) { _ in } }
    let envelope = try FleetEnvelope(decoding: frame, now: now)
    #expect(envelope.body == .goodbye)
    #expect(envelope.version == 3)
  }

  @Test func distantAnswerIsRefused() {
    let frame = answer(version: 4) { $0.message(21) { _ in } }
    let error = #expect(throws: WireError.self) {
      try FleetAnswerEnvelope(decoding: frame, now: now)
    }
    #expect(error?.code == .version)
  }

  /// What a newer program adds is passed over.
  @Test func unknownFieldsAreTolerated() throws {
    let frame = request { writer in
      writer.text(1_000, "something new")
      writer.message(17) { acquire in
        acquire.varint(1, 12)
        acquire.text(77, "and here")
      }
    }
    #expect(try FleetEnvelope(decoding: frame, now: now).body == .acquire(leaseLimit: 12))
  }

  /// The library that is linked, not only the headers, is one without CVE-2022-48468.
  @Test func libraryVersion() {
    #expect(protobuf_c_version_number() >= 1_004_001)
  }
}
