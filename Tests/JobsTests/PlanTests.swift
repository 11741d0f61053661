import Jobs
import Testing

/// Plans are arithmetic: every byte of text in exactly one block, whatever the sizes.
struct PlanTests {
  static let unit: UInt64 = 256
  static let shardByteCount: UInt64 = 64 * 256

  static func input(
    _ byteCount: UInt64, _ compression: InputCompression = .none
  ) -> PlannedInput {
    PlannedInput(
      path: "/in/\(byteCount).csv", byteCount: byteCount, modifiedNanoseconds: 1, inode: 2,
      compression: compression)
  }

  /// Rows of row groups, or text between frames: shards are what lies between two cuts.
  @Test func cutsAreTheBoundsOfShards() throws {
    let cuts = [(0, 0), (64 * 1_024 - 1, 2), (64 * 1_024, 3), (64 * 1_024, 4)].map {
      InputCut(offset: $0.0, place: $0.1)
    }
    let cutInput = PlannedInput(
      path: "s3://b/t.parquet", byteCount: 9, modifiedNanoseconds: 0, inode: 0,
      compression: .none, version: "v", cuts: cuts)
    let plan = try Plan(inputs: [Self.input(1), cutInput], blockByteCount: Self.unit)
    #expect(plan.shardCount == 4 && plan.shards(ofInput: 1) == 1..<4)
    let ranges = (1..<4).map { plan.range(of: ShardID($0)) }
    #expect(ranges.map(\.offset) == [0, 65_535, 65_536])
    #expect(ranges.map(\.end) == [65_535, 65_536, 65_536])
    #expect(ranges.map(\.blockCount) == [64, 1, 1])
    #expect(ranges.map(\.blockLength) == [1_024, 1_024, 1_024])
    #expect(ranges.map(\.places) == [0..<2, 2..<3, 3..<4])
    #expect(ranges[0].blockOffset(63) == 63 * 1_024 && ranges[0].blockOffset(64) == 65_535)
  }

  @Test(arguments: [[(0, 0)], [(1, 0), (0, 1)], [(0, 1), (1, 0)]])
  func cutsThatDoNotAscendAreRefused(_ places: [(UInt64, UInt64)]) {
    let wrong = PlannedInput(
      path: "t", byteCount: 9, modifiedNanoseconds: 0, inode: 0, compression: .none,
      cuts: places.map { InputCut(offset: $0.0, place: $0.1) })
    #expect(throws: Plan.Refusal.cuts(0)) { try Plan(inputs: [wrong]) }
  }

  @Test func noInputIsAPlanWhereThatIsAllowed() throws {
    let plan = try Plan(inputs: [], allowsNone: true)
    #expect(plan.shardCount == 0 && plan.resultFileCount == 0)
  }

  struct SizeCase: Sendable, CustomStringConvertible {
    let byteCount: UInt64
    let shardCount: Int
    let lastBlockCount: Int
    var description: String { "\(byteCount) bytes" }
  }

