import Jobs
import Leasing
import Testing
import Wire

@Suite struct ValidationTests {
  struct Invalid: Sendable, CustomStringConvertible {
    /// What the error has to begin with: the field.
    let field: String
    let frame: [UInt8]

    init(_ field: String, _ frame: [UInt8]) {
      self.field = field
      self.frame = frame
    }

    var description: String { "\(field), \(frame.count) bytes" }
  }

  private static func handBack(_ replace: (inout ProtobufWriter) -> Void) -> [UInt8] {
    request { $0.bytes(20, lease(replace)) }
  }

  private static func finish(_ replace: (inout ProtobufWriter) -> Void) -> [UInt8] {
    request { writer in
      writer.message(19) { finish in
        finish.message(1) { finished in
          finished.bytes(1, lease())
          finished.varint(3, 4)
          finished.varint(4, 6)
          finished.bytes(10, Array(repeating: 1, count: 32))
          replace(&finished)
        }
      }
    }
  }

  private static func grants(
    inputs: [(inout ProtobufWriter) -> Void] = [
      {
        $0.text(1, "/in"); $0.varint(4, 1)
      }
    ],
    _ replace: (inout ProtobufWriter) -> Void
  ) -> [UInt8] {
    answer { writer in
      writer.message(17) { grants in
        for input in inputs { grants.message(2, input) }
        grants.message(1) { grant in
          grant.bytes(1, lease())
          grant.varint(6, 1_024)
          grant.varint(7, 8)
          replace(&grant)
        }
      }
    }
  }

  private static func fill(_ count: Int) -> [UInt8] { Array(repeating: 1, count: count) }

