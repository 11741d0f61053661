import Columnar
package import Compression
package import Database
package import Jobs

/// What planning finds out about a job's inputs.
package struct SurveyedTable: Sendable {
  /// Names of the columns, in order.
  package var columns: [String]
  /// What their values are; nil where nobody asks.
  package var types: [ColumnType]?
  /// One for each input.
  package var inputs: [PlannedInput]
  /// What a user should know, such as a file that cannot be divided; a sentence each.
  package var notes: [String] = []
  /// What all readers of a query share; whoever planned it keeps it until the last row is read.
  package var snapshot: SnapshotHolder?
}

/// Reads of a job's inputs what a plan needs: columns, types, and where they may be cut.
package struct TableSurvey {
  let request: JobRequest
  private let open: (InputFile) throws -> any ByteSource
  let report: (String) -> Void

  /// - Parameters:
  ///   - request: What the job asks for.
  ///   - report: Told now and then how far it is where that takes long.
  ///   - open: Gives a file's stored bytes.
  package init(
    request: JobRequest, report: @escaping (String) -> Void = { _ in },
    open: @escaping (InputFile) throws -> any ByteSource
  ) {
    self.request = request
    self.report = report
    self.open = open
  }

  /// Surveys the inputs; they are at least one, unless a query is asked.
  ///
  /// - Parameters:
  ///   - files: The inputs to look at.
  ///   - paths: The paths of all inputs of the job, where those are more: the values of their
  ///     folders tell the folders' types.
  /// - Returns: What was found out.
  /// - Throws: `TableError`, or what an input fails with.
  package func run(_ files: [InputFile], paths: [String]? = nil) throws -> SurveyedTable {
    guard request.inputConfig.hivePartitioning == true, let first = files.first else {
      return try survey(files)
    }
    // What the job says of the folders' columns is not said of those in the files.
    let names = try HivePartitions(path: first.path).names
    var inner = request
    inner.inputConfig.schema = request.inputConfig.schema?.filter { !names.contains($0.key) }
    var table = try TableSurvey(request: inner, report: report, open: open).survey(files)
    try table.addPartitions(of: paths ?? files.map(\.path), request)
    return table
  }

  private func survey(_ files: [InputFile]) throws -> SurveyedTable {
    switch request.inputConfig.instancesFormat {
    case .csv: return try surveyCSV(files)
    case .postgresql: return try SurveyedTable(queryOf: request)
    case .jsonl: return try surveyJSONL(files)
    case .files: return FileList.survey(files)
    case .parquet, .orc, .arrow:
      let format = request.inputConfig.instancesFormat
      guard let format = ColumnarFormat(format) else { fatalError("no columnar format") }
      let survey = ColumnarSurvey(
        format: format, schema: request.inputConfig.schema ?? [:],
        shardByteCount: request.blockByteCount * UInt64(Limits.blocksPerShard))
      return try survey.run(files, open: open)
    }
  }

  // MARK: CSV

  private func surveyCSV(_ files: [InputFile]) throws -> SurveyedTable {
    let options = try CSVOptions(request: request)
    let header = try readHeader(files[0], options)
    for file in files.dropFirst() {
      try header.requireSame(as: readHeader(file, options), at: file.path, path: files[0].path)
    }
    let cut = try cutTexts(files, open)
    return SurveyedTable(
      columns: header.names, types: try csvTypes(files, header, options), inputs: cut.inputs,
      notes: cut.notes)
  }

  /// The columns' types: of a job that writes typed columns by the first files' first records,
  /// otherwise text where the job says nothing; nil where nothing asks for types.
  private func csvTypes(
    _ files: [InputFile], _ header: CSVHeader, _ options: CSVOptions
  ) throws -> [ColumnType]? {
    guard request.writesTypes || request.inputConfig.schema != nil else { return nil }
    var given = request.inputConfig.schema ?? [:]
    // What is no column of the file may be one of its path.
    if request.inputConfig.hivePartitioning == true {
      given = given.filter { header.names.contains($0.key) }
    }
    var schema = SchemaInference(columns: header.names, options: options)
    if request.writesTypes {
      for file in files.prefix(SchemaInference.fileLimit) where !schema.isFull {
        try schema.sample(
          text(of: file), headerOffset: try readHeader(file, options).offset)
      }
    }
    return try schema.types(given: given, path: files[0].path)
  }

  // MARK: JSON lines

  /// Members and their types, from the first records of the first files.
  private func surveyJSONL(_ files: [InputFile]) throws -> SurveyedTable {
    let limit = try CSVOptions(request: request).recordByteLimit
    let options = try JSONLOptions(recordByteLimit: limit, acceptsArrays: true)
    var schema = JSONLSchema()
    for (index, file) in files.prefix(JSONLSchema.fileLimit).enumerated() {
      try schema.sample(
        text(of: file), path: file.path, isLaterFile: index > 0, options: options)
    }
    let table = try schema.table(
      path: files[0].path, types: request.inputConfig.schema ?? [:])
    let cut = try cutTexts(files, open)
    return SurveyedTable(
      columns: table.columns, types: table.types, inputs: cut.inputs, notes: cut.notes)
  }

  // MARK: Text

  private func readHeader(_ file: InputFile, _ options: CSVOptions) throws -> CSVHeader {
    let header = try CSVHeader.read(from: text(of: file), path: file.path, options: options)
    // Only whoever reads a file's first block looks for the header.
    guard header.offset < Limits.smallestBlockByteCount else {
      throw TableError(
        code: .header,
        context: "\(file.path): the header begins at byte \(header.offset); remove the blank "
          + "lines before it")
    }
    return header
  }

  private func text(of file: InputFile) throws -> any ByteSource {
    let stored = try open(file)
    let found = try InputListing.textCompression(of: file.path, in: stored)
    guard let compression = found else { return stored }
    return DecompressingSource(stored, compression: compression, name: file.path)
  }
}

extension PlannedInput {
  /// How its text is packed, nil for plain text.
  package var textCompression: TextCompression? {
    switch compression {
    case .none: nil
    case .gzip: .gzip
    case .zstd: .zstd
    }
  }

  /// A listed file as planned.
  package init(_ file: InputFile, cuts: [InputCut] = []) {
    let compression: InputCompression =
      switch file.compression {
      case nil: .none
      case .gzip: .gzip
      case .zstd: .zstd
      }
    self.init(
      path: file.path, byteCount: file.byteCount,
      modifiedNanoseconds: file.modificationNanoseconds, inode: file.inode,
      compression: compression, version: file.version, cuts: cuts)
  }
}

extension JobRequest {
  /// Whether the results' columns have types: those of Parquet, Arrow and databases do.
  var writesTypes: Bool {
    switch outputConfig.predictionsFormat {
    case .parquet, .arrow: true
    case .jsonl, .csv: writesTable
    }
  }

  /// Whether the results become rows of a database's table.
  package var writesTable: Bool {
    ConnectionTarget.isOne(outputConfig.uri) || SQLiteTarget.isOne(outputConfig.uri)
  }
}
