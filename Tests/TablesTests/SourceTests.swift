import Compression
import Foundation
import Tables
import Testing

/// A folder that is gone when the test is over.
final class TemporaryFolder {
  let url: URL

  init() throws {
    url = FileManager.default.temporaryDirectory.appending(path: "tables-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }  // a left-over in /tmp harms nobody

  @discardableResult
  func write(_ bytes: [UInt8], _ name: String) throws -> String {
    let file = url.appending(path: name)
    try FileManager.default.createDirectory(
      at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(bytes).write(to: file)
    return file.path
  }
}

struct SourceTests {
  static func text(recordCount: Int) -> [UInt8] {
    var text = "id,note\n"
    for index in 0..<recordCount { text += "\(index),\"note \(index * 7_919 % 1_009)\n, more\"\n" }
    return Array(text.utf8)
  }

  static func pack(_ parts: [[UInt8]]) throws -> [UInt8] {
    var compressor = FrameCompressor()
    var packed: [UInt8] = []
    for part in parts { try compressor.compress(part, into: &packed) }
    return packed
  }

  static func read(_ source: any ByteSource, block: Int = 10_000) throws -> RangeReading {
    let reading = Reading(
      fieldCount: 2, options: try CSVOptions(), windowByteCount: 30_000, headerOffset: 0)
    var tile = RecordTile()
    return try reading.read(from: source, 0..<UInt64.max, block: block, tile: &tile)
  }

  @Test func packedTextReadsLikePlainText() throws {
    let folder = try TemporaryFolder()
    let text = Self.text(recordCount: 20_000)
    let plain = try FileSource(path: folder.write(text, "a.csv"))
    let packed = try FileSource(
      path: folder.write(
        Self.pack([Array(text[..<77_777]), [], Array(text[77_777...])]), "a.csv.zst"))
    let reading = try Self.read(plain)
    #expect(reading.records.count == 20_000)
    #expect(plain.byteCount == UInt64(text.count))
    let source = DecompressingSource(packed, compression: .zstd, name: "a.csv.zst")
    #expect(source.byteCount == nil)
    let unpacked = try Self.read(source)
    #expect(unpacked.records == reading.records)
    #expect(unpacked.states == reading.states)
    #expect(source.byteCount == UInt64(text.count))
  }

  @Test func gzipMembersReadLikePlainText() throws {
    let folder = try TemporaryFolder()
    let text = Self.text(recordCount: 3_000)
    for (index, range) in [0..<9_999, 9_999..<text.count].enumerated() {
      let path = try folder.write(Array(text[range]), "part\(index)")
      let process = Process()
      process.executableURL = URL(filePath: "/bin/gzip")
      process.arguments = [path]
      try process.run()
      process.waitUntilExit()
      #expect(process.terminationStatus == 0)
    }
    let packed = try (0..<2).flatMap { index in
      try Array(Data(contentsOf: folder.url.appending(path: "part\(index).gz")))
    }
    let source = DecompressingSource(
      MemorySource(bytes: packed, readLimit: 100), compression: .gzip, name: "a.csv.gz")
    #expect(try Self.read(source).records == Self.read(MemorySource(bytes: text)).records)
  }

  @Test func packedTextThatBreaksOffIsAnError() throws {
    let packed = try Self.pack([Self.text(recordCount: 2_000)])
    let source = DecompressingSource(
      MemorySource(bytes: packed.dropLast(3)), compression: .zstd, name: "a.csv.zst")
    let error = #expect(throws: CompressionError.self) { try Self.read(source) }
    #expect(error?.code == .truncated)
    #expect(
      error?.context == "a.csv.zst: compressed text breaks off at byte \(packed.count - 3)")
  }

  @Test func packedTextIsReadForwards() throws {
    let text = Self.text(recordCount: 1_000)
    let source = DecompressingSource(
      MemorySource(bytes: try Self.pack([text])), compression: .zstd, name: "a")
    var buffer = [UInt8](repeating: 0, count: 100)
    let count = try unsafe buffer.withUnsafeMutableBytes {
      try unsafe source.read(at: 5_000, into: $0)
    }
    #expect(Array(buffer[..<count]) == Array(text[5_000..<5_000 + count]))
    #expect(throws: TableError.self) {
      try unsafe buffer.withUnsafeMutableBytes { try unsafe source.read(at: 0, into: $0) }
    }
    let past = try unsafe buffer.withUnsafeMutableBytes {
      try unsafe source.read(at: 1 << 40, into: $0)
    }
    #expect(past == 0)
  }

  @Test func aFileThatShrinksIsAnError() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(Self.text(recordCount: 5_000), "a.csv")
    let source = try FileSource(path: path)
    let status = unsafe truncate(path, 50_000)
    #expect(status == 0)
    let error = #expect(throws: TableError.self) { try Self.read(source) }
    #expect(error?.code == .inputShrank)
  }

  @Test func aFileThatGrowsIsReadToItsOldEnd() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(Array("id,note\n1,2\n".utf8), "a.csv")
    let source = try FileSource(path: path)
    try folder.write(Array("id,note\n1,2\n3,4\n".utf8), "b.csv")
    let handle = try FileHandle(forWritingTo: URL(filePath: path))
    try handle.seekToEnd()
    try handle.write(contentsOf: Data("3,4\n".utf8))
    try handle.close()
    #expect(try Self.read(source).records.count == 1)
  }

  @Test func aFileThatIsNotThereIsAnError() {
    let error = #expect(throws: TableError.self) { try FileSource(path: "/nowhere/x.csv") }
    #expect(error?.code == .system(ENOENT))
    #expect(error?.context == "/nowhere/x.csv: open: No such file or directory")
  }
}
