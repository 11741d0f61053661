import Columnar
import Synchronization

/// Rows that a lease decoded beyond its end, for the lease that goes on there.
///
/// Leases end at blocks, not at row groups: without this the next one would unpack the pages and
/// dictionaries of its first row group once more, which took a fifth of the time of reading.
package final class KeptRows: Sendable {
  /// Decoded rows, and what reads on behind them.
  struct Rows {
    let file: ColumnarFile
    let range: LeaseRange
    let reader: ColumnarReader
    let batch: ColumnarTileBatch
  }

  /// What is passed from the thread of one lease to that of the next.
  private struct Passed: @unchecked Sendable {  // only one of them has it at any time
    let rows: Rows
  }

  /// Most of them: each holds a batch and the pages it is from.
  private static let limit = 4
  /// Most bytes that decoding may have taken where rows are kept.
  static let memoryLimit = 32 << 20

  private let all = Mutex<[Passed]>([])

  package init() {}

  /// How many leases' rows wait for another.
  package var count: Int { all.withLock { $0.count } }

  /// Leaves rows to a later lease; the oldest give way.
  func put(_ rows: Rows) {
    let passed = Passed(rows: rows)
    all.withLock { all in
      all.append(passed)
      if all.count > Self.limit { all.removeFirst() }
    }
  }

  /// Takes the rows with which a range begins; nil where nobody left them.
  func take(_ file: ColumnarFile, _ range: LeaseRange) -> Rows? {
    let found = all.withLock { all -> Passed? in
      let place = all.firstIndex { passed in
        let rows = passed.rows
        return rows.range.path == range.path && rows.range.version == range.version
          && rows.range.places == range.places && rows.range.shardOffset == range.shardOffset
          && rows.batch.position == range.begin
      }
      return place.map { all.remove(at: $0) }
    }
    guard let rows = found?.rows, rows.file.groups == file.groups,
      rows.file.columns == file.columns
    else { return nil }
    return rows
  }
}
