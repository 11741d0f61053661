import Jobs
import Wire

/// The six kinds of frames, for tests that treat them alike.
enum FrameKind: CaseIterable, Sendable {
  case fleetRequest, fleetAnswer, bulkRequest, bulkAnswer, clientRequest, clientAnswer

  /// A valid frame with random content.
  func randomFrame(_ generator: inout SeededGenerator) throws -> [UInt8] {
    switch self {
    case .fleetRequest:
      let kind = generator.number(0...SeededGenerator.fleetKindCount - 1)
      return try generator.fleetEnvelope(kind: kind).encode()
    case .fleetAnswer:
      let kind = generator.number(0...SeededGenerator.fleetAnswerKindCount - 1)
      return try generator.fleetAnswer(kind: kind).encode(now: now)
    case .bulkRequest:
      let kind = generator.number(0...SeededGenerator.bulkKindCount - 1)
      return try generator.bulkEnvelope(kind: kind).encode()
    case .bulkAnswer:
      let kind = generator.number(0...SeededGenerator.bulkAnswerKindCount - 1)
      return try generator.bulkAnswer(kind: kind).encode()
    case .clientRequest:
      let kind = generator.number(0...SeededGenerator.clientKindCount - 1)
      return try generator.clientEnvelope(kind: kind).encode()
    case .clientAnswer:
      let kind = generator.number(0...SeededGenerator.clientAnswerKindCount - 1)
      return try generator.clientAnswer(kind: kind).encode()
    }
  }

  /// Bytes that a frame may have, and the memory that one of this size may take.
  func budget(frameByteCount: Int) -> AllocationBudget {
    switch self {
    case .bulkRequest, .bulkAnswer: .bulk(frameByteCount: frameByteCount)
    case .fleetRequest, .fleetAnswer, .clientRequest, .clientAnswer:
      .control(frameByteCount: frameByteCount)
    }
  }

  /// The most that `budget` allows.
  func byteLimit(frameByteCount: Int) -> Int {
    switch self {
    case .bulkRequest, .bulkAnswer: frameByteCount * 5 / 4 + 65_536
    case .fleetRequest, .fleetAnswer, .clientRequest, .clientAnswer: frameByteCount * 6 + 65_536
    }
  }

  /// Reads a frame and throws the value away.
  func read(_ frame: [UInt8], _ budget: AllocationBudget) throws(WireError) {
    switch self {
    case .fleetRequest: _ = try FleetEnvelope(decoding: frame, now: now, budget: budget)
    case .fleetAnswer: _ = try FleetAnswerEnvelope(decoding: frame, now: now, budget: budget)
    case .bulkRequest: _ = try BulkEnvelope(decoding: frame, now: now, budget: budget)
    case .bulkAnswer: _ = try BulkAnswerEnvelope(decoding: frame, budget: budget)
    case .clientRequest: _ = try ClientEnvelope(decoding: frame, budget: budget)
    case .clientAnswer: _ = try ClientAnswerEnvelope(decoding: frame, budget: budget)
    }
  }

  /// Reads a frame that may be refused; `nil` if it was taken.
  func refusal(_ frame: [UInt8], _ budget: AllocationBudget) -> WireError? {
    do throws(WireError) {
      try read(frame, budget)
      return nil
    } catch {
      return error
    }
  }
}
