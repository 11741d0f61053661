import CKernels
package import Jobs

/// How one scored record is written: fixed by the job's request, the columns and the model.
package struct RowFormat: Sendable {
  private let format: JobRequest.PredictionsFormat
  private let instanceType: JobRequest.InstanceType
  private let keyColumn: Int?
  /// Columns that the instance in the output has, in the order of the table.
  private let instanceColumns: [Int]
  /// Whether the job leaves nothing of the instance out.
  private let hasWholeInstance: Bool
  private let columns: [String]
  private let types: [ColumnType]?
  let prediction: PredictionFormat
  let csv: CSVOptions
  let onParseError: JobRequest.OnParseError

  /// - Parameters:
  ///   - configuration: What the job asks for, and the table's columns and types.
  ///   - prediction: how the model's numbers are written.
  /// - Throws: `TableError` naming a column of the request that the table lacks, with the table's.
  package init(
    configuration: JobConfiguration, prediction: PredictionFormat
  ) throws(TableError) {
    let (request, columns) = (configuration.request, configuration.columns)
    let instance = request.instanceConfig
    let named =
      instance.includedFields + instance.excludedFields + [instance.keyField].compactMap { $0 }
    if let missing = named.first(where: { !columns.contains($0) }) {
      throw TableError(
        code: .headerMismatch,
        context: "instanceConfig names the column \(missing); the table has "
          + columns.joined(separator: ", "))
    }
    // A database gets lines of CSV, which become its rows.
    format = request.writesTable ? .csv : request.outputConfig.predictionsFormat
    onParseError = request.inputConfig.onParseError ?? .error
    instanceType = instance.instanceType
    keyColumn = instance.keyField.flatMap { columns.firstIndex(of: $0) }
    instanceColumns = columns.indices.filter { index in
      instance.includedFields.isEmpty
        ? !instance.excludedFields.contains(columns[index])
        : instance.includedFields.contains(columns[index])
    }
    hasWholeInstance = instance.includedFields.isEmpty && instance.excludedFields.isEmpty
    self.columns = columns
    types = configuration.types
    self.prediction = prediction
    csv = try CSVOptions(request: request)
    if isColumnar { try requireDistinctColumns() }
  }

  /// Whether results are columns, as Parquet and Arrow have them, and not lines.
  package var isColumnar: Bool { format == .parquet || format == .arrow }

  /// The columns of the table that are written, their names in the results, and their types.
  var instance: [(column: Int, name: String, type: ColumnType)] {
    (keyColumn.map { [$0] } ?? instanceColumns).map { column in
      (column, column == keyColumn ? "key" : columns[column], types?[column] ?? .text)
    }
  }

  /// How many of the results' columns are the instance's; they come first.
  package var instanceColumnCount: Int { instance.count }

  /// The columns whose fields are written as text, or read as it.
  package var columnsRead: Set<Int> {
    Set(instance.filter { !isNumber($0.type) }.map(\.column))
  }

  /// The columns that are written from numbers alone.
  package var columnsReadAsNumbers: Set<Int> {
    Set(instance.filter { isNumber($0.type) }.map(\.column))
  }

  private func isNumber(_ type: ColumnType) -> Bool {
    isColumnar && (type == .number || type == .float)
  }

  /// SQL does not tell names apart that differ in upper and lower case alone.
  private func requireDistinctColumns() throws(TableError) {
    var known: [String: String] = [:]
    for column in resultColumns {
      guard let former = known.updateValue(column.name, forKey: column.name.lowercased()) else {
        continue
      }
      throw TableError(
        code: .unsupported,
        context: "the results would have the columns \(former) and \(column.name), which "
          + "\(format.rawValue) files cannot tell apart for SQL; leave one out with excludedFields")
    }
  }

  /// The results' columns with their types, named as in the header of a CSV file.
  package var resultColumns: [ResultColumn] {
    instance.map { ResultColumn(name: $0.name, type: $0.type) } + prediction.resultColumns
  }

  /// What stands at the start of each result file: a header for CSV, nothing for JSONL.
  package var fileHeader: [UInt8] {
    guard format == .csv else { return [] }
    let writer = writer()
    var text = TextBuffer()
    writer.appendHeader(to: &text)
    return text.copy()
  }

  /// A writer of rows; one for each thread.
  package func writer() -> RowWriter {
    var names = columns
    if let keyColumn { names[keyColumn] = "key" }
    return RowWriter(
      format: format, isKeyed: keyColumn != nil, instanceType: instanceType,
      prediction: prediction,
      instance: InstanceWriter(
        columns: keyColumn.map { [$0] } ?? instanceColumns,
        header: CSVHeader(names: names, offset: 0), nullWords: csv.nullWords,
        delimiter: csv.delimiter, copiesWholeRecords: keyColumn == nil && hasWholeInstance),
      delimiter: csv.delimiter)
  }
}

