import Jobs
import Tables
import Testing

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

/// A record with its place in the plan.
struct PlacedRecord: Hashable {
  var block: Int
  var ordinal: Int
  var record: PlainRecord
}

/// What one range gave.
struct RangeReading {
  var records: [PlacedRecord] = []
  var states: [RangeState] = []
}

/// How a test reads.
struct Reading {
  var fieldCount: Int
  var options: CSVOptions
  var windowByteCount = 16
  var readLimit = Int.max
  var instructions = TextInstructions.best
  var headerOffset: UInt64?

  /// Parses one range.
  func read(
    _ bytes: [UInt8], _ range: Range<UInt64>, block: Int, entry: RangeState = .recordStart,
    tile: inout RecordTile
  ) throws -> RangeReading {
    try read(
      from: MemorySource(bytes: bytes, readLimit: readLimit), range, block: block, entry: entry,
      tile: &tile)
  }

  /// Parses one range.
  func read(
    from source: any ByteSource, _ range: Range<UInt64>, block: Int,
    entry: RangeState = .recordStart, tile: inout RecordTile
  ) throws -> RangeReading {
    var parser = CSVRangeParser(
      source: source, range: range, blockByteCount: UInt64(block), entryState: entry,
      headerOffset: headerOffset, fieldCount: fieldCount, options: options,
      instructions: instructions, windowByteCount: windowByteCount)
    var result = RangeReading()
    while try parser.readTile(into: &tile) {
      for index in 0..<tile.count {
        let error = tile.error(of: index)
        let fields = error == nil ? fields(of: index, in: tile) : nil
        result.records.append(
          PlacedRecord(
            block: tile.blockIndex, ordinal: Int(tile.firstOrdinal) + index,
            record: PlainRecord(
              offset: Int(tile.offset(of: index)), fields: fields, error: error,
              text: unsafe Array(tile.text(of: index)))))
      }
    }
    #expect(parser.recordCount == UInt64(result.records.count))
    result.states = parser.boundStates
    return result
  }

  private func fields(of record: Int, in tile: borrowing RecordTile) -> [[UInt8]] {
    var fields: [[UInt8]] = []
    for column in 0..<fieldCount { fields.append(unsafe tile.field(record, column).unescaped()) }
    return fields
  }

  /// What the whole text gives when it is cut into ranges at `cuts`, by the reference.
  func expected(
    _ reference: ReferenceParser, ranges: [Range<Int>], block: Int
  ) -> [RangeReading] {
    ranges.map { range in
      var reading = RangeReading()
      var ordinals: [Int: Int] = [:]
      for (begin, record) in reference.records {
        let key = max(begin - 1, 0)
        guard range.contains(key), begin > 0 || range.lowerBound == 0,
          UInt64(record.offset) != headerOffset
        else { continue }
        let index = (key - range.lowerBound) / block
        reading.records.append(
          PlacedRecord(block: index, ordinal: ordinals[index, default: 0], record: record))
        ordinals[index, default: 0] += 1
      }
      let bounds = Array(stride(from: range.lowerBound, to: range.upperBound, by: block))
      reading.states = (bounds + [range.upperBound]).map { reference.state(at: $0) }
      return reading
    }
  }

  /// Parses all ranges under the guess "record start", checks the chain, and redoes wrong guesses.
  ///
  /// - Returns: The number of guesses that were wrong.
  func checkChain(
    _ bytes: [UInt8], ranges: [Range<Int>], block: Int, reference: ReferenceParser,
    tile: inout RecordTile
  ) throws -> Int {
    let expected = expected(reference, ranges: ranges, block: block)
    var state = RangeState.recordStart
    var wrongCount = 0
    for (index, range) in ranges.enumerated() {
      let bounds = UInt64(range.lowerBound)..<UInt64(range.upperBound)
      var reading = try read(bytes, bounds, block: block, tile: &tile)
      if reading.states.first != state {
        wrongCount += 1
        reading = try read(bytes, bounds, block: block, entry: state, tile: &tile)
      }
      let wanted = expected[index]
      if reading.records != wanted.records || reading.states != wanted.states {
        Issue.record(
          """
          \(String(decoding: bytes, as: UTF8.self).debugDescription) range \(range) block \(block) \
          window \(windowByteCount) read \(readLimit): \(reading) instead of \(wanted)
          """)
        return wrongCount
      }
      state = reading.states.last ?? .recordStart
    }
    return wrongCount
  }
}

extension Array {
  /// The element at an index that goes round.
  func cycled(_ index: Int) -> Element { self[index % count] }
}
