import Destinations
import Digests
import Foundation
import Jobs
import Testing

/// Single records are found in a published folder, from its receipt alone.
@Suite struct PublishedFolderTests {
  /// One record as it must be found.
  private struct Expected {
    var shard: Int
    var rowInInput: UInt64
    var rowInShard: UInt64
    var line: [UInt8]
    var isError: Bool
  }

  private func publish(
    _ fixture: Fixture, _ compression: JobRequest.OutputCompression
  ) throws -> String {
    let destination = PosixDestination(fixture.input(compression: compression))
    try destination.merge(try fixture.commitAll(seed: 3))
    return try destination.publish()
  }

  /// All records of the fixture in the order of the plan, made without the merge.
  private func expected(_ fixture: Fixture) -> [Expected] {
    var all: [Expected] = []
    for input in fixture.plan.inputs.indices {
      var rowInInput: UInt64 = 0
      for shard in fixture.plan.shards(ofInput: input) {
        var rowInShard: UInt64 = 0
        for block in fixture.scored[shard] {
          var errors = lines(block.errors, each: 1)[...]
          var results = lines(block.results, each: fixture.format == .csv ? 2 : 1)[...]
          for ordinal in 0..<block.counts.total {
            let isError = block.errorOrdinals.contains(ordinal)
            var line = isError ? errors.removeFirst() : results.removeFirst()
            if isError {
              let members = line.drop { $0 != "{" }.dropFirst()
              line = "{\"row\":\(rowInInput + 1)" + (members == "}\n" ? "" : ",") + members
            }
            all.append(
              Expected(
                shard: shard, rowInInput: rowInInput, rowInShard: rowInShard,
                line: Array(line.utf8), isError: isError))
            rowInInput += 1
            rowInShard += 1
          }
        }
      }
    }
    return all
  }

  /// Records of some lines each, line ends included.
  private func lines(_ text: [UInt8], each: Int) -> [String] {
    let lines = String(decoding: text, as: UTF8.self).split(separator: "\n").map { "\($0)\n" }
    return stride(from: 0, to: lines.count, by: each).map { lines[$0..<$0 + each].joined() }
  }

  @Test(arguments: [
    (JobRequest.PredictionsFormat.jsonl, JobRequest.OutputCompression.zstd),
    (.jsonl, .none), (.csv, .zstd), (.csv, .none),
  ])
  func eachRecordIsFound(
    format: JobRequest.PredictionsFormat, compression: JobRequest.OutputCompression
  ) throws {
    let fixture = try Fixture(format: format, hasFilter: false)
    let folder = try PublishedFolder(path: try publish(fixture, compression))
    let all = expected(fixture)
    #expect(folder.recordCount == UInt64(all.count))
    let errorCount = all.count { $0.isError }
    #expect(errorCount > 100 && errorCount < all.count)
    for (row, expected) in all.enumerated() {
      let place = try folder.place(ofRow: UInt64(row))
      #expect(place.shard == expected.shard)
      #expect(place.rowInInput == expected.rowInInput)
      #expect(place.rowInShard == expected.rowInShard)
      #expect(place.input.path == fixture.plan.inputs[place.inputIndex].path)
      // Reading walks a file up to the record: some of them, and all beside a shard's bounds.
      let isBound =
        row == 0 || row + 1 == all.count || all[row + 1].shard != expected.shard
        || all[row - 1].shard != expected.shard
      guard isBound || row % 61 == 0 || (expected.isError && row % 7 == 0) else { continue }
      let record = try folder.record(at: place)
      #expect(record.bytes == expected.line, "row \(row)")
      #expect(record.isError == expected.isError)
    }
  }

  @Test func aRowBeyondTheEndIsRefused() throws {
    let fixture = try Fixture()
    let folder = try PublishedFolder(path: try publish(fixture, .none))
    let count = folder.recordCount
    _ = try folder.place(ofRow: count - 1)
    for row in [count, count + 1, .max] {
      let error = #expect(throws: DestinationError.self) { try folder.place(ofRow: row) }
      #expect(error?.context.contains("the receipt has \(count) records") == true)
    }
  }

