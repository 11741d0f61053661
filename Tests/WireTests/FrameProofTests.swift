import Jobs
import Testing
import Wire

/// What proves whose a frame is.
@Suite struct FrameProofTests {
  private let key = (0..<32).map { UInt8($0) }

  @Test func aProofIsOfItsFrameItsKindAndItsKey() throws {
    var generator = SeededGenerator(seed: 3)
    for kind in 0..<SeededGenerator.fleetKindCount {
      let envelope = generator.fleetEnvelope(kind: kind)
      let frame = try envelope.encode(key: key)
      #expect(try FleetEnvelope(decoding: frame, now: now) == envelope)
      #expect(FrameProof.isMade(in: frame, .fleet, key: key))
      #expect(!FrameProof.isMade(in: frame, .bulk, key: key))
      #expect(!FrameProof.isMade(in: frame, .client, key: key))
      #expect(!FrameProof.isMade(in: frame, .fleet, key: Array(key.reversed())))
      #expect(!FrameProof.isMade(in: try envelope.encode(), .fleet, key: key))
      for place in frame.indices {
        var changed = frame
        changed[place] ^= 1 << UInt8(place % 8)
        #expect(!FrameProof.isMade(in: changed, .fleet, key: key), "byte \(place)")
      }
      #expect(!FrameProof.isMade(in: frame + [0], .fleet, key: key))
      for count in frame.indices {
        #expect(!FrameProof.isMade(in: Array(frame.prefix(count)), .fleet, key: key))
      }
    }
  }

  @Test func whatIsNoRequestHasNoProof() {
    for bytes: [UInt8] in [[], [8], [8, 2, 16], [8, 255, 255], [0x1A, 32], key] {
      var frame = bytes
      #expect(!FrameProof.make(in: &frame, .fleet, key: key))
      #expect(frame == bytes)
      #expect(!FrameProof.isMade(in: frame, .fleet, key: key))
    }
  }

  /// The same by Python's `hmac` and `hashlib`, so that another program can speak the protocol.
  @Test func theFormIsAsDescribed() throws {
    let nonce = [UInt8](repeating: 0xAB, count: 32)
    let session = FrameProof.sessionKey(token: key, nonce: nonce, worker: WorkerID(0x0102_0304))
    #expect(session.map { String($0, radix: 16) }.joined(separator: " ") == sessionDigits)
    let envelope = FleetEnvelope(worker: WorkerID(7), requestID: 9, body: .goodbye)
    let frame = try envelope.encode(key: session)
    #expect(frame[6..<38].map { String($0, radix: 16) }.joined(separator: " ") == proofDigits)
  }
}

private let sessionDigits =
  "fb 7a 7e 1d 97 32 91 2e eb 4d 57 b3 30 d1 f1 d7 "
  + "46 a2 46 3f 3b 48 9 e7 61 13 fb 22 52 38 3d 61"
private let proofDigits =
  "2f 28 27 68 c7 b6 bf 78 4 49 47 39 12 1e a1 ac "
  + "46 5a ae fb b5 24 49 4f f7 d d7 1 47 74 5e 2"
