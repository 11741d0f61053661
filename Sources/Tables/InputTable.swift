import Columnar
import Compression
package import Jobs

/// How a job's inputs are read as a table: fixed by its request, its columns and what is needed.
package struct InputTable: Sendable {
  package private(set) var columns: [String]
  /// What the columns' values are; nil where they are read as text.
  package private(set) var types: [ColumnType]?
  package private(set) var needs: ColumnNeeds
  package let csv: CSVOptions
  private let format: JobRequest.InstancesFormat
  /// Whether folders of the paths are columns, the last ones of the table.
  private var readsPartitions: Bool
  /// Whether what a reader put into a tile is moved about there before the next tile.
  private(set) var movesFields = false
  /// Where the rows come from a query.
  private let sql: SQLInput?
  /// What statistics may rule out; every record is held against it by its reader's caller.
  private let filter: RecordFilter?
  /// What leases on files of columns leave to each other.
  package let keptRows = KeptRows()

  /// - Throws: `TableError.unsupported` for options that are none.
  package init(
    configuration: JobConfiguration, needs: ColumnNeeds
  ) throws(TableError) {
    columns = configuration.columns
    types = configuration.types
    self.needs = needs
    csv = try CSVOptions(request: configuration.request)
    format = configuration.request.inputConfig.instancesFormat
    readsPartitions = configuration.request.inputConfig.hivePartitioning == true
    sql = format == .postgresql ? try SQLInput(request: configuration.request) : nil
    filter = try RecordFilter.filter(of: configuration)
  }

  /// Makes a reader of a part of an input.
  ///
  /// - Parameters:
  ///   - range: What to read.
  ///   - compression: How the input's text is packed.
  ///   - goesOn: Asked while a database is waited for: false stops the reader.
  ///   - open: Gives the input's stored bytes, from its begin, anew each time.
  /// - Returns: The reader; nothing is read yet but a header.
  /// - Throws: `TableError`, or what `open` fails with.
  package func reader(
    of range: LeaseRange, compression: InputCompression,
    goesOn: @escaping @Sendable () -> Bool = { true }, open: () throws -> any ByteSource
  ) throws -> any TileReader {
    if readsPartitions {
      let (file, partitions) = try divided(at: range.path)
      return PartitionTileReader(
        try file.reader(of: range, compression: compression, goesOn: goesOn, open: open),
        partitions, fileColumnCount: file.columns.count)
    }
    switch format {
    case .csv:
      return try csvReader(of: range) { try text(of: range, compression, open: open) }
    case .postgresql:
      guard let sql else { fatalError("a query without its input") }
      return try SQLTileReader(
        sql, range: range, columns: columns, needs: needs, goesOn: goesOn)
    case .jsonl:
      return try JSONLTileReader(
        text: text(of: range, compression, open: open), range: range, columns: columns,
        options: JSONLOptions(recordByteLimit: csv.recordByteLimit, acceptsArrays: true))
    case .files:
      return try FileListTileReader(
        open(), range: range, needs: needs, byteLimit: csv.recordByteLimit)
    case .parquet, .orc, .arrow: return try columnarReader(of: range, open: open)
    }
  }

  private func columnarReader(
    of range: LeaseRange, open: () throws -> any ByteSource
  ) throws -> any TileReader {
    guard let format = ColumnarFormat(format) else { fatalError("no columnar format") }
    let source = try open()
    let file = try ColumnarFile(source, format, path: range.path)
    // Other sources belong to their lease.
    let kept = source is FileSource ? keptRows : nil
    return try ColumnarTileReader(file, range: range, table: self, kept: kept) { group in
      filter?.mayMatch { column in
        guard file.columns.indices.contains(column) else { return nil }
        return ColumnBounds(
          file.bounds(group: group, column: column), type: file.columns[column].type,
          recordCount: file.groups[group].rowCount)
      } ?? true
    }
  }

  private func csvReader(
    of range: LeaseRange, open: () throws -> any ByteSource
  ) throws -> any TileReader {
    var headerOffset: UInt64?
    if range.begin == 0 {
      let header = try CSVHeader.read(from: open(), path: range.path, options: csv)
      guard header.names == columns else {
        throw TableError(
          code: .inputChanged,
          context: "input changed: \(range.path) has the columns "
            + "\(header.names.joined(separator: ", ")); the job was planned with "
            + columns.joined(separator: ", "))
      }
      headerOffset = header.offset
    }
    return CSVTileReader(
      text: try open(), range: range, headerOffset: headerOffset, fieldCount: columns.count,
      options: csv)
  }

  /// The input's text, decompressed where it is packed.
  private func text(
    of range: LeaseRange, _ compression: InputCompression, open: () throws -> any ByteSource
  ) throws -> any ByteSource {
    let stored = try open()
    return switch compression {
    case .none: stored
    case .gzip: DecompressingSource(stored, compression: .gzip, range)
    case .zstd: DecompressingSource(stored, compression: .zstd, range)
    }
  }

  /// The table without its partitions' columns, and the partitions of a path.
  private func divided(at path: String) throws(TableError) -> (InputTable, HivePartitions) {
    let partitions = try HivePartitions(path: path)
    let count = columns.count - partitions.columns.count
    guard count > 0, Array(columns[count...]) == partitions.names else {
      throw TableError(
        code: .inputChanged, context: "\(path): its folders are not those that were planned")
    }
    var file = self
    file.columns = Array(columns[..<count])
    file.types = types.map { Array($0[..<count]) }
    file.needs.numbers = needs.numbers.filter { $0 < count }
    file.needs.texts = needs.texts.filter { $0 < count }
    file.readsPartitions = false
    file.movesFields = true
    return (file, partitions)
  }
}
