import Columnar
import Jobs

/// Results of columns: the number of the shard, and a prediction.
enum ColumnarFixture {
  struct Row: Hashable {
    let shard: Int64
    let prediction: Double
  }

  static let columns = [
    ResultColumn(name: "shard", type: .integer), ResultColumn(name: "prediction", type: .number),
  ]

  /// Rows as a worker's block has them.
  static func block(_ rows: [Row], columns: [ResultColumn] = columns) -> [UInt8] {
    var bytes: [UInt8] = []
    do {
      var encoder = try ColumnarBlockEncoder(columns: columns)
      let shards = rows.map(\.shard)
      let predictions = rows.map(\.prediction)
      try unsafe shards.withUnsafeBytes { shards in
        try unsafe predictions.withUnsafeBytes { predictions in
          guard let first = shards.baseAddress, let second = predictions.baseAddress else { return }
          let spans = unsafe [
            ColumnSpan(validity: nil, values: first), ColumnSpan(validity: nil, values: second),
          ]
          try unsafe encoder.append(rowCount: rows.count, spans) { bytes += unsafe Array($0) }
        }
      }
      try unsafe encoder.endBlock { bytes += unsafe Array($0) }
    } catch {
      fatalError("\(error)")
    }
    return bytes
  }

  /// All rows of a file.
  static func rows(_ bytes: [UInt8], _ format: ColumnarFileFormat) throws -> [Row] {
    let file = ColumnarRows(.file(format), bytes: bytes)
    return try (0..<(try file.count())).map { index in
      let row = try file.row(index)
      guard row.map(\.name) == columns.map(\.name), case .integer(let shard) = row[0].value,
        case .number(let prediction) = row[1].value
      else { throw ColumnarWriteError(code: .corrupt, context: "row \(index)") }
      return Row(shard: shard, prediction: prediction)
    }
  }
}
