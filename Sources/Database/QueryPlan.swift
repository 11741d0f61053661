/// How a query is divided by a key into ranges that are read one by one.
package struct QueryPlan: Hashable, Sendable {
  package let columns: [QueryColumn]
  /// The least and the greatest key; 0 and -1 where there are no rows.
  package let least: Int64
  package let greatest: Int64
  package let rowCount: UInt64
  /// About how many bytes the rows have in a binary COPY.
  package let byteCount: UInt64
  /// Bounds of the ranges as distances from the least key.
  ///
  /// The first is 0, the last lies one past the greatest key. Empty where there are no rows.
  package let cuts: [Cut]

  /// One bound.
  package struct Cut: Hashable, Sendable {
    /// Distance from the least key.
    package let offset: UInt64
    /// Rows with smaller keys.
    package let firstRow: UInt64

    package init(offset: UInt64, firstRow: UInt64) {
      self.offset = offset
      self.firstRow = firstRow
    }
  }

  /// What a plan aims at.
  package struct Aim: Sendable {
    /// Bytes of a range.
    package var rangeByteCount: UInt64 = 64 << 20
    /// Most ranges; above it they become larger.
    package var rangeCountLimit: UInt64 = 1 << 16

    package init() {}
  }
}

extension Query {
  /// Plans how to read the query in pieces of about the same size.
  ///
  /// The rows are counted by key in one pass over the query, and where they lie close once more
  /// between finer bounds, so that a skewed key gives even ranges. The result follows from the
  /// snapshot alone.
  ///
  /// - Parameters:
  ///   - key: An integer column without NULLs; that it has no duplicates is checked by readers.
  ///   - connection: In the snapshot.
  ///   - aim: The size of a range.
  /// - Returns: The plan.
  /// - Throws: `unsupported` with what to do, and what the server says.
  package func plan(
    key: String, _ connection: Connection, aim: QueryPlan.Aim = QueryPlan.Aim()
  ) throws(DatabaseError) -> QueryPlan {
    let columns = try columns(connection)
    try requireKey(key, columns)
    let tally = KeyTally(query: self, key: key, columns: columns, connection: connection)
    let total = try tally.total()
    guard total.nullCount == 0 else {
      throw DatabaseError(
        code: .unsupported,
        context: "the key \(SQL.printable(key)) is NULL in \(total.nullCount) rows of the query: "
          + "leave them out (WHERE … IS NOT NULL) or name another splitColumn")
    }
    guard let all = total.bucket else {
      return QueryPlan(
        columns: columns, least: 0, greatest: -1, rowCount: 0, byteCount: 0, cuts: [])
    }
    // Distances are 63-bit numbers on the wire and in the journal.
    guard Self.distance(all.high, from: all.low) < UInt64(Int64.max) else {
      throw DatabaseError(
        code: .unsupported,
        context: "the least and the greatest \(SQL.printable(key)) are too far apart: name a "
          + "splitColumn whose values span less than 2^63")
    }
    let rangeByteCount = max(
      aim.rangeByteCount, all.byteCount / max(aim.rangeCountLimit / 2, 1) + 1)
    let buckets = try tally.buckets(of: all, byteCount: rangeByteCount)
    return QueryPlan(
      columns: columns, least: all.low, greatest: all.high, rowCount: all.rowCount,
      byteCount: all.byteCount, cuts: Self.cuts(buckets, all, rangeByteCount))
  }

  private func requireKey(_ key: String, _ columns: [QueryColumn]) throws(DatabaseError) {
    guard let column = columns.first(where: { $0.name == key }) else {
      throw DatabaseError(
        code: .unsupported,
        context: "the query has no column \(SQL.printable(key)) to split by; it has "
          + columns.map { SQL.printable($0.name) }.joined(separator: ", "))
    }
    guard column.type.isInteger else {
      throw DatabaseError(
        code: .unsupported,
        context: "the query cannot be split by \(SQL.printable(key)), which is no integer: name an "
          + "integer column that is different in every row, or add one (row_number() OVER (ORDER "
          + "BY …) AS id, over columns that fix the order)")
    }
  }

  /// Puts buckets together until a range is full.
  private static func cuts(
    _ buckets: [KeyBucket], _ all: KeyBucket, _ rangeByteCount: UInt64
  ) -> [QueryPlan.Cut] {
    var cuts = [QueryPlan.Cut(offset: 0, firstRow: 0)]
    var rowCount: UInt64 = 0
    var filled: UInt64 = 0
    for bucket in buckets {
      if filled > 0, filled + bucket.byteCount > rangeByteCount {
        cuts.append(
          QueryPlan.Cut(offset: distance(bucket.low, from: all.low), firstRow: rowCount))
        filled = 0
      }
      filled += bucket.byteCount
      rowCount += bucket.rowCount
    }
    cuts.append(
      QueryPlan.Cut(offset: distance(all.high, from: all.low) + 1, firstRow: all.rowCount))
    return cuts
  }

  /// How far a key lies from the least one.
  package static func distance(_ key: Int64, from least: Int64) -> UInt64 {
    UInt64(bitPattern: key &- least)
  }
}
