import Jobs
import Tables

extension TableReading {
  /// Reads a file of JSON lines, its types as its first records show them.
  static func jsonl(
    _ path: String, columns: [String], _ runCount: Int
  ) throws -> TableReadingResult {
    let options = try JSONLOptions()
    let table = try JSONLSchema.infer(
      from: FileSource(path: path), path: path, options: options)
    let reading = TableReading(
      file: path, names: table.columns, types: table.types, nullWords: NullWords([]))
    return try reading.measure(columns: columns, runCount: runCount) {
      try JSONLTileReader(
        text: FileSource(path: path),
        range: LeaseRange(path: path, begin: 0, end: .max, blockLength: .max, blockCount: 1),
        columns: table.columns, options: options)
    }
  }
}
