import Jobs
import Testing
import Wire

@Suite struct BudgetTests {
  /// Fields of two bytes fill the frame, or a message in it.
  ///
  /// Each would take 32 to 68 bytes in memory.
  @Test(
    arguments: FrameKind.allCases,
    [
      "unknown fields", "empty sub-messages", "numbers not packed", "texts again and again",
    ])
  func amplification(kind: FrameKind, attack: String) {
    let isBulk = kind == .bulkRequest || kind == .bulkAnswer
    let byteCount = (isBulk ? Limits.bulkFrameByteCount : Limits.controlFrameByteCount) - 200
    let pair: [UInt8] =
      switch attack {
      case "unknown fields": [0x50, 0]  // field 10, varint
      case "empty sub-messages": [0x0A, 0]  // field 1, no bytes
      case "numbers not packed": [0x28, 1]  // field 5, varint
      default: [0x22, 0]  // field 4, no bytes
      }
    let attackBytes = [UInt8](repeatingPair: pair, byteCount: byteCount)
    var refused = 0
    for field in UInt64(0)...26 {
      let frame =
        field == 0
        ? attackBytes : ProtobufWriter.message { $0.bytes(field, attackBytes) }
      let budget = kind.budget(frameByteCount: frame.count)
      let error = kind.refusal(frame, budget)
      if error?.code == .overBudget { refused += 1 }
      #expect(error != nil)
      #expect(budget.usage.peakByteCount <= kind.byteLimit(frameByteCount: frame.count))
      #expect(budget.usage.liveByteCount == 0)
      #expect(budget.usage.allocationCount == budget.usage.freeCount)
    }
    #expect(refused > 0)
  }

  /// The attack of `finish`, where a result's own lists are the target.
  @Test func amplificationInsideAList() {
    let leases = [UInt8](repeatingPair: [0x0A, 0], byteCount: 65_000)
    let frame = request { $0.bytes(19, leases) }
    let budget = AllocationBudget.control(frameByteCount: frame.count)
    #expect(FrameKind.fleetRequest.refusal(frame, budget)?.code == .overBudget)
    #expect(budget.usage.peakByteCount <= 6 * frame.count + 65_536)
    #expect(budget.usage.liveByteCount == 0)
  }

  /// With each allocation refused in turn the frame is refused and nothing is left behind.
  @Test(arguments: FrameKind.allCases)
  func eachAllocationFails(kind: FrameKind) throws {
    var generator = SeededGenerator(seed: 17)
    for _ in 0..<40 {
      let frame = try kind.randomFrame(&generator)
      let whole = kind.budget(frameByteCount: frame.count)
      try kind.read(frame, whole)
      #expect(whole.usage.allocationCount == whole.usage.freeCount)
      #expect(whole.usage.liveByteCount == 0)
      #expect(whole.usage.peakByteCount > 0)
      for ordinal in 0..<whole.usage.allocationCount {
        let budget = AllocationBudget(byteLimit: 1 << 24, failingAllocation: ordinal)
        #expect(kind.refusal(frame, budget)?.code == .overBudget, "allocation \(ordinal)")
        #expect(budget.usage.allocationCount == budget.usage.freeCount, "allocation \(ordinal)")
        #expect(budget.usage.liveByteCount == 0)
      }
    }
  }

  /// What ordinary frames take stays clear of the limit, so that honest peers are never refused.
  @Test func headroom() throws {
    var largest = 0.0
    for kind in FrameKind.allCases {
      var generator = SeededGenerator(seed: 23)
      for _ in 0..<500 {
        let frame = try kind.randomFrame(&generator)
        let budget = kind.budget(frameByteCount: frame.count)
        try kind.read(frame, budget)
        let limit = Double(kind.byteLimit(frameByteCount: frame.count))
        largest = max(largest, Double(budget.usage.peakByteCount) / limit)
      }
    }
    #expect(largest < 0.5)
  }
}

extension [UInt8] {
  /// The same two bytes until the count is reached.
  init(repeatingPair pair: [UInt8], byteCount: Int) {
    self = (0..<byteCount & ~1).map { pair[$0 & 1] }
  }
}