/// Writes scored records as the lines of a result file.
package struct RowWriter: ~Copyable {
  private let format: JobRequest.PredictionsFormat
  private let isKeyed: Bool
  private let instanceType: JobRequest.InstanceType
  private let prediction: PredictionFormat
  private var instance: InstanceWriter
  private let delimiter: UInt8
  /// Writes many lines at once where predictions are all numbers.
  private var lines: RowLines?

  init(
    format: JobRequest.PredictionsFormat, isKeyed: Bool, instanceType: JobRequest.InstanceType,
    prediction: PredictionFormat, instance: consuming InstanceWriter, delimiter: UInt8
  ) {
    self.format = format
    self.isKeyed = isKeyed
    self.instanceType = instanceType
    self.prediction = prediction
    self.instance = instance
    self.delimiter = delimiter
    let form =
      format == .csv
      ? ns_row_csv
      : isKeyed ? ns_row_json_key : instanceType == .array ? ns_row_json_array : ns_row_json_object
    let pieces =
      format == .csv
      ? prediction.piecesOfCSV(delimiter: delimiter) : prediction.piecesOfJSON()
    lines = pieces.map { pieces in
      RowLines(pieces, form: form, delimiter: delimiter, prediction: prediction)
    }
  }

  /// Appends neighbouring records of a tile, none of which is an error.
  ///
  /// - Parameters:
  ///   - records: Which.
  ///   - tile: Theirs.
  ///   - predictions: Of all the tile's records, record after record.
  ///   - explanations: The same of what explains them; empty where nothing does.
  ///   - text: Gets the lines.
  package mutating func append(
    _ records: Range<Int>, of tile: borrowing RecordTile,
    predictions: UnsafeBufferPointer<Double>, explanations: UnsafeBufferPointer<Double>,
    to text: inout TextBuffer
  ) {
    if lines?.suits(tile) == true, !instance.copiesRecords(of: tile) {
      unsafe lines?.append(
        records, of: tile, instance: &instance, predictions: predictions,
        explanations: explanations, to: &text)
      return
    }
    let (width, explanationWidth) = (prediction.width, prediction.explanationWidth)
    for record in records {
      let explained = record * explanationWidth..<(record + 1) * explanationWidth
      unsafe append(
        tile, record: record,
        prediction: UnsafeBufferPointer(
          rebasing: predictions[record * width..<(record + 1) * width]),
        explanation: UnsafeBufferPointer(rebasing: explanations[explained]), to: &text)
    }
  }

  /// Appends one record with its prediction and, where it has one, its explanation.
  private mutating func append(
    _ tile: borrowing RecordTile, record: Int, prediction numbers: UnsafeBufferPointer<Double>,
    explanation: UnsafeBufferPointer<Double>, to text: inout TextBuffer
  ) {
    switch format {
    case .jsonl:
      appendInstance(tile, record: record, to: &text)
      text.append(",\"prediction\":")
      unsafe prediction.appendJSON(numbers, to: &text)
      if !explanation.isEmpty {
        text.append(",\"explanation\":")
        unsafe prediction.appendExplanation(explanation, to: &text)
      }
      text.append("}\n")
    case .csv:
      instance.appendCSV(of: record, in: tile, to: &text)
      unsafe prediction.appendCSV(
        numbers, explanation: explanation, delimiter: delimiter, to: &text)
      text.append(UInt8(ascii: "\n"))
    case .parquet, .arrow: preconditionFailure("columnar rows have a writer of their own")
    }
  }

  /// The object `{"key":…}` or `{"instance":…}`, left open for the prediction.
  private mutating func appendInstance(
    _ tile: borrowing RecordTile, record: Int, to text: inout TextBuffer
  ) {
    if isKeyed {
      instance.appendJSONObject(of: record, in: tile, to: &text)
      return text.truncate(to: text.count - 1)
    }
    text.append("{\"instance\":")
    switch instanceType {
    case .array: instance.appendJSONArray(of: record, in: tile, to: &text)
    case .object: instance.appendJSONObject(of: record, in: tile, to: &text)
    }
  }

  /// Appends the header of a CSV result file.
  func appendHeader(to text: inout TextBuffer) {
    instance.appendCSVHeader(to: &text)
    prediction.appendCSVHeader(delimiter: delimiter, to: &text)
    text.append(UInt8(ascii: "\n"))
  }
}

extension CSVOptions {
  /// The options that a job asks for.
  package init(request: JobRequest) throws(TableError) {
    let input = request.inputConfig
    let delimiter = Array(input.delimiter.utf8)
    guard delimiter.count == 1 else {
      throw TableError(
        code: .unsupported, context: "delimiter \"\(input.delimiter)\": it has to be one byte")
    }
    try self.init(
      delimiter: delimiter[0],
      // JSON has a null of its own.
      nullWords: input.nullWords
        ?? (input.instancesFormat == .jsonl ? [] : CSVOptions.standardNullWords))
  }
}
