import Compression
import Digests
import Foundation
import Jobs
import Partials
import Testing

/// A partial gives back what was put in, and nothing else passes for it.
@Suite struct PartialsTests {
  private let sample = [
    SampleBlock(seed: 1, recordCount: 40), SampleBlock(seed: 2, recordCount: 0),
    SampleBlock(seed: 3, recordCount: 500), SampleBlock(seed: 9, recordCount: 1),
  ]

  /// Reads everything a partial holds as the blocks it was made of.
  private func blocks(in reader: borrowing PartialReader) throws -> [SampleBlock] {
    var decompressor = FrameDecompressor()
    var blocks: [SampleBlock] = []
    for number in reader.header.range.indices {
      var block = SampleBlock(seed: 0, recordCount: 0)
      let header = reader.header.blocks[number - reader.header.firstBlock]
      block.counts = header.counts
      block.exit = header.exit
      try reader.results(of: number, &decompressor) { block.results += $0 }
      try reader.errors(of: number, &decompressor) { ordinal, object in
        block.errorOrdinals.append(ordinal)
        let expected = "{\"error\":{\"code\":\"BAD\"},\"at\":\(ordinal)}"
        #expect(String(decoding: object, as: UTF8.self) == expected)
      }
      #expect(header.inputDigest == block.inputDigest)
      blocks.append(block)
    }
    return blocks
  }

