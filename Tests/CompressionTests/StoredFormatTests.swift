import Compression
import Testing

struct StoredFormatTests {
  @Test func firstBytesTell() throws {
    let text = FrameTests.text(count: 500)
    #expect(StoredFormat(prefix: try FrameTests.frame(text)) == .zstd)
    #expect(StoredFormat(prefix: [0x5A, 0x2A, 0x4D, 0x18, 0, 0, 0, 0]) == .zstd)
    #expect(StoredFormat(prefix: try TextDecompressorTests.gzip(text)) == .gzip)
    #expect(StoredFormat(prefix: Array("PAR1\u{15}\u{4}\u{15}".utf8)) == .parquet)
    #expect(StoredFormat(prefix: Array("ORC\u{8}\u{3}".utf8)) == .orc)
    #expect(StoredFormat(prefix: Array("ARROW1\0\0".utf8)) == .arrow)
    #expect(StoredFormat(prefix: Array("BZh91AY&SY\u{1}".utf8)) == .bzip2)
    #expect(StoredFormat(prefix: [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0, 0]) == .xz)
    #expect(StoredFormat(prefix: [0x04, 0x22, 0x4D, 0x18]) == .lz4)
    #expect(StoredFormat(prefix: [0x50, 0x4B, 3, 4]) == .zip)
    #expect(StoredFormat(prefix: [0xFF, 0xFE, 0x61, 0]) == .utf16)
  }

  @Test(arguments: [
    "", "a", "a,b\n1,2\n", "PAR1,ORC\r\n1,2\n", "ORC\tARROW1\n", "BZh9,x\n", "\u{FEFF}id\n",
    "{\"a\":1}\n",
  ])
  func textDoesNotTell(text: String) {
    #expect(StoredFormat(prefix: Array(text.utf8)) == nil)
  }

  @Test func namesTell() {
    #expect(TextCompression(fileName: "s3://b/a.csv.bgz") == .gzip)
    #expect(TextCompression(fileName: "a.jsonl.zstd") == .zstd)
    #expect(TextCompression(fileName: "gz") == nil)
  }
}
