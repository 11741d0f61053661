import CKernels
package import Columnar
package import Jobs

/// Writes scored records as the columns of a block: the columnar counterpart of `RowWriter`.
///
/// Goes tile by tile, column by column. A block becomes one Arrow IPC stream, in batches that end
/// with a tile once they have `batchByteLimit` bytes, so that memory does not grow with the block.
@safe package struct ColumnarRowWriter: ~Copyable {
  private var encoder: ColumnarBlockEncoder
  private let columns: [InstanceValues]
  /// For each of them the model's input that is the same numbers, or -1.
  private let sharedInputs: [Int]
  private let names: [String]
  private let prediction: PredictionFormat
  private let nullWords: NullWords
  private let takesWrongTypesAsNull: Bool
  private let buffers: [ColumnBuffer]
  private var rowCount = 0
  /// Whether the block under way has been begun.
  private var hasBatch = false

  /// Records of the tile that was read last with a value that is not of its column's type.
  package private(set) var failures = RecordSet()

  /// Bytes after which a batch ends.
  package static let batchByteLimit = 8 << 20
  /// Far below what the offsets of a column can tell.
  private static let textByteLimit = 1 << 30

  init(
    instance: [(column: Int, name: String, type: ColumnType)], prediction: PredictionFormat,
    nullWords: NullWords, takesWrongTypesAsNull: Bool, sharing inputs: [Int: Int]
  ) throws(ColumnarWriteError) {
    let instanceColumns = instance.map { ResultColumn(name: $0.name, type: $0.type) }
    let all = instanceColumns + prediction.resultColumns
    encoder = try ColumnarBlockEncoder(columns: all)
    columns = instance.map { InstanceValues(column: $0.column, type: $0.type) }
    sharedInputs = instance.map { column in
      column.type == .number || column.type == .float ? inputs[column.column] ?? -1 : -1
    }
    names = instance.map(\.name)
    self.prediction = prediction
    self.nullWords = nullWords
    self.takesWrongTypesAsNull = takesWrongTypesAsNull
    buffers = all.map { ColumnBuffer(type: $0.type) }
  }

  /// Reads what the output has of a tile's records; must come before they are appended.
  package mutating func read(_ tile: borrowing RecordTile) {
    failures.removeAll()
    for (column, input) in zip(columns, sharedInputs) where input < 0 {
      column.read(tile, nullWords: nullWords)
      if !takesWrongTypesAsNull { failures.formUnion(column.failures) }
    }
  }

  /// The first column, with its type, whose value of a record is not of that type.
  package func wrongColumn(of record: Int) -> (name: String, type: ColumnType)? {
    guard failures.contains(record) else { return nil }
    return columns.indices.first { columns[$0].failures.contains(record) }.map {
      (names[$0], columns[$0].type)
    }
  }

  /// Appends records of the tile that was read last.
  ///
  /// - Parameters:
  ///   - records: Which, rising; none is an error.
  ///   - tile: The tile.
  ///   - features: What the model reads: inputs × `RecordTile.recordLimit`.
  ///   - predictions: Records × numbers of a prediction, of all of the tile's records.
  ///   - explanations: The same of the numbers that explain one; empty where none do.
  ///   - output: Gets the bytes of a batch once there are enough rows.
  /// - Throws: `ColumnarWriteError` where there is no memory.
  package mutating func append(
    _ records: UnsafeBufferPointer<UInt16>, of tile: borrowing RecordTile,
    features: UnsafeBufferPointer<Double>, predictions: UnsafeBufferPointer<Double>,
    explanations: UnsafeBufferPointer<Double>, to output: inout TextBuffer
  ) throws(ColumnarWriteError) {
    guard !records.isEmpty else { return }
    // Only of a table of huge values a whole tile does not fit.
    if records.count > 1, unsafe textByteCount(of: records, tile) > Self.textByteLimit {
      let half = records.count / 2
      for part in [0..<half, half..<records.count] {
        try unsafe append(
          UnsafeBufferPointer(rebasing: records[part]), of: tile, features: features,
          predictions: predictions, explanations: explanations, to: &output)
        try endBatch(to: &output)
      }
      return
    }
    for index in columns.indices {
      let start = sharedInputs[index] * RecordTile.recordLimit
      if start >= 0, let numbers = features.baseAddress {
        precondition(features.count - start >= tile.count)
        unsafe buffers[index].append(numbers + start, stride: 1, records: records)
      } else {
        unsafe columns[index].append(
          records, of: tile, nullWords: nullWords, to: buffers[index])
      }
    }
    unsafe prediction.append(
      records, predictions: predictions, explanations: explanations,
      to: buffers[columns.count...])
    rowCount += records.count
    if buffers.reduce(0, { $0 + $1.byteCount }) >= Self.batchByteLimit {
      try endBatch(to: &output)
    }
  }

  /// Ends the block: nothing is written of one without rows.
  package mutating func endBlock(to output: inout TextBuffer) throws(ColumnarWriteError) {
    try endBatch(to: &output)
    guard hasBatch else { return }
    hasBatch = false
    try unsafe encoder.endBlock { unsafe output.append($0) }
  }

  private mutating func endBatch(to output: inout TextBuffer) throws(ColumnarWriteError) {
    guard rowCount > 0 else { return }
    let spans = unsafe buffers.map { unsafe $0.span }
    try unsafe encoder.append(rowCount: rowCount, spans) { unsafe output.append($0) }
    for buffer in buffers { buffer.removeAll() }
    rowCount = 0
    hasBatch = true
  }

  /// Bytes of the longest column of text or binary.
  private func textByteCount(
    of records: UnsafeBufferPointer<UInt16>, _ tile: borrowing RecordTile
  ) -> Int {
    var longest = 0
    for column in columns where column.type == .text || column.type == .binary {
      var total = 0
      for index in records.indices {
        total += unsafe tile.field(Int(records[index]), column.column).bytes.count
      }
      longest = max(longest, total)
    }
    return longest
  }
}

extension RowFormat {
  /// Makes a writer of columns, one for each thread.
  ///
  /// - Parameter inputs: For columns that the model reads as numbers which of its inputs they are:
  ///   their numbers are taken from there.
  /// - Returns: The writer; nil where the results are text.
  /// - Throws: `ColumnarWriteError` where there is no memory.
  package func columnarWriter(
    sharing inputs: [Int: Int] = [:]
  ) throws(ColumnarWriteError) -> ColumnarRowWriter? {
    guard isColumnar else { return nil }
    return try ColumnarRowWriter(
      instance: instance, prediction: prediction, nullWords: csv.nullWords,
      takesWrongTypesAsNull: onParseError == .null, sharing: inputs)
  }
}

extension TextBuffer {
  /// Appends bytes as they are.
  mutating func append(_ bytes: UnsafeRawBufferPointer) {
    unsafe bytes.withMemoryRebound(to: UInt8.self) { unsafe append($0) }
  }
}