  @Test func givesBackWhatWasPutIn() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a"
    let written = try writePartial(path, sample)
    let reader = try PartialReader(path: path)
    #expect(reader.header == written)
    #expect(reader.header.job == JobID(0xFEED) && reader.header.shard == ShardID(77))
    #expect(reader.header.attempt == Attempt(incarnation: Incarnation(2), counter: 9))
    #expect(reader.header.range == BlockRange(3, 7))
    #expect(reader.header.state(before: 3) == .insideField(recordOffset: 12))
    #expect(reader.header.state(before: 6) == sample[2].exit)
    #expect(reader.header.counts(of: BlockRange(3, 6)).total == 540)
    #expect(try blocks(in: reader) == sample)
    try reader.verify(name: written.name)
    let size = try FileManager.default.attributesOfItem(atPath: path)[.size] as? UInt64
    #expect(written.name.byteCount == size)
    #expect(throws: PartialError.self) {
      try PartialReader(path: path).verify(
        name: PartialName(digest: written.name.digest, byteCount: 1))
    }
  }

  @Test func doesNotDependOnHowItIsHandedOver() throws {
    let folder = try TemporaryFolder()
    let name = try writePartial(folder.path + "/a", sample).name
    #expect(try writePartial(folder.path + "/b", sample, pieceByteCount: 7).name == name)
    let unfinished = Array("a line of a block that a signal cut off\n".utf8)
    #expect(try writePartial(folder.path + "/c", sample, unfinished: unfinished).name == name)
    let bytes = try Data(contentsOf: URL(fileURLWithPath: folder.path + "/a"))
    for other in ["b", "c"] {
      #expect(try Data(contentsOf: URL(fileURLWithPath: folder.path + "/" + other)) == bytes)
    }
    #expect(try writePartial(folder.path + "/d", sample, firstBlock: 4).name != name)
    #expect(try writePartial(folder.path + "/e", Array(sample.dropLast())).name != name)
  }

  @Test func cutsLargeResultsIntoFrames() throws {
    let folder = try TemporaryFolder()
    var large = SampleBlock(seed: 5, recordCount: 0)
    let line = Array("0123456789abcdefghijklmnopqrstuvwxyz-0123456789-abcdefghijklmno\n".utf8)
    let count = 3 * PartialHeader.frameByteLimit / 2 / line.count
    large.results = Array(repeatElement(line, count: count).joined())
    large.counts.ok = UInt64(count)
    let small = SampleBlock(seed: 6, recordCount: 10)
    let header = try writePartial(folder.path + "/a", [small, large, small])
    #expect(header.blocks.map(\.results.frameCount) == [1, 2, 1])
    let reader = try PartialReader(path: folder.path + "/a")
    #expect(
      reader.frames(of: 4).results.map(\.rawByteCount) == [64 << 20, 32 << 20])
    try reader.verify(name: header.name)
    #expect(try blocks(in: reader) == [small, large, small])
    // A block that never ended leaves nothing, also where frames of it were written already.
    let cut = try writePartial(folder.path + "/b", [small], unfinished: large.results)
    #expect(try cut.name == writePartial(folder.path + "/c", [small]).name)
    try PartialReader(path: folder.path + "/b").verify(name: cut.name)
  }

  @Test func takesAllBlocksOfAShard() throws {
    let folder = try TemporaryFolder()
    let all = (0..<64).map { SampleBlock(seed: UInt64($0), recordCount: $0) }
    try writePartial(folder.path + "/a", all, firstBlock: 0)
    #expect(try blocks(in: PartialReader(path: folder.path + "/a")) == all)
  }

  private func outcome(_ path: String) -> PartialError.Code? {
    do throws(PartialError) {
      let reader = try PartialReader(path: path)
      try reader.verify()
      return nil
    } catch {
      return error.code
    }
  }

  @Test func everyChangedByteIsFound() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a"
    try writePartial(path, sample)
    let url = URL(fileURLWithPath: path)
    let sound = [UInt8](try Data(contentsOf: url))
    var generator = Generator(state: 3)
    for place in sound.indices {
      var damaged = sound
      damaged[place] ^= UInt8(1 << (generator.next() & 7))
      try overwrite(path, damaged)
      #expect(outcome(path) == .damaged, "byte \(place)")
    }
    for count in [0, 1, 6_911, 6_912, sound.count - 1] {
      try Data(sound.prefix(count)).write(to: url)
      #expect(outcome(path) == .damaged, "first \(count) bytes")
    }
    try Data(sound + [0]).write(to: url)
    #expect(outcome(path) == .damaged)
    try Data(sound).write(to: url)
    #expect(outcome(path) == nil)
  }

  /// Damage whose author knows the format: the checksums fit, the values do not.
  @Test func hostileSizesAreRefused() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a"
    let name = try writePartial(path, sample).name
    let url = URL(fileURLWithPath: path)
    let sound = [UInt8](try Data(contentsOf: url))
    var generator = Generator(state: 4)
    var opened = 0
    for round in 0..<3_000 {
      var bytes = sound
      for _ in 0...(round % 3) {
        // Places with meaning, from the job's number to the fifth block's entry.
        let place = 16 + Int(generator.next() % 632)
        bytes[place] = [0, 1, 0x7F, 0x80, 0xFF, UInt8(round & 0xFF)][Int(generator.next() % 6)]
      }
      let end = PartialHeader.byteCount - 16
      bytes.replaceSubrange(
        end..<PartialHeader.byteCount, with: XXH3.digest(of: Array(bytes[..<end])).bytes)
      try overwrite(path, bytes)
      do throws(PartialError) {
        let reader = try PartialReader(path: path)
        opened += 1
        guard bytes != sound else { continue }
        #expect(throws: PartialError.self) { try PartialReader(path: path).verify(name: name) }
        var decompressor = FrameDecompressor()
        for block in reader.header.range.indices {
          // Reading may succeed or be refused; it must only not crash.
          try? reader.results(of: block, &decompressor) { _ in }
          try? reader.errors(of: block, &decompressor) { _, _ in }
        }
      } catch {
        #expect(error.code == .damaged || error.code == .tooLarge)
      }
    }
    #expect(opened > 100 && opened < 2_900, "\(opened)")
  }

  @Test func disorderlyErrorRecordsAreFound() throws {
    for lines in ["1\t{}\n0\t{}\n", "0\t{}\n0\t{}\n", "0\t{}\n2\t{}\n", "0\t{}\n", "0\t{}\nx\n"] {
      let folder = try TemporaryFolder()
      let file = try File(folder.path + "/a", .create)
      var writer = PartialWriter(
        descriptor: file.descriptor, path: "a", job: JobID(1), shard: ShardID(0),
        attempt: Attempt(incarnation: Incarnation(1), counter: 1), firstBlock: 0,
        entry: .recordStart)
      try writer.endBlock(
        counts: RecordCounts(error: 2), exit: .recordStart,
        inputDigest: XXH3.digest(of: []), errors: Array(lines.utf8))
      _ = try writer.finish()
      let reader = try PartialReader(path: folder.path + "/a")
      var decompressor = FrameDecompressor()
      var code: PartialError.Code?
      do throws(PartialError) {
        try reader.errors(of: 0, &decompressor) { _, _ in }
      } catch {
        code = error.code
      }
      #expect(code == .damaged, "\(lines)")
    }
  }

  @Test func missingFilesAndFullDisksAreSaid() throws {
    var code: PartialError.Code?
    do throws(PartialError) { _ = try PartialReader(path: "/no/such/partial") } catch {
      code = error.code
    }
    #expect(code == .file(.missing))
    let full = unsafe open("/dev/full", O_RDWR)
    defer { close(full) }
    var writer = PartialWriter(
      descriptor: full, path: "/dev/full", job: JobID(1), shard: ShardID(0),
      attempt: Attempt(incarnation: Incarnation(1), counter: 1), firstBlock: 0,
      entry: .recordStart)
    code = nil
    do throws(PartialError) {
      try writer.append(results: [10])
      try writer.endBlock(
        counts: RecordCounts(ok: 1), exit: .recordStart, inputDigest: XXH3.digest(of: []))
    } catch {
      code = error.code
    }
    #expect(code == .file(.diskFull))
  }
}
