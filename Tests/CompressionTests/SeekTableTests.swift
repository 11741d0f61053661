import Compression
import Foundation
import Testing

struct SeekTableTests {
  static func table(_ sizes: [(UInt32, UInt32)]) throws -> SeekTable {
    var table = SeekTable()
    for (compressed, text) in sizes {
      try table.append(
        SeekTable.Entry(compressedByteCount: compressed, decompressedByteCount: text))
    }
    return table
  }

  @Test func bytesAreThoseOfTheFormat() throws {
    var bytes: [UInt8] = []
    try Self.table([(0x0102, 0x0304_0506)]).encode(into: &bytes)
    #expect(
      bytes == [
        0x5E, 0x2A, 0x4D, 0x18, 17, 0, 0, 0, 2, 1, 0, 0, 6, 5, 4, 3, 1, 0, 0, 0, 0,
        0xB1, 0xEA, 0x92, 0x8F,
      ])
  }

  @Test(arguments: [0, 1, 2, 1_000]) func roundTrip(count: Int) throws {
    let table = try Self.table((0..<count).map { (UInt32($0) * 7, UInt32($0) * 1_000_003) })
    var bytes: [UInt8] = [1, 2]
    table.encode(into: &bytes)
    let size = try SeekTable.byteCount(footer: bytes.suffix(SeekTable.footerByteCount))
    #expect(size == table.byteCount && size == bytes.count - 2)
    #expect(try SeekTable(decoding: bytes.suffix(size)) == table)
  }

  @Test func damageIsRefused() throws {
    var bytes: [UInt8] = []
    try Self.table([(10, 20), (30, 40)]).encode(into: &bytes)
    for count in 0..<bytes.count {
      #expect(throws: CompressionError.self) { try SeekTable(decoding: bytes.prefix(count)) }
    }
    let entryBits = 8 * 8..<24 * 8
    for bit in 0..<bytes.count * 8 where !entryBits.contains(bit) {
      var damaged = bytes
      damaged[bit / 8] ^= 1 << (bit % 8)
      #expect(throws: CompressionError.self) { try SeekTable(decoding: damaged[...]) }
    }
  }

  @Test func limitsHold() throws {
    var footer: [UInt8] = [1, 0, 0, 0x08, 0, 0xB1, 0xEA, 0x92, 0x8F]
    #expect(FrameTests.code { _ = try SeekTable.byteCount(footer: footer[...]) } == .tooLarge)
    footer[0] = 0
    #expect(
      try SeekTable.byteCount(footer: footer[...]) == 8 + 8 * SeekTable.frameLimit + 9)
    var table = SeekTable()
    #expect(throws: CompressionError.self) {
      try table.append(
        SeekTable.Entry(compressedByteCount: 1, decompressedByteCount: (1 << 30) + 1))
    }
  }

  @Test func theCommandLineToolReadsAFileWithATable() throws {
    let tool = URL(filePath: "/usr/bin/zstd")
    guard FileManager.default.isExecutableFile(atPath: tool.path) else { return }
    var compressor = FrameCompressor()
    var table = SeekTable()
    var file: [UInt8] = []
    var text: [UInt8] = []
    for index in 0..<5 {
      let part = FrameTests.text(count: 1_000 * index, seed: UInt64(index))
      let start = file.count
      try compressor.compress(part, into: &file)
      text += part
      try table.append(
        SeekTable.Entry(
          compressedByteCount: UInt32(file.count - start),
          decompressedByteCount: UInt32(part.count)))
    }
    table.encode(into: &file)
    let path = FileManager.default.temporaryDirectory.appending(
      path: "seekable-\(UUID().uuidString).zst")
    try Data(file).write(to: path)
    defer { try? FileManager.default.removeItem(at: path) }  // a left-over in /tmp harms nobody
    let process = Process()
    process.executableURL = tool
    process.arguments = ["-d", "-c", path.path]
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    #expect(Array(output) == text)
  }
}
