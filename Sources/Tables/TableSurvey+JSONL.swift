import Jobs

extension TableSurvey {
  /// Files that are looked into for columns, where the first ones are small.
  private static let sampledFileLimit = 100

  /// Columns and types of JSON lines: the members of the first records of the first files.
  ///
  /// Types are given where the job writes typed columns or says some itself, as for CSV; in the
  /// latter case alone, all others are text.
  func surveyJSONL(_ files: [InputFile]) throws -> SurveyedTable {
    let options = try JSONLOptions()
    var schema = JSONLSchema()
    for file in files.prefix(Self.sampledFileLimit) where !schema.isFull {
      try schema.sample(text(of: file), path: file.path, options: options)
    }
    let given = request.inputConfig.schema
    let (columns, types) = try schema.table(path: files[0].path, types: given ?? [:])
    return SurveyedTable(
      columns: columns,
      types: request.writesTypes
        ? types : given.map { given in columns.map { given[$0] ?? .text } },
      inputs: files.map { PlannedInput($0) })
  }
}