  @Test(arguments: [
    SizeCase(byteCount: 0, shardCount: 1, lastBlockCount: 1),
    SizeCase(byteCount: 1, shardCount: 1, lastBlockCount: 1),
    SizeCase(byteCount: unit - 1, shardCount: 1, lastBlockCount: 1),
    SizeCase(byteCount: unit, shardCount: 1, lastBlockCount: 1),
    SizeCase(byteCount: unit + 1, shardCount: 1, lastBlockCount: 2),
    SizeCase(byteCount: shardByteCount - 1, shardCount: 1, lastBlockCount: 64),
    SizeCase(byteCount: shardByteCount, shardCount: 1, lastBlockCount: 64),
    SizeCase(byteCount: shardByteCount + 1, shardCount: 2, lastBlockCount: 1),
    SizeCase(byteCount: 3 * shardByteCount, shardCount: 3, lastBlockCount: 64),
    SizeCase(byteCount: 3 * shardByteCount + 5 * unit, shardCount: 4, lastBlockCount: 5),
  ])
  func cutsPlainTextWithoutGapOrOverlap(_ size: SizeCase) throws {
    let plan = try Plan(inputs: [Self.input(size.byteCount)], blockByteCount: Self.unit)
    #expect(plan.shardCount == size.shardCount)
    var place: UInt64 = 0
    for index in 0..<plan.shardCount {
      let range = plan.range(of: ShardID(UInt32(index)))
      #expect(range.inputIndex == 0)
      for block in 0..<range.blockCount {
        #expect(range.blockOffset(block) == place)
        let end = try #require(
          block + 1 == range.blockCount ? range.end : range.blockOffset(block + 1))
        #expect(end - place <= Self.unit)
        #expect(end > place || size.byteCount == 0)
        place = end
      }
      #expect(range.blockOffset(range.blockCount) == range.end)
    }
    #expect(place == size.byteCount)
    let last = plan.range(of: ShardID(UInt32(plan.shardCount - 1)))
    #expect(last.blockCount == size.lastBlockCount)
  }

  @Test func findsTheInputOfEveryShard() throws {
    let sizes: [UInt64] = [0, Self.shardByteCount * 2, 1, Self.shardByteCount + 1, 0, 7]
    let plan = try Plan(inputs: sizes.map { Self.input($0) }, blockByteCount: Self.unit)
    #expect(plan.shardCount == 1 + 2 + 1 + 2 + 1 + 1)
    let expected = [0, 1, 1, 2, 3, 3, 4, 5]
    for (shard, input) in expected.enumerated() {
      #expect(plan.inputIndex(of: ShardID(UInt32(shard))) == input)
      #expect(plan.range(of: ShardID(UInt32(shard))).inputIndex == input)
      #expect(plan.shards(ofInput: input).contains(shard))
    }
    #expect(
      sizes.indices.map { plan.shards(ofInput: $0) } == [0..<1, 1..<3, 3..<4, 4..<6, 6..<7, 7..<8])
  }

  @Test(arguments: [UInt64(0), 1, 1_000, 10_000_000])
  func givesACompressedFileOneOpenEndedShard(byteCount: UInt64) throws {
    let inputs = [Self.input(5), Self.input(byteCount, .gzip), Self.input(9, .zstd)]
    let plan = try Plan(inputs: inputs, blockByteCount: Self.unit)
    #expect(plan.shardCount == 3)
    let range = plan.range(of: ShardID(1))
    #expect(range.inputIndex == 1)
    #expect(range.offset == 0)
    #expect(range.end == nil)
    #expect(range.blockCount == 64)
    #expect(range.blockLength % Self.unit == 0)
    #expect(range.blockLength >= Self.unit)
    #expect(range.blockLength * 63 >= byteCount * 8)
    #expect(range.blockOffset(1) == range.blockLength)
    #expect(range.blockOffset(64) == nil)
  }

  @Test func dependsOnInputsAndBlockSizeOnly() throws {
    let inputs = [Self.input(100_000), Self.input(3, .zstd)]
    let first = try Plan(inputs: inputs, blockByteCount: Self.unit)
    #expect(try first == Plan(inputs: inputs, blockByteCount: Self.unit))
    #expect(try first != Plan(inputs: inputs, blockByteCount: 2 * Self.unit))
    #expect(try first != Plan(inputs: inputs.reversed(), blockByteCount: Self.unit))
  }

  @Test(arguments: [(1, 1), (16, 1), (17, 2), (32, 2), (33, 3)])
  func groupsSixteenShardsToOneResultFile(shardCount: Int, files: Int) throws {
    let size = UInt64(shardCount) * Self.shardByteCount
    let plan = try Plan(inputs: [Self.input(size)], blockByteCount: Self.unit)
    #expect(plan.shardCount == shardCount)
    #expect(plan.resultFileCount == files)
  }

  @Test func refusesWhatExceedsTheLimits() throws {
    #expect(throws: Plan.Refusal.noInputs) { try Plan(inputs: []) }
    for bad in [0, Limits.smallestBlockByteCount - 1, Limits.largestBlockByteCount + 1] {
      #expect(throws: Plan.Refusal.blockByteCount(bad)) {
        try Plan(inputs: [Self.input(1)], blockByteCount: bad)
      }
    }
    for good in [Limits.smallestBlockByteCount, Limits.largestBlockByteCount] {
      #expect(try Plan(inputs: [Self.input(1)], blockByteCount: good).shardCount == 1)
    }
    let most = UInt64(Limits.shardsPerJob) * Self.shardByteCount
    #expect(
      try Plan(inputs: [Self.input(most)], blockByteCount: Self.unit).shardCount
        == Limits.shardsPerJob)
    #expect(throws: Plan.Refusal.tooManyShards(UInt64(Limits.shardsPerJob) + 1)) {
      try Plan(inputs: [Self.input(most + 1)], blockByteCount: Self.unit)
    }
    #expect(throws: Plan.Refusal.tooManyShards(UInt64(Limits.shardsPerJob) + 1)) {
      try Plan(inputs: [Self.input(most), Self.input(0)], blockByteCount: Self.unit)
    }
    // What a store says of its objects: no sum of it may overflow.
    let half = PlannedInput(
      path: "/a.gz", byteCount: Limits.inputByteCount / 2 + 1, modifiedNanoseconds: 0, inode: 0,
      compression: .gzip)
    #expect(try Plan(inputs: [half]).shardCount == 1)
    #expect(throws: Plan.Refusal.tooManyBytes(1)) { try Plan(inputs: [half, half]) }
    #expect(throws: Plan.Refusal.tooManyBytes(0)) { try Plan(inputs: [Self.input(.max)]) }
    let many = Array(repeating: Self.input(0), count: Limits.inputsPerJob + 1)
    #expect(throws: Plan.Refusal.tooManyInputs(many.count)) { try Plan(inputs: many) }
    #expect(try Plan(inputs: Array(many.dropLast())).shardCount == Limits.inputsPerJob)
  }

  @Test func survivesTheLargestFileSize() throws {
    #expect(throws: Plan.Refusal.self) {
      try Plan(inputs: [Self.input(.max)], blockByteCount: Limits.smallestBlockByteCount)
    }
    #expect(throws: Plan.Refusal.self) {
      try Plan(inputs: [Self.input(.max)], blockByteCount: Limits.largestBlockByteCount)
    }
    let largest = Self.input(Limits.inputByteCount, .zstd)
    let compressed = try Plan(inputs: [largest]).range(of: ShardID(0))
    #expect(compressed.blockOffset(63) == 63 * compressed.blockLength)
  }
}
