import Columnar
import Foundation
import Testing

/// Files that are not what they were: a located error or other values, never a crash.
struct ReadDamageTests {
  private struct Unreadable: Error, Hashable {
    let offset: UInt64
  }

  static let files = [
    "zstd.parquet", "none.parquet", "pages-v2.parquet", "other-encodings.parquet",
    "small-dictionary.parquet", "arrow-types.parquet", "checksums.parquet", "file.arrow",
    "file-zstd.arrow", "stream.arrow", "stream-lz4.arrow", "ipc-types.arrow",
    "ipc-types-stream.arrow", "deltas-stream.arrow", "polars.arrow", "zstd.orc", "zlib.orc",
    "uncompressed.orc",
  ]

  /// Reads everything, every way; what it throws has to be ours.
  private static func readAll(_ bytes: [UInt8], _ format: ColumnarFormat) throws {
    let file = try ReadFixture.open(bytes, format)
    let columns = file.columns.indices.filter { file.columns[$0].type != nil }
    for group in file.groups.indices.prefix(4) {
      for column in columns { _ = file.bounds(group: group, column: column) }
    }
    var selection = ColumnarSelection(groups: 0..<file.groups.count, columns: columns)
    selection.dictionaryColumns = Set(columns)
    _ = try ReadFixture.read(file, selection)
  }

  @Test(arguments: files) func aChangedFileIsAnErrorOrRows(name: String) throws {
    let bytes = try ReadFixture.bytes(name)
    let format = ReadFixture.format(of: name)
    var generator = SeededNumbers(state: 11)
    var errorCount = 0
    for round in 0..<120 {
      var changed = bytes
      if round % 4 == 0 {
        changed.removeLast(Int.random(in: 1..<changed.count, using: &generator))
      } else {
        for _ in 0...Int.random(in: 0..<4, using: &generator) {
          // Metadata is at the end: half of the changes are there.
          let isNearEnd = Bool.random(using: &generator)
          let span = isNearEnd ? min(changed.count, 2_000) : changed.count
          let place = changed.count - 1 - Int.random(in: 0..<span, using: &generator)
          changed[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        }
      }
      do {
        try Self.readAll(changed, format)
      } catch let error as ColumnarReadError {
        errorCount += 1
        #expect(error.context.hasPrefix("file: "))
      }
    }
    #expect(errorCount > 30)
  }

  @Test(arguments: ["zstd.parquet", "zstd.orc", "file.arrow", "stream.arrow"])
  func aFileCutAnywhereIsAnError(name: String) throws {
    let bytes = try ReadFixture.bytes(name)
    let format = ReadFixture.format(of: name)
    for count in stride(from: 0, to: bytes.count - 8, by: bytes.count / 60) {
      // A stream may end between two messages: then it has fewer rows.
      guard let file = try? ReadFixture.open(Array(bytes.prefix(count)), format) else { continue }
      #expect(name == "stream.arrow" && file.rowCount < 250, "cut to \(count) bytes")
    }
  }

  @Test func anErrorNamesRowGroupAndColumn() throws {
    var bytes = try ReadFixture.bytes("checksums.parquet")
    let file = try ReadFixture.open(bytes, .parquet)
    let column = try #require(file.columns.firstIndex { $0.name == "double" })
    // Its pages have checksums: any changed byte in the first row group's data is found.
    for place in stride(from: 40, to: 12_000, by: 400) { bytes[place] ^= 0xFF }
    let changed = try ReadFixture.open(bytes, .parquet)
    let error = #expect(throws: ColumnarReadError.self) {
      try ReadFixture.read(changed, ColumnarSelection(groups: 0..<1, columns: [column]))
    }
    #expect(error?.code == .damaged)
    #expect(error?.context.hasPrefix("file: row group 0, column double: ") == true)
  }

  @Test func otherFormatsAreNamed() throws {
    let parquet = try ReadFixture.bytes("zstd.parquet")
    let orc = try ReadFixture.bytes("zstd.orc")
    for (bytes, format) in [
      (orc, ColumnarFormat.parquet), (parquet, .orc), (parquet, .arrow), ([], .parquet), ([], .orc),
      ([], .arrow), (Array("a,b\n1,2\n".utf8), .parquet),
    ] {
      let error = #expect(throws: ColumnarReadError.self) {
        try ReadFixture.open(bytes, format)
      }
      #expect(error?.code == .damaged)
    }
    let old = #expect(throws: ColumnarReadError.self) { try ReadFixture.open("old-feather.arrow") }
    #expect(old?.code == .unsupported)
  }

  @Test func memoryIsLimited() throws {
    for name in ["zstd.parquet", "file-zstd.arrow", "stream.arrow"] {
      let bytes = try ReadFixture.bytes(name)
      let error = #expect(throws: ColumnarReadError.self) {
        let file = try ReadFixture.open(
          bytes, ReadFixture.format(of: name), memoryLimit: 8_000)
        _ = try ReadFixture.read(
          file,
          ColumnarSelection(
            groups: 0..<file.groups.count, columns: Array(file.columns.indices)))
      }
      #expect(error?.code == .limit)
      #expect(error?.context.contains("more than 8000 bytes") == true)
    }
  }

  @Test(arguments: ["zstd.parquet", "zstd.orc", "file.arrow", "stream.arrow"])
  func whatReadingThrowsComesBack(name: String) throws {
    let bytes = try ReadFixture.bytes(name)
    for readable in stride(from: 0, to: 40, by: 3) {
      var left = readable
      do {
        let file = try unsafe ColumnarFile(
          ReadFixture.format(of: name), name: "file", byteCount: UInt64(bytes.count)
        ) { offset, buffer in
          guard left > 0 else { throw Unreadable(offset: offset) }
          left -= 1
          let range = Int(offset)..<Int(offset) + buffer.count
          unsafe bytes.withUnsafeBytes {
            unsafe buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[range]))
          }
        }
        _ = try ReadFixture.read(
          file,
          ColumnarSelection(
            groups: 0..<file.groups.count, columns: Array(file.columns.indices)))
      } catch {
        #expect(error is Unreadable, "\(error)")
      }
    }
  }
}
