package import Columnar
package import Jobs

/// Reads of columnar files what a plan needs.
package struct ColumnarSurvey {
  private let format: ColumnarFormat
  private let schema: [String: ColumnType]
  private let shardByteCount: UInt64

  /// - Parameters:
  ///   - format: What the files have to be.
  ///   - schema: Types that the job gives to columns.
  ///   - shardByteCount: Stored bytes of a shard.
  package init(format: ColumnarFormat, schema: [String: ColumnType], shardByteCount: UInt64) {
    self.format = format
    self.schema = schema
    self.shardByteCount = shardByteCount
  }

  /// Surveys the inputs, at least one: the metadata of each is read.
  ///
  /// - Parameters:
  ///   - files: In the order of the output.
  ///   - open: Gives a file's stored bytes.
  /// - Returns: What the plan needs.
  /// - Throws: `ColumnarReadError`, `TableError.headerMismatch` where two files have other
  ///   columns, or what an input fails with.
  package func run(
    _ files: [InputFile], open: (InputFile) throws -> any ByteSource
  ) throws -> SurveyedTable {
    var columns: [ColumnarColumn] = []
    var inputs: [PlannedInput] = []
    var notes: [String] = []
    for (index, file) in files.enumerated() {
      try requirePlain(file)
      let columnar = try ColumnarFile(open(file), format, path: file.path)
      if index == 0 {
        try Self.requireDifferentNames(columnar)
        columns = columnar.columns
      } else {
        try Self.requireSame(columns, columnar, path: files[0].path)
      }
      let cuts = ColumnarCuts.cuts(of: columnar.groups, shardByteCount: shardByteCount)
      inputs.append(PlannedInput(file, cuts: cuts))
      if let note = note(on: columnar) { notes.append(note) }
    }
    return SurveyedTable(
      columns: columns.map(\.name), types: try types(of: columns, path: files[0].path),
      inputs: inputs, notes: notes)
  }

  /// A file that one worker alone reads because it cannot be divided.
  private func note(on file: ColumnarFile) -> String? {
    guard let largest = file.groups.max(by: { $0.storedByteCount < $1.storedByteCount }),
      largest.storedByteCount > 4 * shardByteCount
    else { return nil }
    return "\(file.name): has a row group of \(largest.storedByteCount) bytes, which is not "
      + "divided between workers but at the price of reading it more than once"
  }

  private func requirePlain(_ file: InputFile) throws(TableError) {
    guard file.compression != nil else { return }
    throw TableError(
      code: .unsupported,
      context: "\(file.path): a columnar file is not read while it is compressed as a whole; it "
        + "is compressed inside: decompress it")
  }

  private static func requireDifferentNames(_ file: ColumnarFile) throws(TableError) {
    var seen: Set<String> = []
    for column in file.columns where !seen.insert(column.name).inserted {
      throw TableError(
        code: .header, context: "\(file.name): two columns are named \"\(column.name)\"")
    }
    guard !file.columns.isEmpty else {
      throw TableError(code: .header, context: "\(file.name): has no columns")
    }
  }

  private static func requireSame(
    _ columns: [ColumnarColumn], _ file: ColumnarFile, path: String
  ) throws(TableError) {
    guard file.columns.count == columns.count else {
      throw TableError(
        code: .headerMismatch,
        context: "\(file.name): has \(file.columns.count) columns, \(path) has \(columns.count)")
    }
    for (index, (one, other)) in zip(columns, file.columns).enumerated() {
      guard one.name == other.name else {
        throw TableError(
          code: .headerMismatch,
          context: "\(file.name): column \(index + 1) is \"\(other.name)\", in \(path) it is "
            + "\"\(one.name)\"")
      }
      guard one.type == other.type else {
        throw TableError(
          code: .headerMismatch,
          context: "\(file.name): column \"\(one.name)\" is of type \(other.typeName), in "
            + "\(path) of type \(one.typeName)")
      }
    }
  }

  /// The columns' types as the job sees them.
  private func types(
    of columns: [ColumnarColumn], path: String
  ) throws(TableError) -> [ColumnType] {
    for name in schema.keys.sorted() where !columns.contains(where: { $0.name == name }) {
      throw TableError(
        code: .unsupported, context: "inputConfig.schema: there is no column \"\(name)\"")
    }
    var types: [ColumnType] = []
    for column in columns {
      // Columns of types that are not read are refused once somebody needs them.
      let stored = column.type ?? .binary
      let wanted = schema[column.name] ?? stored
      let isNumber = [stored, wanted].allSatisfy { [.integer, .number, .float].contains($0) }
      guard wanted == stored || wanted == .text || isNumber else {
        throw TableError(
          code: .unsupported,
          context: "inputConfig.schema: column \"\(column.name)\" is of type \(column.typeName) "
            + "in \(path), which is not read as \(wanted.rawValue)")
      }
      types.append(wanted)
    }
    return types
  }
}
