import Compression
import Tables

extension FuzzTarget {
  /// Single frames, seek tables, and compressed texts that are cut.
  static let compressed = [
    FuzzTarget(name: "zstd-frame", seeds: frameSamples) { bytes in
      var choices = Choices(bytes)
      let limit = choices.number(0...65_535)
      let frame = Array(choices.rest)
      var decompressor = FrameDecompressor()
      var text: [UInt8] = [1, 2, 3]
      do throws(CompressionError) {
        try decompressor.decompress(frame, into: &text, limit: limit)
        require(text.count - 3 <= limit, "\(text.count) bytes, more than \(limit)")
      } catch {
        require(text == [1, 2, 3], "an error leaves text behind")
      }
    },
    FuzzTarget(name: "seek-table") { bytes in
      do throws(CompressionError) {
        let table = try SeekTable(decoding: bytes[...])
        var again: [UInt8] = []
        table.encode(into: &again)
        require(again == bytes, "a table changes when it is read and written")
      } catch {
        require(!error.context.isEmpty, "an error without words")
      }
    },
    FuzzTarget(name: "gzip") { readCut($0, .gzip) },
    FuzzTarget(name: "zstd", seeds: { textSamples }) { readCut($0, .zstd) },
  ]

  /// Finds cuts and reads the text at once and from cut to cut: both give the same.
  private static func readCut(_ bytes: [UInt8], _ compression: TextCompression) {
    var choices = Choices(bytes)
    let shardByteCount = UInt64(choices.number(1...4_096))
    let readLimit = choices.number(1...4_096)
    let stored = MemorySource(bytes: Array(choices.rest), readLimit: readLimit)
    do {
      let whole = DecompressingSource(stored, compression: compression, name: "input")
      let text = try read(whole, from: 0, limit: textLimit)
      let found = try FrameCuts.find(
        in: compression, byteCount: UInt64(stored.bytes.count), shardByteCount: shardByteCount,
        name: "input"
      ) { offset, count in
        let start = min(Int(clamping: offset), stored.bytes.count)
        return Array(stored.bytes[start..<min(start + count, stored.bytes.count)])
      }
      guard text.count < textLimit, !found.cuts.isEmpty else { return }
      var parts: [UInt8] = []
      for (cut, end) in zip(found.cuts, found.cuts.dropFirst()) {
        let part = DecompressingSource(
          stored, compression: compression, name: "input", start: cut, end: end)
        let count = Int(clamping: end.textOffset - cut.textOffset)
        // One byte more: what goes past a cut is what checks it.
        let limit = min(count, textLimit) + 1
        parts += try read(part, from: cut.textOffset, limit: limit).prefix(count)
      }
      require(parts == text, "\(parts.count) bytes in parts, \(text.count) as a whole")
    } catch {}  // refused, which is well
  }

  private static let textLimit = 1 << 20

  private static func read(
    _ source: DecompressingSource, from start: UInt64, limit: Int
  ) throws -> [UInt8] {
    var text: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4_096)
    while text.count < limit {
      let count = try unsafe buffer.withUnsafeMutableBytes { buffer in
        try unsafe source.read(at: start + UInt64(text.count), into: buffer)
      }
      if count == 0 { break }
      text += buffer[..<count]
    }
    return text
  }

  private static func frame(_ text: String) -> [UInt8] {
    var compressor = FrameCompressor()
    var frame: [UInt8] = []
    do throws(CompressionError) {
      let text = Array(text.utf8)
      try unsafe text.withUnsafeBufferPointer { (text) throws(CompressionError) in
        try unsafe compressor.compress(UnsafeRawBufferPointer(text), into: &frame)
      }
    } catch {
      fatalError("\(error)")
    }
    return frame
  }

  private static func frameSamples() -> [[UInt8]] {
    let texts = ["", "a", String(repeating: "text ", count: 50), "1.5,2.25,3\n4,5,6\n"]
    return texts.map { [255, 255] + frame($0) }
  }

  private static var textSamples: [[UInt8]] {
    let frames = (0..<6).map { frame("record \($0)\n" + String(repeating: "x", count: $0 * 40)) }
    var table = SeekTable()
    for (index, frame) in frames.enumerated() {
      let text = UInt32(9 + index * 40)
      do throws(CompressionError) {
        try table.append(
          SeekTable.Entry(
            compressedByteCount: UInt32(frame.count), decompressedByteCount: text))
      } catch {
        fatalError("\(error)")
      }
    }
    var seekable = Array(frames.joined())
    table.encode(into: &seekable)
    let head: [UInt8] = [50, 0, 255, 255]
    return [head + frames.joined(), head + seekable, head + frames[0]]
  }
}

/// Bytes in memory, given out in reads of at most `readLimit` bytes.
struct MemorySource: ByteSource {
  let bytes: [UInt8]
  var readLimit = Int.max

  var byteCount: UInt64? { UInt64(bytes.count) }

  func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    guard offset < UInt64(bytes.count) else { return 0 }
    let start = Int(offset)
    let count = min(buffer.count, readLimit, bytes.count - start)
    unsafe buffer.copyBytes(from: bytes[start..<start + count])
    return count
  }
}
