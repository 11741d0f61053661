import Tables
import Testing

/// A table like the New York flights: 19 columns, 12 of them read as numbers.
struct SpeedTests {
  static let numericColumns = [0, 1, 2, 3, 4, 5, 6, 7, 8, 14, 15, 16]

  static func flights(byteCount: Int) -> [UInt8] {
    var random = SplitMix(state: 1)
    var text = TextBuffer(capacity: byteCount + 200)
    text.append(
      """
      year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,\
      flight,tailnum,origin,dest,air_time,distance,hour,minute,time_hour\n
      """)
    while text.count < byteCount {
      text.append("2013")
      for limit in [12, 28, 2_359, 2_359, 300, 2_359, 2_359, 300] {
        text.append(",")
        if UInt8.random(in: 0..<40, using: &random) == 0 {
          text.append("NA")
        } else {
          text.append(Int.random(in: 0...limit, using: &random) - (limit == 300 ? 20 : 0))
        }
      }
      text.append(",UA,")
      text.append(Int.random(in: 1...8_000, using: &random))
      text.append(",N14228,EWR,IAH,")
      for limit in [600, 4_900, 23, 59] {
        text.append(Int.random(in: 1...limit, using: &random))
        text.append(",")
      }
      text.append("2013-01-01T10:00:00Z\n")
    }
    return text.copy()
  }

  /// Seconds for one pass, the sum of all numbers, and the bytes of what was written.
  static func pass(
    _ bytes: [UInt8], readsNumbers: Bool, writes: Bool, instructions: TextInstructions = .best
  ) throws -> (seconds: Double, sum: Double, written: Int) {
    let options = try CSVOptions()
    let source = MemorySource(bytes: bytes)
    let header = try CSVHeader.read(from: source, path: "flights.csv", options: options)
    let clock = ContinuousClock()
    let start = clock.now
    var parser = CSVRangeParser(
      source: source, range: 0..<UInt64(bytes.count), blockByteCount: 1 << 20,
      headerOffset: header.offset, fieldCount: header.names.count, options: options,
      instructions: instructions)
    var writer = InstanceWriter(
      columns: Array(header.names.indices), header: header, nullWords: options.nullWords)
    var tile = RecordTile()
    var output = TextBuffer(capacity: 1 << 20)
    var numbers = [Double](repeating: 0, count: RecordTile.recordLimit * numericColumns.count)
    var failures = RecordSet()
    var sum = 0.0
    var written = 0
    while try parser.readTile(into: &tile) {
      if readsNumbers {
        for (index, column) in numericColumns.enumerated() {
          _ = unsafe numbers.withUnsafeMutableBufferPointer { buffer in
            unsafe tile.readNumbers(
              column: column, nullWords: options.nullWords,
              into: UnsafeMutableBufferPointer(
                rebasing: buffer[index * RecordTile.recordLimit..<buffer.count]),
              failures: &failures)
          }
        }
        for index in 0..<tile.count { sum += numbers[index] }
      }
      if writes {
        output.removeAll()
        for record in 0..<tile.count {
          writer.appendJSONObject(of: record, in: tile, to: &output)
          output.append("\n")
        }
        written += output.count
      }
    }
    #expect(failures == RecordSet())
    let elapsed = clock.now - start
    return (
      Double(elapsed.components.attoseconds) / 1e18 + Double(elapsed.components.seconds), sum,
      written
    )
  }

  @Test func aPassIsNotSlow() throws {
    let bytes = Self.flights(byteCount: 8 << 20)
    let megabytes = Double(bytes.count) / 1e6
    for (name, readsNumbers, writes, instructions) in [
      ("scan", false, false, .best), ("scan, portable", false, false, .portable),
      ("scan and 12 numbers", true, false, .best), ("scan and JSON", false, true, .best),
    ] as [(String, Bool, Bool, TextInstructions)] {
      let passes = try (0..<3).map { _ in
        try Self.pass(
          bytes, readsNumbers: readsNumbers, writes: writes, instructions: instructions)
      }
      let best = passes.map(\.seconds).min() ?? .infinity
      print("\(name): \(Int(megabytes / best)) MB/s")
      // Far below what any machine does, so that only a loss by a factor fails.
      #expect(megabytes / best > 10)
    }
  }
}
