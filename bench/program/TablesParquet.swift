import ArgumentParser
import Jobs
import Tables

/// `nightshift-bench tables parquet`.
struct TablesParquetCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "parquet", abstract: "Reads a Parquet file to columns, on one thread.")

  @OptionGroup var options: TablesOptions

  func run() throws {
    try report(
      TableReading.planned(options.file, .parquet, columns: options.names, options.runs))
  }
}

extension TableReading {
  /// Reads a file as a job with it would: planned once, read from its begin to its end.
  static func planned(
    _ path: String, _ format: JobRequest.InstancesFormat, columns: [String], _ runCount: Int
  ) throws -> TableReadingResult {
    var request = JobRequest(
      displayName: "tables", model: "", inputConfig: JobRequest.InputConfig(uris: [path]),
      outputConfig: JobRequest.OutputConfig(uri: ""))
    request.inputConfig.instancesFormat = format
    let survey = TableSurvey(request: request) { try FileSource(path: $0.path) }
    let found = try survey.run(InputListing.files(of: [path]))
    guard let types = found.types, let input = found.inputs.first else {
      throw BenchmarkError("\(path) has no records")
    }
    let wanted = found.columns.indices.filter {
      columns.isEmpty || columns.contains(found.columns[$0])
    }
    let numbers = wanted.filter { [.integer, .number, .float].contains(types[$0]) }
    let table = try InputTable(
      configuration: JobConfiguration(request: request, columns: found.columns, types: types),
      needs: ColumnNeeds(
        numbers: Set(numbers), texts: Set(wanted.filter { !numbers.contains($0) })))
    let reading = TableReading(
      file: path, names: found.columns, types: types, nullWords: table.csv.nullWords)
    let range = whole(input)
    return try reading.measure(columns: columns, runCount: runCount) {
      try table.reader(of: range, compression: .none) { try FileSource(path: path) }
    }
  }

  /// All of an input as one block.
  private static func whole(_ input: PlannedInput) -> LeaseRange {
    guard let end = input.cuts.last else {
      return LeaseRange(
        path: input.path, begin: 0, end: .max, blockLength: .max, blockCount: 1)
    }
    return LeaseRange(
      path: input.path, begin: 0, end: end.offset, blockLength: max(1, end.offset), blockCount: 1,
      places: 0..<end.place)
  }
}
