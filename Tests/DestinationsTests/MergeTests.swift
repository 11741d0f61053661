import CoordinatorCore
import Destinations
import Digests
import Foundation
import Jobs
import Leasing
import Partials
import Testing

/// The output is the blocks in the order of the plan, whoever computed them.
@Suite struct MergeTests {
  private let folderName = "prediction-churn_v2___-2026-03-01T06:00:00.000Z"

  private func text(_ path: String) throws -> [UInt8] {
    guard path.hasSuffix(".zst") else { return try bytes(path) }
    let (status, output) = try run("zstd", "-dcq", path)
    #expect(status == 0)
    return output
  }

  @Test(arguments: [
    (JobRequest.PredictionsFormat.jsonl, JobRequest.OutputCompression.zstd), (.jsonl, .none),
    (.csv, .zstd), (.csv, .none),
  ])
  func equalsTheReference(
    format: JobRequest.PredictionsFormat, compression: JobRequest.OutputCompression
  ) throws {
    let fixture = try Fixture(format: format)
    let destination = PosixDestination(fixture.input(compression: compression))
    let outputs = try destination.merge(try fixture.commitAll(seed: 5))
    let folder = try destination.publish()
    #expect(folder == fixture.destination + "/" + folderName)
    #expect(try names(fixture.destination) == [folderName])
    let ending = compression == .zstd ? ".zst" : ""
    let files = [
      "prediction.errors_stats-00000-of-00001.jsonl\(ending)",
      "prediction.results-00000-of-00002.\(format.rawValue)\(ending)",
      "prediction.results-00001-of-00002.\(format.rawValue)\(ending)", "prediction.stats.json",
    ]
    #expect(try names(folder) == ["_SUCCESS"] + files + ["receipt.json"])
    #expect(try text(folder + "/" + files[0]) == fixture.expectedErrors)
    #expect(try text(folder + "/" + files[1]) == fixture.expectedResults(0))
    #expect(try text(folder + "/" + files[2]) == fixture.expectedResults(1))
    #expect(fixture.counts.error > 20 && fixture.counts.filtered > 20)
    #expect(outputs.map(\.name) == files)
    #expect(outputs[0].records == fixture.counts.error)
    #expect(outputs[1].records + outputs[2].records == fixture.counts.ok)
    for output in outputs {
      let content = try bytes(folder + "/" + output.name)
      #expect(output.sha256 == SHA256.digest(of: content).description)
      #expect(output.byteCount == UInt64(content.count))
    }
    #expect(try run("sh", "-c", "cd '\(folder)' && sha256sum -c _SUCCESS").status == 0)
    let report = Verification.check(folder: folder)
    #expect(report.findings == [])
    #expect(report.inputsChecked == 4 && report.inputsMissing == 0 && report.outputCount == 4)
    #expect(report.counts == fixture.counts)
  }

  @Test func anyHistoryGivesTheSameBytes() throws {
    let fixture = try Fixture()
    var expected: [String: [UInt8]] = [:]
    for seed in 0..<6 as Range<UInt64> {
      let out = fixture.root + "/out-\(seed)"
      let execution = JSONValue.members(["seconds": .number(Double(seed) + 0.5)])
      let destination = PosixDestination(fixture.input(out, execution: execution))
      try destination.merge(try fixture.commitAll(seed: seed))
      let folder = try destination.publish()
      for name in try names(folder) {
        var content = try bytes(folder + "/" + name)
        if name == "receipt.json" {
          let text = String(decoding: content, as: UTF8.self)
          #expect(text.contains("\n  \"execution\": {\n    \"seconds\": \(seed).5\n  }\n}\n"))
          content = Array(text.components(separatedBy: "  \"execution\"")[0].utf8)
        }
        guard name != "_SUCCESS" else { continue }
        #expect(expected[name, default: content] == content, "\(name), seed \(seed)")
        expected[name] = content
      }
    }
    #expect(expected.count == 5)
  }

