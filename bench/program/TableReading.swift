import Foundation
import Jobs
import Tables

/// What one file gave, and how long it took to read it so many times.
struct TableReadingResult: Encodable {
  let file: String
  let bytes: UInt64
  let rows: Int
  /// Wall time and processor time of each run.
  let seconds: [Double]
  let cpuSeconds: [Double]
  let gigabytesPerSecond: Double
  /// By column, over the values there are.
  let sums: [String: Double]
  let textBytes: Int
  let instructions: String
}

/// Reads a table into `TableColumns` several times.
struct TableReading {
  let file: String
  let names: [String]
  let types: [ColumnType]
  let nullWords: NullWords

  /// Reads the columns.
  ///
  /// - Parameters:
  ///   - columns: Names of the columns; empty for all.
  ///   - runCount: How often.
  ///   - open: Makes a reader of the whole file, anew each time.
  /// - Returns: Figures of all runs, and what the last one found.
  /// - Throws: What the reader fails with.
  func measure(
    columns: [String], runCount: Int, open: () throws -> any TileReader
  ) throws -> TableReadingResult {
    let places = try (columns.isEmpty ? names : columns).map { name in
      guard let place = names.firstIndex(of: name) else {
        throw BenchmarkError("\(file) has no column \(name)")
      }
      return place
    }
    let isFloat = places.allSatisfy { [.integer, .number, .float].contains(types[$0]) }
    let table = TableColumns(types: types, columns: places, isFloat: isFloat)
    var (seconds, cpuSeconds): ([Double], [Double]) = ([], [])
    var tile = RecordTile()
    for _ in 0..<max(runCount, 1) {
      let started = (ContinuousClock.now, processorSeconds())
      table.removeAll()
      let reader = try open()
      while try reader.readTile(into: &tile) { try table.append(tile, nullWords: nullWords) }
      let elapsed = (ContinuousClock.now - started.0).components
      seconds.append(Double(elapsed.seconds) + Double(elapsed.attoseconds) / 1e18)
      cpuSeconds.append(processorSeconds() - started.1)
    }
    let byteCount = try FileSource(path: file).byteCount ?? 0
    let sums = table.sums.map { (names[$0.key], $0.value) }
    return TableReadingResult(
      file: file, bytes: byteCount, rows: table.rowCount, seconds: seconds,
      cpuSeconds: cpuSeconds,
      gigabytesPerSecond: Double(byteCount) / (cpuSeconds.min() ?? .infinity) / 1e9,
      sums: Dictionary(uniqueKeysWithValues: sums), textBytes: table.textByteCount,
      instructions: "\(TextInstructions.best)")
  }
}

extension TableReading {
  /// Reads a CSV file, its types as its first records show them.
  static func csv(
    _ path: String, columns: [String], _ runCount: Int
  ) throws -> TableReadingResult {
    let options = try CSVOptions()
    let header = try CSVHeader.read(from: FileSource(path: path), path: path, options: options)
    var schema = SchemaInference(columns: header.names, options: options)
    try schema.sample(FileSource(path: path), headerOffset: header.offset)
    let reading = TableReading(
      file: path, names: header.names, types: try schema.types(path: path),
      nullWords: options.nullWords)
    return try reading.measure(columns: columns, runCount: runCount) {
      CSVTileReader(
        text: try FileSource(path: path),
        range: LeaseRange(path: path, begin: 0, end: .max, blockLength: .max, blockCount: 1),
        headerOffset: header.offset, fieldCount: header.names.count, options: options)
    }
  }
}
