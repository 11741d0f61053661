import Jobs
import Testing

struct BlockTests {
  @Test func acceptsExactlyTheRangesOfAShard() {
    #expect(BlockRange(checking: 0, 64)?.count == 64)
    #expect(BlockRange(checking: 63, 64)?.indices == 63..<64)
    for (first, end) in [(0, 0), (3, 3), (4, 3), (0, 65), (64, 65), (.max, 3), (0, .max)]
      as [(UInt64, UInt64)]
    {
      #expect(BlockRange(checking: first, end) == nil)
    }
    #expect("\(BlockRange(2, 5))" == "2..<5")
  }

  @Test func masksRunsAsTheyAre() {
    #expect(BlockMask(BlockRange(0, 64)).bits == .max)
    #expect(BlockMask(BlockRange(1, 3)).bits == 0b110)
    #expect(BlockMask(firstCount: 0).isEmpty)
    #expect(BlockMask(firstCount: 64).count == 64)
    #expect(BlockMask(BlockRange(63, 64)).bits == 1 << 63)
    let mask = BlockMask(bits: 0b1101_1001)
    #expect(mask.runs == [BlockRange(0, 1), BlockRange(3, 5), BlockRange(6, 8)])
    #expect(mask.firstRun() == BlockRange(0, 1))
    #expect(BlockMask(bits: .max).firstRun(limit: 7) == BlockRange(0, 7))
    #expect(BlockMask(bits: .max << 60).firstRun() == BlockRange(60, 64))
    #expect(BlockMask.none.firstRun() == nil)
    #expect(mask.contains(3) && !mask.contains(2))
  }

  @Test func rejoinsEveryMaskFromItsRuns() {
    var bits: UInt64 = 0x9E37_79B9_7F4A_7C15
    for _ in 0..<2_000 {
      bits = bits &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let mask = BlockMask(bits: bits & (bits >> 7))
      let joined = mask.runs.reduce(BlockMask.none) { $0.union(BlockMask($1)) }
      #expect(joined == mask)
      #expect(mask.runs.reduce(0) { $0 + $1.count } == mask.count)
      #expect(zip(mask.runs, mask.runs.dropFirst()).allSatisfy { $0.end < $1.first })
    }
  }
}

struct IdentifierTests {
  @Test func readsTheJobNamesItWrites() {
    for raw in [0, 1, 0xDEAD_BEEF, UInt64.max] {
      #expect(JobID(JobID(raw).description) == JobID(raw))
      #expect(JobID(raw).description.utf8.count == 16)
    }
    for bad in ["", "0", "00000000000000000", "+000000000000001", "000000000000000g", "-1"] {
      #expect(JobID(bad) == nil)
    }
  }

  @Test func ordersAttemptsByLifeFirst() {
    let old = Attempt(incarnation: Incarnation(1), counter: 9)
    let new = Attempt(incarnation: Incarnation(1).advanced(by: 1), counter: 1)
    #expect(old < new)
    #expect("\(new)" == "2.1")
  }

  @Test func carriesADigestUnchanged() {
    let bytes = (0..<32).map { UInt8($0 * 7 & 0xFF) }
    #expect(ContentDigest(bytes: bytes)?.bytes == bytes)
    #expect(ContentDigest(bytes: bytes)?.hexadecimal.hasPrefix("00070e15") == true)
    #expect(ContentDigest(bytes: bytes)?.hexadecimal.utf8.count == 64)
    #expect(ContentDigest(bytes: bytes.dropLast()) == nil)
    #expect(ContentDigest(bytes: bytes + [0]) == nil)
  }

  @Test func codesRangeStatesAsOneNumber() {
    for state in [
      RangeState.recordStart, .insideField(recordOffset: 0), .insideField(recordOffset: 1 << 60),
    ] {
      #expect(RangeState(code: state.code) == state)
    }
    #expect(RangeState(code: -2) == nil)
    #expect(RangeState(code: .min) == nil)
  }

  @Test func measuresTimeInNanoseconds() {
    let start = Instant(sinceStart: .milliseconds(1_500))
    #expect(start.nanoseconds == 1_500_000_000)
    #expect(start + .seconds(2) - start == .seconds(2))
    #expect(Duration.microseconds(1_999).milliseconds == 1)
    #expect(Duration.milliseconds(-1_500).nanoseconds == -1_500_000_000)
    #expect(Duration.milliseconds(250).inSeconds == 0.25)
  }

  @Test func namesTheStatesThatEnd() {
    let ends = JobState.allCases.filter(\.isTerminal).map(\.rawValue)
    #expect(ends == ["CANCELLED", "SUCCEEDED", "PARTIALLY_SUCCEEDED", "FAILED"])
  }

  @Test func addsRecordCounts() {
    let first = RecordCounts(ok: 5, error: 2, filtered: 1)
    let second = RecordCounts(ok: 1, error: 1, filtered: 1)
    #expect((first + second).total == 11)
    #expect(first + second - second == first)
  }
}
