import Compression
import Digests
import Glibc
import Jobs
import Partials

extension FuzzTarget {
  /// A partial at rest.
  ///
  /// The input is a partial whose header lacks the unused places: the number of blocks, the first
  /// 128 bytes, 104 bytes for each block, the body. Size and checksum are put right before it is
  /// read, so that what lies behind them is reached; an odd first byte leaves the size wrong.
  static let partial = FuzzTarget(name: "partial", seeds: samples) { bytes in
    let path = "\(Scratch.folder)/partial"
    Scratch.write(file(bytes), path)
    do throws(PartialError) {
      let reader = try PartialReader(path: path)
      try read(reader)
    } catch {
      require(!error.context.isEmpty, "an error without words")
    }
  }

  private static func read(_ reader: borrowing PartialReader) throws(PartialError) {
    var decompressor = FrameDecompressor()
    var failure: PartialError?
    do throws(PartialError) { try reader.verify() } catch { failure = error }
    for block in reader.header.range.indices {
      do throws(PartialError) { try reader.verify(block: block) } catch { failure = error }
      do throws(PartialError) {
        var count: UInt64 = 0
        try reader.results(of: block, &decompressor) { text in count += UInt64(text.count) }
        let said = reader.header.blocks[block - reader.header.firstBlock].results.rawByteCount
        require(count == said, "\(count) bytes of results instead of \(said)")
        try reader.errors(of: block, &decompressor) { _, object in
          require(object.first == UInt8(ascii: "{"), "an error record that is no object")
        }
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
  }

  private static let blockByteCount = 104

  /// A whole file of an input.
  private static func file(_ bytes: [UInt8]) -> [UInt8] {
    var choices = Choices(bytes)
    let first = choices.byte()
    let headByteCount = 128 + (Int(first >> 1) % 64 + 1) * blockByteCount
    var file = Array(choices.rest.prefix(headByteCount))
    let body = choices.rest.dropFirst(headByteCount)
    file += repeatElement(0, count: PartialHeader.byteCount - 16 - file.count)
    if first & 1 == 0 {
      for index in 0..<8 { file[48 + index] = UInt8(truncatingIfNeeded: body.count >> (8 * index)) }
    }
    file += XXH3.digest(of: file).bytes
    return file + body
  }

  /// Partials as a worker writes them.
  private static func samples() -> [[UInt8]] {
    [1, 2, 5].map { blockCount in
      let path = "\(Scratch.folder)/sample"
      do {
        unsafe unlink(path)
        let file = try File(path, .create)
        var writer = PartialWriter(
          descriptor: file.descriptor, path: path, job: JobID(1), shard: ShardID(2),
          attempt: Attempt(incarnation: Incarnation(3), counter: 4), firstBlock: 5,
          entry: .recordStart)
        for block in 0..<blockCount {
          try writer.append(results: Array("{\"prediction\":\(block)}\n".utf8))
          try writer.endBlock(
            counts: RecordCounts(ok: 1, error: 1, filtered: 3), exit: .recordStart,
            inputDigest: XXH3.digest(of: [1]), errors: Array("1\t{\"error\":1}\n".utf8))
        }
        _ = try writer.finish()
        let bytes = try file.read(count: Int(file.byteCount()), at: 0)
        let head = bytes.prefix(128 + blockCount * blockByteCount)
        return [UInt8(blockCount - 1) << 1] + head + bytes.dropFirst(PartialHeader.byteCount)
      } catch {
        fatalError("a sample cannot be written: \(error)")
      }
    }
  }
}

/// Files in memory, in a folder of this process.
enum Scratch {
  static let folder: String = {
    let path = "/dev/shm/nightshift-fuzz-\(getpid())"
    guard unsafe mkdir(path, 0o700) == 0 || errno == EEXIST else {
      fatalError("\(path): mkdir \(errno)")
    }
    return path
  }()

  /// Writes a file, over what was there.
  static func write(_ bytes: [UInt8], _ path: String) {
    let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    defer { close(descriptor) }
    let count = unsafe Glibc.write(descriptor, bytes, bytes.count)
    require(count == bytes.count, "\(path): write \(errno)")
  }
}
