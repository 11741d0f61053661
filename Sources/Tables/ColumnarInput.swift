package import Columnar
package import Jobs

extension ColumnarFormat {
  /// The columnar format of a job's inputs; nil where it is another.
  package init?(_ format: JobRequest.InstancesFormat) {
    switch format {
    case .parquet: self = .parquet
    case .orc: self = .orc
    case .arrow: self = .arrow
    case .csv, .jsonl, .files, .postgresql: return nil
    }
  }
}

extension ColumnarFile {
  /// Opens an input.
  ///
  /// - Parameters:
  ///   - source: Its stored bytes.
  ///   - format: What it has to be.
  ///   - path: Its path or URI, for messages.
  /// - Throws: `ColumnarReadError`, `TableError`, or what the source fails with.
  package convenience init(
    _ source: any ByteSource, _ format: ColumnarFormat, path: String
  ) throws {
    guard let byteCount = source.byteCount else {
      throw TableError(
        code: .unsupported,
        context: "\(path): a columnar file is not read while it is compressed as a whole; it is "
          + "compressed inside: decompress it")
    }
    var source = source
    try unsafe self.init(format, name: path, byteCount: byteCount) { offset, buffer in
      var done = 0
      while done < buffer.count {
        let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
        let count = try unsafe source.read(at: offset + UInt64(done), into: rest)
        guard count > 0 else {
          throw TableError(
            code: .inputShrank,
            context: "\(path): ends at byte \(offset + UInt64(done)), was \(byteCount) bytes long")
        }
        done += count
      }
    }
  }
}

/// Where a columnar file may be cut: a function of its metadata alone.
package enum ColumnarCuts {
  /// Divides a file into shards of whole row groups.
  ///
  /// - Parameters:
  ///   - groups: The row groups.
  ///   - shardByteCount: A shard ends with the row group that brings it to so many stored bytes.
  /// - Returns: The bounds, at least two: offsets are rows, places numbers of row groups.
  package static func cuts(
    of groups: [ColumnarGroup], shardByteCount: UInt64
  ) -> [InputCut] {
    var cuts = [InputCut(offset: 0, place: 0)]
    var row: UInt64 = 0
    var byteCount: UInt64 = 0
    for (index, group) in groups.enumerated() {
      row += group.rowCount
      byteCount += group.storedByteCount
      guard byteCount >= shardByteCount || index + 1 == groups.count else { continue }
      cuts.append(InputCut(offset: row, place: UInt64(index + 1)))
      byteCount = 0
    }
    if cuts.count == 1 { cuts.append(InputCut(offset: 0, place: 0)) }
    return cuts
  }
}

extension ColumnBounds {
  /// What a file says of a column in a row group.
  package init(_ bounds: ColumnarBounds, type: ColumnType?, recordCount: UInt64) {
    var least: Value?
    var greatest: Value?
    if let numbers = bounds.numbers {
      switch type {
      case .boolean, .date, .timestamp:
        // Whole numbers as they are; beyond what an integer holds there is no bound.
        least = Int64(exactly: numbers.lowerBound).map { .integer($0) }
        greatest = Int64(exactly: numbers.upperBound).map { .integer($0) }
      case .integer, .number, .float:
        least = .number(numbers.lowerBound)
        greatest = .number(numbers.upperBound)
      case .text, .binary, nil: break
      }
    } else if type == .text, let texts = bounds.texts {
      least = .text(texts.least)
      greatest = .text(texts.greatest)
    }
    self.init(
      least: least, greatest: greatest, nullCount: bounds.nullCount, recordCount: recordCount)
  }
}
