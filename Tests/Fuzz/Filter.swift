import Jobs
import Tables

extension FuzzTarget {
  /// A filter expression, bound to a table and applied to its records.
  static let filter = FuzzTarget(name: "filter") { bytes in
    let text = String(decoding: bytes, as: UTF8.self)
    for types in [nil, types] {
      do throws(TableError) {
        let filter = try RecordFilter(text, columns: columns, types: types)
        sift(filter)
      } catch {
        require(!error.context.isEmpty, "an error without words")
      }
    }
  }

  private static let columns = ["a", "b", "word", "ok", "day", "time"]
  private static let types: [ColumnType]? = [
    .integer, .number, .text, .boolean, .date, .timestamp,
  ]

  private static let records = Array(
    """
    1,0.5,apple,true,2024-01-01,2024-01-01T10:00:00Z
    ,NaN,,false,1969-12-31,1969-12-31T23:59:59.999999Z
    9007199254740993,-1e300,"a ""b""%_",x,,never

    """.utf8)

  private static func sift(_ filter: RecordFilter) {
    do {
      let options = try CSVOptions()
      var parser = CSVRangeParser(
        source: MemorySource(bytes: records), range: 0..<UInt64.max, blockByteCount: .max,
        headerOffset: nil, fieldCount: columns.count, options: options)
      var tile = RecordTile()
      var sieve = RecordSieve(filter, nullWords: options.nullWords)
      while try parser.readTile(into: &tile) {
        let filteredCount = sieve.sift(tile)
        let others = (0..<tile.count).filter {
          sieve.kept.contains($0) || sieve.failed.contains($0)
        }
        require(filteredCount + others.count == tile.count, "a record is lost in the sieve")
      }
    } catch {
      fatalError("\(error)")
    }
  }
}