  @Test func moreFilteredRecordsThanTheReceiptHasAreRefused() throws {
    let fixture = try Fixture()
    let folder = try PublishedFolder(path: try publish(fixture, .none))
    let counts = fixture.scored.map { $0.reduce(into: RecordCounts()) { $0 += $1.counts } }
    // Not the first record of the shard: before that nothing at all can be left out.
    let shard = try #require(
      counts.firstIndex { $0.filtered > 0 && $0.total > $0.filtered + 1 })
    let filtered = counts[shard].filtered
    let last = counts[...shard].reduce(0) { $0 + $1.total } - 1
    let place = try folder.place(ofRow: last)
    #expect(place.shard == shard && place.rowInShard > filtered)
    _ = try folder.record(at: place, filteredBefore: filtered)
    let error = #expect(throws: DestinationError.self) {
      try folder.record(at: place, filteredBefore: filtered + 1)
    }
    #expect(
      error?.context.contains("the filter leaves out \(filtered + 1) records of shard \(shard)")
        == true, "\(error?.context ?? "")")
    #expect(error?.context.hasSuffix("the receipt has \(filtered)") == true)
    // Nor more than there are rows.
    let first = try folder.place(ofRow: last + 1 - counts[shard].total)
    #expect(throws: DestinationError.self) { try folder.record(at: first, filteredBefore: 1) }
  }

  @Test func aReceiptThatIsNotTheNamedOneIsRefused() throws {
    let fixture = try Fixture()
    let path = try publish(fixture, .none)
    let receipt = path + "/receipt.json"
    try Data(try bytes(receipt) + [UInt8(ascii: "\n")]).write(to: URL(fileURLWithPath: receipt))
    let error = #expect(throws: DestinationError.self) { try PublishedFolder(path: path) }
    #expect(error?.context.contains("_SUCCESS") == true)
    try FileManager.default.removeItem(atPath: receipt)
    let missing = #expect(throws: DestinationError.self) { try PublishedFolder(path: path) }
    #expect(missing?.code == .file(.missing))
  }

  @Test func anyDamagedFrameBeforeTheRecordIsAnError() throws {
    let fixture = try Fixture(hasFilter: false)
    let path = try publish(fixture, .zstd)
    let folder = try PublishedFolder(path: path)
    let last = try #require(
      (0..<folder.recordCount).last { row in
        (try? folder.place(ofRow: row))?.shard == 15  // the last of the first result file
      })
    let place = try folder.place(ofRow: last)
    let name = try folder.record(at: place).file
    let sound = try bytes(path + "/" + name)
    for index in stride(from: 3, to: sound.count, by: sound.count / 30) {
      var content = sound
      content[index] ^= 1
      try Data(content).write(to: URL(fileURLWithPath: path + "/" + name))
      // A seek table has no digest of its own: a size that is still possible there ends in a
      // frame that is none.
      let error = #expect(throws: DestinationError.self, "byte \(index)") {
        try folder.record(at: place)
      }
      #expect(error?.context.contains(name) == true)
    }
    try Data(sound.dropLast()).write(to: URL(fileURLWithPath: path + "/" + name))
    let error = #expect(throws: DestinationError.self) { try folder.record(at: place) }
    #expect(error?.context.contains("the receipt says \(sound.count)") == true)
  }

  @Test func onlyTheModelOfTheReceiptIsRead() throws {
    let fixture = try Fixture()
    let folder = try PublishedFolder(path: try publish(fixture, .none))
    let path = fixture.root + "/model"
    try Data("not the model".utf8).write(to: URL(fileURLWithPath: path))
    let error = #expect(throws: DestinationError.self) { try folder.readModel(at: path) }
    let digests = [SHA256.digest(of: Array("not the model".utf8)).description, folder.modelDigest]
    for digest in digests { #expect(error?.context.contains(digest) == true) }
    let missing = #expect(throws: DestinationError.self) {
      try folder.readModel(at: path + ".missing")
    }
    #expect(missing?.code == .file(.missing))
  }

  @Test func digestsOfAnotherTextAreRefused() throws {
    let fixture = try Fixture()
    let folder = try PublishedFolder(path: try publish(fixture, .none))
    let place = try folder.place(ofRow: folder.recordCount - 1)
    let text = try bytes(place.input.path)
    let size = Int(place.range.blockLength)
    var digests = stride(from: 0, to: text.count, by: size).map {
      XXH3.digest(of: Array(text[$0..<min($0 + size, text.count)]))
    }
    // From the input's first shard to the record's, or of the record's alone.
    var shards: [[Digest128]] = []
    for shard in place.firstShard...place.shard {
      let count = folder.plan.range(of: ShardID(UInt32(shard))).blockCount
      shards.append(Array(digests.prefix(count)))
      digests.removeFirst(count)
    }
    #expect(digests.isEmpty && shards.count > 1)
    try folder.check(blockDigests: shards, of: place)
    try folder.check(blockDigests: shards.suffix(1), of: place)
    shards[1][0] = XXH3.digest(of: [1])
    let error = #expect(throws: DestinationError.self) {
      try folder.check(blockDigests: shards, of: place)
    }
    #expect(error?.context.contains("input changed: \(place.input.path)") == true)
  }
}
