import Jobs
import Tables
import Testing

struct CSVBadInputTests {
  /// A line of 1 GiB that nobody holds in memory, with a short record before and after it.
  ///
  /// Fails the test where much is asked for at once.
  private struct LongLine: ByteSource {
    static let length: UInt64 = 1 << 30
    let head: [UInt8]
    let tail = Array("\n3,4\n".utf8)

    var byteCount: UInt64? { UInt64(head.count + tail.count) + Self.length }

    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
      #expect(buffer.count <= 64 << 20)
      let lineEnd = UInt64(head.count) + Self.length
      if offset < UInt64(head.count) {
        return try unsafe MemorySource(bytes: head).read(at: offset, into: buffer)
      }
      guard offset < lineEnd else {
        return try unsafe MemorySource(bytes: tail).read(at: offset - lineEnd, into: buffer)
      }
      let count = min(buffer.count, Int(lineEnd - offset))
      _ = unsafe buffer[..<count].initializeMemory(as: UInt8.self, repeating: UInt8(ascii: "x"))
      return count
    }
  }

  @Test(arguments: ["a,b\n1,2\n", "a,b\n1,2\n\"", "a,b\n1,2\n5,\"y\n"])
  func aLineOfOneGibibyteIsOneErrorRecord(head: String) throws {
    let source = LongLine(head: Array(head.utf8))
    let reading = Reading(
      fieldCount: 2, options: try CSVOptions(), windowByteCount: 512 << 10, headerOffset: 0)
    var tile = RecordTile()
    let end = try #require(source.byteCount)
    let result = try reading.read(from: source, 0..<end, block: 1 << 30, tile: &tile)
    #expect(result.records.map(\.record.error) == [nil, .recordTooLong, nil])
    #expect(result.records.map(\.record.offset) == [4, 8, Int(end) - 4])
    #expect(result.records[1].record.text.count == 256)
    #expect(result.records[2].record.fields == [[UInt8(ascii: "3")], [UInt8(ascii: "4")]])
  }

  @Test func badRecordsAreErrorsWhereTheyStand() throws {
    var bytes = Array("\u{FEFF}a,b\n".utf8)
    var expected: [(offset: Int, error: RecordError?)] = []
    func add(_ line: [UInt8], _ error: RecordError?) {
      expected.append((bytes.count, error))
      bytes += line + [UInt8(ascii: "\n")]
    }
    add(Array("1,2".utf8), nil)
    add(Array("1".utf8), .fieldCount(expected: 2, found: 1))
    add(Array("1,2,3".utf8), .fieldCount(expected: 2, found: 3))
    add([0x31, 0x2C, 0xC3], .invalidUTF8)
    add([0x31, 0x2C, 0xC3, 0x28], .invalidUTF8)
    add([0x31, 0x2C, 0xED, 0xA0, 0x80], .invalidUTF8)
    add(Array("é,\0".utf8), nil)
    add(Array("\"1\"x,2".utf8), .textAfterQuote)
    add(Array("1\r2,\r".utf8), nil)
    add(Array("1,\"2".utf8), .unterminatedQuote)
    for instructions in TextInstructions.available {
      let reading = Reading(
        fieldCount: 2, options: try CSVOptions(), instructions: instructions, headerOffset: 3)
      var tile = RecordTile()
      let result = try reading.read(bytes, 0..<UInt64(bytes.count), block: 64, tile: &tile)
      #expect(result.records.map(\.record.offset) == expected.map(\.offset))
      #expect(result.records.map(\.record.error) == expected.map(\.error))
    }
  }

  @Test func onlyInvalidRecordsOfATileAreMarked() throws {
    // Records of all lengths, so that characters lie across all bounds of vectors.
    var bytes: [UInt8] = Array("a,b\n".utf8)
    var isValid: [Bool] = []
    for length in 0..<200 {
      for (index, end) in [[0xC3, 0xA9], [0xE2, 0x82, 0xAC], [0xF0, 0x9F, 0x98], [0x80]]
        .enumerated()
      {
        bytes += [UInt8](repeating: UInt8(ascii: "x"), count: length) + [UInt8(ascii: ",")]
        bytes += end.map { UInt8($0) } + [UInt8(ascii: "\n")]
        isValid.append(index < 2)
      }
    }
    for instructions in TextInstructions.available {
      let reading = Reading(
        fieldCount: 2, options: try CSVOptions(), windowByteCount: 1 << 20,
        instructions: instructions, headerOffset: 0)
      var tile = RecordTile()
      let result = try reading.read(bytes, 0..<UInt64(bytes.count), block: 1 << 20, tile: &tile)
      #expect(result.records.map { $0.record.error == nil } == isValid)
      #expect(result.records.allSatisfy { [nil, .invalidUTF8].contains($0.record.error) })
    }
  }

  @Test func nullBytesAreTextButNoNumbers() throws {
    let options = try CSVOptions()
    try ColumnTests.withTile("a,b\n1\0,x\0y\n\0,\n", options: options) { tile, _ in
      var numbers = [Double](repeating: 0, count: 2)
      var failures = RecordSet()
      let failureCount = unsafe numbers.withUnsafeMutableBufferPointer { output in
        unsafe tile.readNumbers(
          column: 0, nullWords: options.nullWords, into: output, failures: &failures)
      }
      #expect(failureCount == 2)
      #expect(unsafe tile.field(0, 1).unescaped() == Array("x\0y".utf8))
    }
  }
}