  /// The frames that the tables below alter are good as they are.
  @Test func baselinesAreValid() throws {
    let lease = try FleetEnvelope(decoding: Self.handBack { _ in }, now: now)
    guard case .handBack(let sealed) = lease.body else {
      Issue.record("\(lease)")
      return
    }
    #expect(sealed.grant.job == JobID(11))
    #expect(sealed.grant.lease.shard == ShardID(3))
    #expect(sealed.grant.lease.blocks == BlockRange(4, 8))
    #expect(sealed.grant.lease.attempt == Attempt(incarnation: Incarnation(1), counter: 2))
    #expect(sealed.grant.lease.worker == WorkerID(5))
    #expect(sealed.grant.lease.entry == .recordStart)
    #expect(sealed.grant.lease.deadline == now)
    #expect(sealed.seal.bytes == Array(repeating: 9, count: 32))

    let finish = try FleetEnvelope(
      decoding: Self.finish {
        $0.packed(5, [10, 20])
        $0.packed(8, [1])
        $0.packed(9, [77])
      }, now: now)
    guard case .finish(let finished) = finish.body else {
      Issue.record("\(finish)")
      return
    }
    #expect(
      finished.first?.result.results == [
        BlockResult(counts: RecordCounts(ok: 10), exit: .recordStart),
        BlockResult(counts: RecordCounts(ok: 20), exit: .insideField(recordOffset: 77)),
      ])
    _ = try FleetAnswerEnvelope(decoding: Self.grants { _ in }, now: now)
  }

  @Test(arguments: [
    Invalid("proof: 0 bytes", request(proof: []) { $0.message(22) { _ in } }),
    Invalid("proof: 31 bytes", request(proof: fill(31)) { $0.message(22) { _ in } }),
    Invalid("proof: 33 bytes", request(proof: fill(33)) { $0.message(22) { _ in } }),
    Invalid("body", request { _ in }),
    Invalid("body", request { $0.message(40) { _ in } }),
    Invalid("hello.name: not UTF-8", request { $0.message(16) { $0.bytes(1, [0x61, 0xFF]) } }),
    Invalid(
      "hello.name: not UTF-8", request { $0.message(16) { $0.bytes(1, [0xED, 0xA0, 0x80]) } }),
    Invalid("hello.name: 1025", request { $0.message(16) { $0.bytes(1, fill(1_025)) } }),
    Invalid("hello.thread_count", request { $0.message(16) { $0.text(1, "w") } }),
    Invalid("hello.thread_count", request { $0.message(16) { $0.varint(2, 5_000) } }),
    Invalid("acquire.lease_limit", request { $0.message(17) { _ in } }),
    Invalid("acquire.lease_limit", request { $0.message(17) { $0.varint(1, 1 << 31) } }),
    Invalid("lease.shard", handBack { $0.varint(2, 10_000_000) }),
    Invalid(
      "lease.blocks: 5..<3",
      handBack {
        $0.varint(3, 5); $0.varint(4, 3)
      }),
    Invalid("lease.blocks: 8..<8", handBack { $0.varint(3, 8) }),
    Invalid("lease.blocks: 4..<65", handBack { $0.varint(4, 65) }),
    Invalid("lease.blocks", handBack { $0.varint(4, 1 << 31) }),
    Invalid("lease.entry", handBack { $0.varint(8, .max) }),
    Invalid("lease.entry", handBack { $0.varint(8, 1 << 60 + 1) }),
    Invalid("lease.seal: 31 bytes", handBack { $0.bytes(9, fill(31)) }),
    Invalid("lease.seal: 33 bytes", handBack { $0.bytes(9, fill(33)) }),
    Invalid("lease.seal: 0 bytes", handBack { $0.bytes(9, []) }),
    Invalid("finish.leases: none", request { $0.message(19) { _ in } }),
    Invalid(
      "finish.leases: 257",
      request {
        $0.message(19) { finish in
          for _ in 0..<257 { finish.message(1) { _ in } }
        }
      }),
    Invalid("finish.lease: missing", request { $0.message(19) { $0.message(1) { _ in } } }),
    Invalid("finish.blocks", finish { $0.varint(3, 6) }),
    Invalid("finish.blocks: 3..<6 of a lease of 4..<8", finish { $0.varint(3, 3) }),
    Invalid("finish.blocks: 4..<9 of a lease of 4..<8", finish { $0.varint(4, 9) }),
    Invalid("finish.ok: 3 numbers for 2", finish { $0.packed(5, [1, 2, 3]) }),
    Invalid("finish.error: 1 numbers for 2", finish { $0.packed(6, [1]) }),
    Invalid("finish.filtered: 65", finish { $0.packed(7, Array(repeating: 1, count: 65)) }),
    Invalid(
      "finish.inside_places: 2 is not",
      finish {
        $0.packed(8, [2]); $0.packed(9, [1])
      }),
    Invalid(
      "finish.inside_places: 0 is not",
      finish {
        $0.packed(8, [1, 0]); $0.packed(9, [1, 1])
      }),
    Invalid(
      "finish.inside_places: 1 is not",
      finish {
        $0.packed(8, [1, 1]); $0.packed(9, [1, 1])
      }),
    Invalid("finish.inside_offsets: 0 for 1", finish { $0.packed(8, [1]) }),
    Invalid(
      "finish.inside_offsets",
      finish {
        $0.packed(8, [1]); $0.packed(9, [1 << 60])
      }),
    Invalid("finish.partial_digest: 16", finish { $0.bytes(10, fill(16)) }),
    Invalid("finish.partial_byte_count", finish { $0.varint(11, 4 << 30 + 1) }),
    Invalid("fail.lease: missing", request { $0.message(21) { _ in } }),
    Invalid("fail.code: 0", request { $0.message(21) { $0.bytes(1, lease()) } }),
    Invalid(
      "fail.code: 9",
      request {
        $0.message(21) {
          $0.bytes(1, lease()); $0.varint(2, 9)
        }
      }),
    Invalid("configuration.offset", request { $0.message(23) { $0.varint(2, .max) } }),
    Invalid("held.lease: missing", request { $0.message(18) { $0.message(1) { _ in } } }),
    Invalid(
      "heartbeat.held: 449",
      request {
        $0.message(18) { heartbeat in
          for _ in 0..<449 { heartbeat.message(1) { $0.bytes(1, lease()) } }
        }
      }),
    Invalid(
      "heartbeat.events: 101",
      request {
        $0.message(18) { heartbeat in
          for _ in 0..<101 { heartbeat.message(2) { $0.varint(2, 1) } }
        }
      }),
    Invalid(
      "heartbeat.events: 20000",
      request {
        $0.message(18) { heartbeat in
          for _ in 0..<5 {
            heartbeat.message(2) {
              $0.varint(2, 1); $0.bytes(4, fill(4_000))
            }
          }
        }
      }),
    Invalid("event.level: 0", request { $0.message(18) { $0.message(2) { _ in } } }),
    Invalid(
      "event.level: 4294967295", request { $0.message(18) { $0.message(2) { $0.varint(2, .max) } } }
    ),
    Invalid("heartbeat.record_count", request { $0.message(18) { $0.varint(4, 1 << 61) } }),
  ])
  func fleetRequest(_ invalid: Invalid) {
    let error = #expect(throws: WireError.self) {
      try FleetEnvelope(decoding: invalid.frame, now: now)
    }
    #expect(error?.code == .invalid)
    #expect(error?.context.hasPrefix(invalid.field) == true, "\(String(describing: error))")
    #expect(error?.requestID == 99)
  }

  @Test(arguments: [
    Invalid("body", answer { _ in }),
    Invalid("refusal.text", answer { $0.message(3) { $0.bytes(2, [0xC0]) } }),
    Invalid("welcome.heartbeat", answer { $0.message(16) { _ in } }),
    Invalid(
      "welcome.bulk_port",
      answer {
        $0.message(16) { welcome in
          for field in 2...4 { welcome.varint(UInt64(field), 1) }
          welcome.varint(5, 65_536)
        }
      }),
    Invalid("grant.input: 1 of 1", grants { $0.varint(3, 1) }),
    Invalid("grant.input: 0 of 0", grants(inputs: []) { _ in }),
    Invalid("input.path: empty", grants(inputs: [{ $0.varint(4, 1) }]) { _ in }),
    Invalid("input.path: 4097", grants(inputs: [{ $0.bytes(1, fill(4_097)) }]) { _ in }),
    Invalid("input.compression: 0", grants(inputs: [{ $0.text(1, "/in") }]) { _ in }),
    Invalid(
      "input.compression: 4",
      grants(inputs: [
        {
          $0.text(1, "/in"); $0.varint(4, 4)
        }
      ]) { _ in }),
    Invalid("grant.block_count: 0", grants { $0.varint(7, 0) }),
    Invalid("grant.block_count: 65", grants { $0.varint(7, 65) }),
    Invalid("grant.block_count: 7 for 4..<8", grants { $0.varint(7, 7) }),
    Invalid("grant.block_length: 0", grants { $0.varint(6, 0) }),
    Invalid(
      "grant.range_end: 4 is before 5",
      grants {
        $0.varint(4, 5); $0.varint(5, 4)
      }),
    Invalid("grant.range_offset", grants { $0.varint(4, .max) }),
    Invalid("grant.probe_byte_counts: 0 for 1", grants { $0.packed(8, [1]) }),
    Invalid(
      "grant.probe_digests: 15 bytes instead of 16",
      grants {
        $0.packed(8, [1])
        $0.packed(9, [1])
        $0.bytes(10, fill(15))
      }),
    Invalid("grant.probe_offsets: 9", grants { $0.packed(8, Array(repeating: 1, count: 9)) }),
    Invalid("key.shard", answer { $0.message(19) { $0.message(1) { $0.varint(2, 1 << 31) } } }),
    Invalid("finished.code: 7", answer { $0.message(20) { $0.message(1) { $0.varint(1, 7) } } }),
    Invalid(
      "finished.offset",
      answer {
        $0.message(20) {
          $0.message(1) {
            $0.varint(1, 4)
            $0.varint(2, .max)
          }
        }
      }),
    Invalid(
      "configuration.content: 3 bytes at 1 of 3",
      answer {
        $0.message(24) {
          $0.varint(1, 3)
          $0.varint(2, 1)
          $0.bytes(3, fill(3))
        }
      }),
  ])
  func fleetAnswer(_ invalid: Invalid) {
    let error = #expect(throws: WireError.self) {
      try FleetAnswerEnvelope(decoding: invalid.frame, now: now)
    }
    #expect(error?.code == .invalid)
    #expect(error?.context.hasPrefix(invalid.field) == true, "\(String(describing: error))")
    #expect(error?.requestID == 99)
  }

  @Test(arguments: [
    Invalid("list.limit: 0", request { $0.message(17) { _ in } }),
    Invalid("list.limit: 101", request { $0.message(17) { $0.varint(2, 101) } }),
    Invalid(
      "list.states: 10 is no",
      request {
        $0.message(17) {
          $0.varint(2, 1); $0.packed(3, [10])
        }
      }),
    Invalid("logs.limit", request { $0.message(19) { $0.varint(3, 501) } }),
    Invalid("workers.limit", request { $0.message(25) { $0.varint(2, 201) } }),
    Invalid("submit.request", request { $0.message(16) { $0.bytes(2, fill(56 << 10 + 1)) } }),
    Invalid("body", request { $0.message(99) { _ in } }),
    Invalid("fleet.body: missing", request { $0.message(27) { _ in } }),
    Invalid(
      "scale.least", request { $0.message(27) { $0.message(2) { $0.varint(2, 10_001) } } }),
    Invalid(
      "scale.most", request { $0.message(27) { $0.message(2) { $0.varint(3, 1 << 31) } } }),
    Invalid("scale.pool", request { $0.message(27) { $0.message(2) { $0.bytes(1, [0x80]) } } }),
  ])
  func clientRequest(_ invalid: Invalid) {
    let error = #expect(throws: WireError.self) { try ClientEnvelope(decoding: invalid.frame) }
    #expect(error?.code == .invalid)
    #expect(error?.context.hasPrefix(invalid.field) == true, "\(String(describing: error))")
  }

  private static func job(_ replace: (inout ProtobufWriter) -> Void) -> [UInt8] {
    answer {
      $0.message(17) {
        $0.message(1) { job in
          job.varint(3, 1)
          job.varint(4, 1)
          replace(&job)
        }
      }
    }
  }

  @Test(arguments: [
    Invalid("job.state: 0", job { $0.varint(3, 0) }),
    Invalid("job.state: 10", job { $0.varint(3, 10) }),
    Invalid("job.phase: 5", job { $0.varint(4, 5) }),
    Invalid("job.records_per_second: nan", job { $0.fixed64(23, Double.nan.bitPattern) }),
    Invalid("job.records_per_second: inf", job { $0.fixed64(23, Double.infinity.bitPattern) }),
    Invalid("job.records_per_second: -1", job { $0.fixed64(23, (-1.0).bitPattern) }),
    Invalid("job.error_threshold: -2", job { $0.varint(21, 3) }),
    Invalid("job.result_folder", job { $0.bytes(22, [0x80]) }),
    Invalid("job.ok_count", job { $0.varint(8, .max) }),
    Invalid("description.job: missing", answer { $0.message(18) { _ in } }),
    Invalid("pong.uptime", answer { $0.message(22) { $0.varint(3, .max) } }),
  ])
  func clientAnswer(_ invalid: Invalid) {
    let error = #expect(throws: WireError.self) {
      try ClientAnswerEnvelope(decoding: invalid.frame)
    }
    #expect(error?.code == .invalid)
    #expect(error?.context.hasPrefix(invalid.field) == true, "\(String(describing: error))")
  }

  @Test(arguments: [
    Invalid("piece.lease: missing", request { $0.message(16) { _ in } }),
    Invalid(
      "piece.content: 3 bytes at 1 of 3",
      request {
        $0.message(16) {
          $0.bytes(1, lease())
          $0.bytes(2, fill(32))
          $0.varint(3, 3)
          $0.varint(4, 1)
          $0.bytes(5, fill(3))
        }
      }),
    Invalid(
      "piece.content",
      request {
        $0.message(16) {
          $0.bytes(1, lease())
          $0.bytes(2, fill(32))
          $0.bytes(5, fill(4 << 20 + 1))
        }
      }),
    Invalid("get_input.byte_count: 0", request { $0.message(17) { $0.bytes(1, lease()) } }),
    Invalid("get_model.digest", request { $0.message(18) { $0.varint(3, 1) } }),
    Invalid(
      "get_model.byte_count",
      request {
        $0.message(18) {
          $0.bytes(1, fill(32))
          $0.varint(3, 4 << 20 + 1)
        }
      }),
  ])
  func bulkRequest(_ invalid: Invalid) {
    let error = #expect(throws: WireError.self) {
      try BulkEnvelope(decoding: invalid.frame, now: now)
    }
    #expect(error?.code == .invalid)
    #expect(error?.context.hasPrefix(invalid.field) == true, "\(String(describing: error))")
  }

  /// A refusal code that only newer programs know is still a refusal.
  @Test func unknownRefusalCode() throws {
    let frame = answer {
      $0.message(3) {
        $0.varint(1, 77); $0.text(2, "why")
      }
    }
    let refusal = Refusal(code: .other, text: "why")
    #expect(try BulkAnswerEnvelope(decoding: frame).body == .refusal(refusal))
  }

  @Test func malformedAndTooLargeFrames() {
    let cut = #expect(throws: WireError.self) {
      try FleetEnvelope(decoding: Array(Self.handBack { _ in }.dropLast()), now: now)
    }
    #expect(cut?.code == .malformed)
    let large = #expect(throws: WireError.self) {
      try FleetEnvelope(decoding: Self.fill(64 << 10 + 1), now: now)
    }
    #expect(large?.code == .tooLarge)
    let empty = #expect(throws: WireError.self) { try FleetEnvelope(decoding: [], now: now) }
    #expect(empty?.code == .version)
  }

  /// What cannot be sent is refused where it is written, not where it is read.
  @Test func encoderRefuses() {
    var generator = SeededGenerator(seed: 5)
    func error(_ body: FleetBody) -> String? {
      let envelope = FleetEnvelope(worker: WorkerID(1), requestID: 1, body: body)
      return #expect(throws: WireError.self) { try envelope.encode() }?.context
    }
    #expect(error(.finish([])) == "finish.leases: none")
    let held = Array(repeating: generator.heldLease(), count: 449)
    #expect(error(.heartbeat(Heartbeat(held: held))) == "heartbeat.held: 449 of at most 384")
    let input = GrantInput(
      path: "/a\0b", byteCount: 1, modifiedNanoseconds: 1, compression: .none)
    let grant = generator.grant(inputs: [input])
    let answer = FleetAnswerEnvelope(requestID: 1, body: .grants([grant]))
    let refused = #expect(throws: WireError.self) { try answer.encode(now: now) }
    #expect(refused?.context == "input.path: has a NUL, which ends a text in C")
  }
}
