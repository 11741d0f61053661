import Jobs
import Testing
import Wire

@Suite struct FuzzTests {
  private static let framesOfEachKind = 34_000

  /// Altered and random frames are taken or refused, within the budget, and never crash.
  @Test(arguments: FrameKind.allCases)
  func neverCrashes(kind: FrameKind) throws {
    var generator = SeededGenerator(seed: 4_711)
    var samples: [[UInt8]] = []
    for _ in 0..<200 { samples.append(try kind.randomFrame(&generator)) }
    var refusedCount = 0
    for round in 0..<Self.framesOfEachKind {
      let frame = Self.altered(samples[round % samples.count], samples, &generator)
      let budget = kind.budget(frameByteCount: frame.count)
      if kind.refusal(frame, budget) != nil { refusedCount += 1 }
      let isClean =
        budget.usage.liveByteCount == 0 && budget.usage.allocationCount == budget.usage.freeCount
        && budget.usage.peakByteCount <= kind.byteLimit(frameByteCount: frame.count)
      // An expectation for each frame would take most of the time.
      if !isClean { Issue.record("round \(round): \(frame)") }
    }
    // Neither all nor none: what is altered reaches the checks behind the parser.
    #expect(refusedCount > Self.framesOfEachKind / 10)
    #expect(refusedCount < Self.framesOfEachKind * 99 / 100)
  }

  private static func altered(
    _ sample: [UInt8], _ samples: [[UInt8]], _ generator: inout SeededGenerator
  ) -> [UInt8] {
    var frame = sample
    guard !frame.isEmpty else { return frame }
    for _ in 0..<generator.number(1...4) {
      let place = generator.number(0...frame.count - 1)
      switch generator.number(0...7) {
      case 0: frame[place] ^= 1 << UInt8(generator.number(0...7))
      case 1: frame[place] = UInt8(truncatingIfNeeded: generator.next())
      case 2: frame[place] = [0, 0x7F, 0x80, 0xFF][generator.number(0...3)]
      case 3: frame.insert(UInt8(truncatingIfNeeded: generator.next()), at: place)
      case 4: frame.remove(at: place)
      case 5: frame.removeLast(generator.number(0...min(20, frame.count - 1)))
      case 6:
        let other = samples[generator.number(0...samples.count - 1)]
        frame += other.suffix(generator.number(0...200))
      default:
        guard generator.chance(8) else { continue }
        frame = generator.bytes(generator.number(1...300))
      }
      if frame.isEmpty { return frame }
    }
    return frame
  }
}