  @Test func theReceiptProvesTheJob() throws {
    let fixture = try Fixture()
    let destination = PosixDestination(fixture.input())
    try destination.merge(try fixture.commitAll(seed: 1))
    let data = Data(try bytes(try destination.publish() + "/receipt.json"))
    let json = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    let counts = fixture.counts
    #expect(json["formatVersion"] as? Int == 1)
    #expect(json["job"] as? String == "00000000abcdef01")
    #expect((json["model"] as? [String: Any])?["name"] as? String == "churn v2/ü")
    #expect(
      json["conservation"] as? String
        == "\(counts.total) read = \(counts.ok) ok + \(counts.error) error + "
        + "\(counts.filtered) filtered")
    let shards = try #require(json["shards"] as? [String: Any])
    for (name, path) in [("ok", \RecordCounts.ok), ("error", \.error), ("filtered", \.filtered)] {
      let expected = fixture.scored.map { $0.reduce(0) { $0 + $1.counts[keyPath: path] } }
      #expect(shards[name] as? [UInt64] == expected)
    }
    let inputs = try #require(json["inputs"] as? [[String: Any]])
    #expect(inputs.map { $0["path"] as? String } == fixture.plan.inputs.map(\.path))
    #expect(
      inputs.map { $0["modified"] as? String }
        == Array(repeating: "2009-02-13T23:31:30.123456789Z", count: 4))
    #expect(inputs.map { $0["shardCount"] as? Int } == [3, 1, 1, 19])
    // An uncompressed input's digest can be made again from its bytes.
    let text = try bytes(fixture.plan.inputs[1].path)
    let block = XXH3.digest(of: text)
    let shard = XXH3.digest(of: block.bytes)
    #expect((shards["inputDigests"] as? [String])?[3] == shard.description)
    #expect(inputs[1]["digest"] as? String == XXH3.digest(of: shard.bytes).description)
  }

  @Test func anEmptyJobHasAllItsFiles() throws {
    let fixture = try Fixture()
    let path = fixture.root + "/empty.csv"
    try Data().write(to: URL(fileURLWithPath: path))
    let plan = try Plan(
      inputs: [
        PlannedInput(
          path: path, byteCount: 0, modifiedNanoseconds: 0, inode: 0, compression: .none)
      ], blockByteCount: 256)
    var input = fixture.input()
    input.plan = plan
    input.counts = RecordCounts()
    let committed = CommittedBlocks(
      shard: ShardID(0), blocks: BlockRange(0, 1),
      attempt: Attempt(incarnation: Incarnation(1), counter: 1), entry: .recordStart,
      exit: .recordStart, counts: RecordCounts(),
      partial: PartialName(digest: ContentDigest(words: .zero), byteCount: 0))
    let destination = PosixDestination(input)
    try destination.merge([PlacedBlocks(committed: committed, path: "")])
    let folder = try destination.publish()
    #expect(try text(folder + "/prediction.results-00000-of-00001.jsonl.zst") == [])
    #expect(try text(folder + "/prediction.errors_stats-00000-of-00001.jsonl.zst") == [])
    #expect(Verification.check(folder: folder).findings == [])
  }

  private func code(_ body: () throws(DestinationError) -> Void) -> DestinationError.Code? {
    do throws(DestinationError) {
      try body()
      return nil
    } catch {
      return error.code
    }
  }

  @Test func damagedPartialsAreNamedAndNothingIsPublished() throws {
    let fixture = try Fixture()
    let placed = try fixture.commitAll(seed: 3)
    let destination = PosixDestination(fixture.input())
    let (missing, flipped, cut, exchanged) = (4, 11, 17, 23)
    try FileManager.default.removeItem(atPath: placed[missing].path)
    var content = try bytes(placed[flipped].path)
    let header = try PartialReader(path: placed[flipped].path).header
    let first = Int(placed[flipped].committed.blocks.first)
    let block = try #require(
      placed[flipped].committed.blocks.indices.first {
        header.blocks[$0 - header.firstBlock].storedByteCount > 0
      })
    content[Int(header.offset(of: block)) + 3] ^= 1
    #expect(first <= block)
    try Data(content).write(to: URL(fileURLWithPath: placed[flipped].path))
    try Data(bytes(placed[cut].path).dropLast()).write(to: URL(fileURLWithPath: placed[cut].path))
    // A sound partial, but another one.
    let other = try fixture.writePartial(
      placed[exchanged].committed.shard.index,
      placed[exchanged].committed.blocks.indices)
    try FileManager.default.removeItem(atPath: placed[exchanged].path)
    try FileManager.default.moveItem(atPath: other.0, toPath: placed[exchanged].path)
    let damaged = [missing, flipped, cut, exchanged].map { placed[$0].committed }
    #expect(
      code { () throws(DestinationError) in try destination.merge(placed) } == .damaged(damaged))
    #expect(!FileManager.default.fileExists(atPath: fixture.input().workFolder + "/staging"))
    #expect(destination.existingPublication() == nil)
    // The blocks are scored again, and all is well.
    var mended = placed
    for index in [missing, flipped, cut, exchanged] {
      let committed = placed[index].committed
      let (path, header) = try fixture.writePartial(
        committed.shard.index, committed.blocks.indices)
      mended[index] = PlacedBlocks(
        committed: CommittedBlocks(
          shard: committed.shard, blocks: committed.blocks, attempt: header.attempt,
          entry: committed.entry, exit: committed.exit, counts: committed.counts,
          partial: header.name), path: path)
    }
    try destination.merge(mended)
    let folder = try destination.publish()
    #expect(Verification.check(folder: folder).findings == [])
  }

  @Test func aDamagedByteAnywhereIsFound() throws {
    let fixture = try Fixture()
    let placed = try fixture.commitAll(seed: 0)
    let destination = PosixDestination(fixture.input(compression: .none))
    let victim = placed[3]  // the one block of the small input
    let sound = try bytes(victim.path)
    for place in stride(from: 0, to: sound.count, by: 97) {
      var content = sound
      content[place] ^= 0x10
      try Data(content).write(to: URL(fileURLWithPath: victim.path))
      // The frame table and the end of the body do not belong to a block.
      let expected: DestinationError.Code? = .damaged([victim.committed])
      #expect(
        code { () throws(DestinationError) in try destination.merge(placed) } == expected,
        "byte \(place)")
    }
  }

  @Test func blocksOutOfPlaceAreRefused() throws {
    let fixture = try Fixture()
    let placed = try fixture.commitAll(seed: 2)
    let destination = PosixDestination(fixture.input())
    var repeated = placed
    repeated.insert(placed[7], at: 8)
    var swapped = placed
    swapped.swapAt(5, 6)
    var missing = placed
    missing.remove(at: 9)
    for list in [repeated, swapped, missing, Array(placed.dropLast()), placed + [placed[0]]] {
      #expect(
        code { () throws(DestinationError) in try destination.merge(list) } == .inconsistent)
    }
    var input = fixture.input()
    input.counts.ok += 1
    #expect(
      code { () throws(DestinationError) in try PosixDestination(input).merge(placed) }
        == .inconsistent)
  }

  @Test func aFullDiskIsSaidAndLeavesNothing() throws {
    let fixture = try Fixture()
    let disk = fixture.root + "/disk"
    try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: false)
    guard try run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk).status == 0 else {
      Issue.record("not run: a 64 KiB tmpfs cannot be mounted here (needs root)")
      return
    }
    defer { _ = try? run("umount", disk) }
    let placed = try fixture.commitAll(seed: 1)
    let destination = PosixDestination(fixture.input(disk, compression: .none))
    var failure: DestinationError?
    do throws(DestinationError) { try destination.merge(placed) } catch { failure = error }
    #expect(failure?.code == .diskFull)
    #expect(failure?.canBeRetried == true)
    #expect(!FileManager.default.fileExists(atPath: fixture.input(disk).workFolder + "/staging"))
    try run("mount", "-o", "remount,size=8m", disk)
    try destination.merge(placed)
    #expect(Verification.check(folder: try destination.publish()).findings == [])
  }
}
