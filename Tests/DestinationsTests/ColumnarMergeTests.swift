import Columnar
import CoordinatorCore
import Destinations
import Foundation
import Jobs
import Leasing
import Partials
import Testing

/// Parquet and Arrow files are the blocks in the order of the plan, and are checked like text.
@Suite struct ColumnarMergeTests {
  @Test(arguments: [
    (JobRequest.PredictionsFormat.parquet, JobRequest.OutputCompression.zstd),
    (.parquet, .none), (.arrow, .zstd), (.arrow, .none),
  ])
  func filesHaveAllRowsInOrder(
    format: JobRequest.PredictionsFormat, compression: JobRequest.OutputCompression
  ) throws {
    let fixture = try Fixture(format: format)
    let destination = PosixDestination(fixture.input(compression: compression))
    let outputs = try destination.merge(try fixture.commitAll(seed: 5))
    let folder = try destination.publish()
    let files = (0..<2).map { "prediction.results-0000\($0)-of-00002.\(format.rawValue)" }
    #expect(outputs.map(\.name).filter { $0.contains("results") } == files)
    #expect(outputs[1].records + outputs[2].records == fixture.counts.ok)
    for (index, name) in files.enumerated() {
      let each = Limits.shardsPerResultFile
      let shards = index * each..<min((index + 1) * each, fixture.plan.shardCount)
      let rows = try ColumnarFixture.rows(
        bytes(folder + "/" + name), format == .parquet ? .parquet : .arrow)
      #expect(rows == fixture.scored[shards].joined().flatMap(\.rows))
    }
    let report = Verification.check(folder: folder)
    #expect(report.findings == [])
    #expect(report.counts == fixture.counts)
  }

  @Test(arguments: [JobRequest.PredictionsFormat.parquet, .arrow])
  func anyHistoryGivesTheSameBytes(format: JobRequest.PredictionsFormat) throws {
    let fixture = try Fixture(format: format)
    var expected: [String: [UInt8]] = [:]
    for seed in 0..<4 as Range<UInt64> {
      let destination = PosixDestination(fixture.input(fixture.root + "/out-\(seed)"))
      try destination.merge(try fixture.commitAll(seed: seed))
      let folder = try destination.publish()
      for name in try names(folder) where name.hasPrefix("prediction.") {
        let content = try bytes(folder + "/" + name)
        #expect(expected[name, default: content] == content, "\(name), seed \(seed)")
        expected[name] = content
      }
    }
    #expect(expected.count == 4)
  }

  @Test(arguments: [JobRequest.PredictionsFormat.parquet, .arrow])
  func aJobWithoutRecordsHasFilesWithColumns(format: JobRequest.PredictionsFormat) throws {
    let fixture = try Fixture(format: format)
    let path = fixture.root + "/empty.csv"
    try Data().write(to: URL(fileURLWithPath: path))
    var input = fixture.input()
    input.plan = try Plan(
      inputs: [
        PlannedInput(
          path: path, byteCount: 0, modifiedNanoseconds: 0, inode: 0, compression: .none)
      ], blockByteCount: 256)
    input.counts = RecordCounts()
    let committed = CommittedBlocks(
      shard: ShardID(0), blocks: BlockRange(0, 1),
      attempt: Attempt(incarnation: Incarnation(1), counter: 1), entry: .recordStart,
      exit: .recordStart, counts: RecordCounts(),
      partial: PartialName(digest: ContentDigest(words: .zero), byteCount: 0))
    let destination = PosixDestination(input)
    try destination.merge([PlacedBlocks(committed: committed, path: "")])
    let folder = try destination.publish()
    let name = "prediction.results-00000-of-00001.\(format.rawValue)"
    let rows = try ColumnarFixture.rows(
      bytes(folder + "/" + name), format == .parquet ? .parquet : .arrow)
    #expect(rows == [])
    #expect(Verification.check(folder: folder).findings == [])
  }

  @Test func aDamagedPartialIsDamageAndNoFault() throws {
    let fixture = try Fixture(format: .parquet)
    let placed = try fixture.commitAll(seed: 0)
    let victim = placed[3]  // the one block of the small input
    let sound = try bytes(victim.path)
    let destination = PosixDestination(fixture.input())
    for place in stride(from: 0, to: sound.count, by: 211) {
      var content = sound
      content[place] ^= 0x10
      try Data(content).write(to: URL(fileURLWithPath: victim.path))
      let error = #expect(throws: DestinationError.self) { try destination.merge(placed) }
      #expect(error?.code == .damaged([victim.committed]), "byte \(place)")
    }
  }

  @Test func blocksOfOtherColumnsAreAFault() throws {
    let fixture = try Fixture(format: .parquet)
    let placed = try fixture.commitAll(seed: 0)
    var input = fixture.input()
    input.resultColumns = [
      ResultColumn(name: "shard", type: .integer), ResultColumn(name: "other", type: .number),
    ]
    let error = #expect(throws: DestinationError.self) {
      try PosixDestination(input).merge(placed)
    }
    #expect(error?.code == .inconsistent)
    #expect(error?.context.contains("other columns") == true)
  }

  @Test(arguments: [JobRequest.PredictionsFormat.parquet, .arrow])
  func changedFilesAreFound(format: JobRequest.PredictionsFormat) throws {
    let fixture = try Fixture(format: format)
    let destination = PosixDestination(fixture.input())
    try destination.merge(try fixture.commitAll(seed: 1))
    let folder = try destination.publish()
    let path = folder + "/prediction.results-00001-of-00002.\(format.rawValue)"
    let sound = try bytes(path)
    var flipped = sound
    flipped[sound.count / 3] ^= 1
    try Data(flipped).write(to: URL(fileURLWithPath: path))
    #expect(
      Verification.check(folder: folder).findings.map(\.problem).contains {
        $0.contains("SHA-256")
      })
    try Data(sound.dropLast(5)).write(to: URL(fileURLWithPath: path))
    let findings = Verification.check(folder: folder).findings.map(\.problem)
    #expect(findings.contains { $0.contains("bytes, the receipt says") })
    #expect(findings.contains { $0.contains("cannot be read") })
    // A sound file with other rows.
    try Data(
      try bytes(folder + "/prediction.results-00000-of-00002.\(format.rawValue)")
    ).write(to: URL(fileURLWithPath: path))
    #expect(
      Verification.check(folder: folder).findings.map(\.problem).contains {
        $0.contains("records, the receipt says")
      })
  }

  @Test(arguments: [JobRequest.PredictionsFormat.parquet, .arrow])
  func eachRecordIsFound(format: JobRequest.PredictionsFormat) throws {
    let fixture = try Fixture(format: format, hasFilter: false)
    let destination = PosixDestination(fixture.input())
    try destination.merge(try fixture.commitAll(seed: 2))
    let folder = try PublishedFolder(path: try destination.publish())
    var row: UInt64 = 0
    for block in fixture.scored.joined() {
      var rows = block.rows[...]
      for ordinal in 0..<block.counts.total {
        defer { row += 1 }
        guard !block.errorOrdinals.contains(ordinal) else { continue }
        let expected = rows.removeFirst()
        guard row % 17 == 0 else { continue }
        let record = try folder.record(at: try folder.place(ofRow: row))
        #expect(
          String(decoding: record.bytes, as: UTF8.self)
            == "{\"shard\":\(expected.shard),\"prediction\":\(expected.prediction)}\n")
        #expect(!record.isError)
      }
    }
  }
}
