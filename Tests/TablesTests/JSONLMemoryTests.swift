import Jobs
import Tables
import Testing

struct JSONLMemoryTests {
  @Test func aLongRecordIsPassedOverInBoundedMemory() throws {
    // 8 MiB of one record under a limit of 64 KiB; the source fails the test for a huge window.
    var bytes = Array("{\"a\":1}\n{\"a\":\"".utf8)
    bytes += [UInt8](repeating: UInt8(ascii: "x"), count: 8 << 20)
    bytes += Array("\"}\n{\"a\":2}\n".utf8)
    let reading = JSONLReading(columns: ["a"], limit: 64 << 10, windowByteCount: 4_096)
    var tile = RecordTile()
    let (lines, states) = try reading.read(
      CappedSource(bytes: bytes, cap: 1 << 20), 0..<UInt64(bytes.count), block: 1_000, tile: &tile)
    #expect(lines.map(\.error) == [nil, .recordTooLong, nil])
    #expect(lines[1].text == Array(bytes[8..<264]))
    #expect(lines.map(\.offset) == [0, 8, bytes.count - 8])
    #expect(lines[2].fields == [PlainValue(text: [0x32], isString: false)])
    #expect(states.count == (bytes.count + 999) / 1_000 + 1)
  }

  @Test func aLineOfAGibibyteIsOneErrorRecord() throws {
    let length: UInt64 = 1 << 30
    let source = LongLineSource(length: length)
    var tile = RecordTile()
    let reading = JSONLReading(columns: ["a"], limit: 16 << 20, windowByteCount: 512 << 10)
    let (lines, _) = try reading.read(source, 0..<length + 100, block: 1 << 20, tile: &tile)
    #expect(lines.map(\.error) == [.recordTooLong, nil])
    #expect(lines.map(\.offset) == [0, Int(length)])
    #expect(source.largestRead <= 32 << 20)
    // A range that begins inside the line has only what follows it.
    let (rest, _) = try reading.read(
      source, length - 5_000..<length + 100, block: 1 << 20, tile: &tile)
    #expect(rest.map(\.error) == [nil])
  }

  @Test func manyColumnsHaveRoom() throws {
    let columns = (0..<3_000).map { "column \($0)" }
    let line = "{" + columns.map { "\"\($0)\":1" }.joined(separator: ",") + "}\n"
    let bytes = Array((line + "{\"column 7\":5}\n" + line).utf8)
    let reading = JSONLReading(columns: columns, windowByteCount: 1 << 20)
    var tile = RecordTile()
    try reading.check(bytes, ranges: [0..<bytes.count], block: bytes.count, tile: &tile)
  }
}

extension JSONLMemoryTests {
  @Test func missingMembersOfManyColumnsTakeLittleRoom() throws {
    let columns = (0..<20_000).map { "\($0)" }
    let bytes = Array(repeatElement(Array("{}\n".utf8), count: 300).joined())
    let reader = try JSONLTileReader(
      text: MemorySource(bytes: bytes),
      range: LeaseRange(path: "", begin: 0, end: .max, blockLength: .max, blockCount: 1),
      columns: columns, options: JSONLOptions())
    var tile = RecordTile()
    var counts: [Int] = []
    while try reader.readTile(into: &tile) { counts.append(tile.count) }
    #expect(counts == [52, 52, 52, 52, 52, 40])
  }
}

/// A string of a great length, and a record behind it; made while it is read.
final class LongLineSource: ByteSource {
  private let length: UInt64
  private(set) var largestRead = 0

  init(length: UInt64) { self.length = length }

  var byteCount: UInt64? { nil }

  func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    largestRead = max(largestRead, buffer.count)
    let tail = Array("\n{\"a\":1}\n".utf8)
    if offset >= length - 1 {
      let rest = tail.dropFirst(Int(offset - (length - 1))).prefix(buffer.count)
      unsafe buffer.copyBytes(from: rest)
      return rest.count
    }
    let count = min(buffer.count, Int(length - 1 - offset))
    let part = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
    unsafe part.initializeMemory(as: UInt8.self, repeating: UInt8(ascii: "x"))
    if offset == 0 { unsafe buffer.copyBytes(from: Array("{\"a\":\"".utf8).prefix(count)) }
    return count
  }
}
