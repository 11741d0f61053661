import CZlib
import Compression
import Foundation
import Testing

struct TextDecompressorTests {
  /// Unpacks with the given step sizes, as a reader of a file would.
  static func unpack(
    _ bytes: [UInt8], _ compression: TextCompression, inputStep: Int, outputStep: Int
  ) throws -> [UInt8] {
    let decompressor = TextDecompressor(compression)
    var text: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: outputStep)
    var position = 0
    while true {
      let end = min(position + inputStep, bytes.count)
      let step = try unsafe bytes.withUnsafeBytes { all in
        try unsafe buffer.withUnsafeMutableBytes { output in
          try unsafe decompressor.decompress(
            UnsafeRawBufferPointer(rebasing: all[position..<end]), into: output)
        }
      }
      position += step.consumedCount
      text += buffer.prefix(step.producedCount)
      if step.consumedCount == 0 && step.producedCount == 0 { break }
    }
    try decompressor.finish()
    return text
  }

  static func gzip(_ text: [UInt8]) throws -> [UInt8] {
    var stream = unsafe z_stream()
    var status = unsafe deflateInit2_(
      &stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
      Int32(MemoryLayout<z_stream>.size))
    try #require(status == Z_OK)
    var input = text
    let output = unsafe [UInt8](unsafeUninitializedCapacity: text.count + 1_000) { buffer, count in
      let room = buffer.count
      unsafe input.withUnsafeMutableBufferPointer { bytes in
        unsafe stream.next_in = bytes.baseAddress
        unsafe stream.avail_in = UInt32(bytes.count)
        unsafe stream.next_out = buffer.baseAddress
        unsafe stream.avail_out = UInt32(room)
        status = unsafe deflate(&stream, Z_FINISH)
      }
      count = unsafe room - Int(stream.avail_out)
    }
    unsafe deflateEnd(&stream)
    try #require(status == Z_STREAM_END)
    return output
  }

  static func pack(_ text: [UInt8], _ compression: TextCompression) throws -> [UInt8] {
    switch compression {
    case .gzip: try gzip(text)
    case .zstd: try FrameTests.frame(text)
    }
  }

  @Test(
    arguments: [TextCompression.gzip, .zstd], [(1, 1), (3, 1_000), (70_000, 7), (9_999, 4_096)])
  func membersInARowAreOneText(
    compression: TextCompression, steps: (input: Int, output: Int)
  ) throws {
    let parts = [20_000, 0, 1, 3_000].map { FrameTests.text(count: $0, seed: UInt64($0)) }
    let packed = try parts.flatMap { try Self.pack($0, compression) }
    let text = try Self.unpack(
      packed, compression, inputStep: steps.input, outputStep: steps.output)
    #expect(text == Array(parts.joined()))
  }

  @Test(arguments: [TextCompression.gzip, .zstd])
  func textCutAnywhereIsAnErrorWithItsOffset(compression: TextCompression) throws {
    let first = try Self.pack(FrameTests.text(count: 100), compression)
    let packed = try first + Self.pack(FrameTests.text(count: 150), compression)
    for count in 0..<packed.count where count != first.count {
      do {
        _ = try Self.unpack(
          Array(packed.prefix(count)), compression, inputStep: 11, outputStep: 64)
        Issue.record("cut at \(count) went unseen")
      } catch let error as CompressionError {
        #expect(error.code == .truncated)
        #expect(error.context.hasSuffix("at byte \(count)"), "\(error.context)")
      }
    }
  }

  @Test(arguments: [TextCompression.gzip, .zstd])
  func damageNeverChangesTheText(compression: TextCompression) throws {
    let text = FrameTests.text(count: 400)
    let packed = try Self.pack(text, compression)
    var detectedCount = 0
    for bit in 0..<packed.count * 8 {
      var damaged = packed
      damaged[bit / 8] ^= 1 << (bit % 8)
      do {
        // A gzip header holds a time and names no checksum covers.
        let output = try Self.unpack(damaged, compression, inputStep: 4_096, outputStep: 4_096)
        #expect(output == text, "bit \(bit)")
      } catch is CompressionError {
        detectedCount += 1
      }
    }
    #expect(detectedCount > (packed.count - 12) * 8)
  }

  @Test func skippableFramesAndTablesArePassedOver() throws {
    let text = FrameTests.text(count: 3_000)
    var packed: [UInt8] = [0x50, 0x2A, 0x4D, 0x18, 3, 0, 0, 0, 7, 7, 7]
    packed += try FrameTests.frame(text)
    var table = SeekTable()
    try table.append(SeekTable.Entry(compressedByteCount: 1, decompressedByteCount: 2))
    table.encode(into: &packed)
    #expect(try Self.unpack(packed, .zstd, inputStep: 5, outputStep: 100) == text)
  }

  @Test func paddingAfterAMemberIsNoText() throws {
    let packed = try Self.gzip([1, 2, 3])
    let padded = packed + [0, 0, 0, 0] + packed + [0, 0]
    #expect(try Self.unpack(padded, .gzip, inputStep: 2, outputStep: 9) == [1, 2, 3, 1, 2, 3])
    #expect(throws: CompressionError.self) {
      try Self.unpack(packed + [65, 66, 67], .gzip, inputStep: 99, outputStep: 99)
    }
  }

  @Test(arguments: [TextCompression.gzip, .zstd])
  func noBytesAreNoFile(compression: TextCompression) {
    #expect(throws: CompressionError.self) {
      try Self.unpack([], compression, inputStep: 9, outputStep: 9)
    }
  }

  @Test func namesTell() {
    #expect(TextCompression(fileName: "a.csv.gz") == .gzip)
    #expect(TextCompression(fileName: "a.csv.zst") == .zstd)
    #expect(TextCompression(fileName: "a.csv") == nil)
  }
}
