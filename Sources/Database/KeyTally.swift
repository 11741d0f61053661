/// Keys from `low` to `high`, both included, and what lies there.
struct KeyBucket: Hashable {
  var low: Int64
  var high: Int64
  var rowCount: UInt64
  var byteCount: UInt64
}

/// Counts a query's rows and bytes by ranges of the key.
struct KeyTally {
  let query: Query
  let key: String
  let columns: [QueryColumn]
  let connection: Connection

  /// Ranges counted in one pass, at least.
  private static let bucketCount = 8_192
  /// Parts that a full bucket is cut into, at least; 64 bits of key are then used up in 16 passes.
  private static let partCount = 16
  private static let passLimit = 16

  /// What lies in the whole query.
  struct Total {
    /// `nil` where there are no rows with a key.
    let bucket: KeyBucket?
    let nullCount: UInt64
  }

  func total() throws(DatabaseError) -> Total {
    let column = try Query.column(key)
    let answer = try connection.execute(
      """
      SELECT min(\(column))::bigint, max(\(column))::bigint, count(\(column)), \
      count(*) - count(\(column)), \(try byteSum()) FROM \(query.asTable)
      """)
    let nullCount: UInt64 = try number(answer, 0, 3)
    guard answer.text(0, 0) != nil else { return Total(bucket: nil, nullCount: nullCount) }
    let bucket = KeyBucket(
      low: try number(answer, 0, 0), high: try number(answer, 0, 1),
      rowCount: try number(answer, 0, 2), byteCount: try number(answer, 0, 4))
    return Total(bucket: bucket, nullCount: nullCount)
  }

  /// Cuts the whole into buckets of at most so many bytes, as far as the key allows.
  func buckets(of all: KeyBucket, byteCount: UInt64) throws(DatabaseError) -> [KeyBucket] {
    var buckets = [all]
    for _ in 0..<Self.passLimit {
      let fullCount = buckets.count { Self.isFull($0, byteCount) }
      guard fullCount > 0 else { break }
      let parts = max(Self.partCount, Self.bucketCount / fullCount)
      let finer = buckets.flatMap { Self.isFull($0, byteCount) ? Self.cut($0, into: parts) : [$0] }
      buckets = try counted(finer)
    }
    return buckets
  }

  private static func isFull(_ bucket: KeyBucket, _ byteCount: UInt64) -> Bool {
    bucket.byteCount > byteCount && bucket.low < bucket.high
  }

  /// Parts of equal width with nothing counted in them yet: `rowCount` is 0.
  private static func cut(_ bucket: KeyBucket, into count: Int) -> [KeyBucket] {
    let last = Query.distance(bucket.high, from: bucket.low)
    let width = last / UInt64(count) + 1
    var parts: [KeyBucket] = []
    var offset: UInt64 = 0
    while true {
      let end = last - offset < width ? last : offset + width - 1
      parts.append(
        KeyBucket(
          low: bucket.low &+ Int64(bitPattern: offset), high: bucket.low &+ Int64(bitPattern: end),
          rowCount: 0, byteCount: 0))
      guard end < last else { return parts }
      offset = end + 1
    }
  }

  /// Counts what lies in the buckets that have no rows yet; empty ones are left out.
  private func counted(_ buckets: [KeyBucket]) throws(DatabaseError) -> [KeyBucket] {
    // The server tells in which gap between bounds a key lies by a binary search.
    let bounds = "{" + buckets.map { String($0.low) }.joined(separator: ",") + "}"
    let column = try Query.column(key)
    let open = buckets.filter { $0.rowCount == 0 }
    guard let first = open.first, let last = open.last else { return buckets }
    let answer = try connection.execute(
      """
      SELECT width_bucket(\(column)::bigint, $1::bigint[]), count(*), \(try byteSum()) \
      FROM \(query.asTable) WHERE \(column) >= \(first.low) AND \(column) <= \(last.high) GROUP BY 1
      """, [bounds])
    var counted = buckets
    for row in 0..<answer.rowCount {
      let place: Int = try number(answer, row, 0)
      guard counted.indices.contains(place - 1) else { throw impossible() }
      guard buckets[place - 1].rowCount == 0 else { continue }
      counted[place - 1].rowCount = try number(answer, row, 1)
      counted[place - 1].byteCount = try number(answer, row, 2)
    }
    return counted.filter { $0.rowCount > 0 }
  }

  /// SQL for the bytes of rows: a constant for each, and the sizes of what varies.
  private func byteSum() throws(DatabaseError) -> String {
    // Numerics are counted as about four digit groups.
    let fixed = columns.reduce(2) { $0 + 4 + ($1.type.byteCount ?? ($1.type == .numeric ? 16 : 0)) }
    var sum = "count(*) * \(fixed)"
    for column in columns {
      let expression = column.type.sizeExpression(try Query.column(column.name))
      if let expression { sum += " + coalesce(sum(\(expression)), 0)" }
    }
    return "(\(sum))::bigint"
  }

  private func number<Number: FixedWidthInteger>(
    _ answer: borrowing QueryAnswer, _ row: Int, _ column: Int
  ) throws(DatabaseError) -> Number {
    guard let value: Number = answer.integer(row, column) else { throw impossible() }
    return value
  }

  private func impossible() -> DatabaseError {
    DatabaseError(
      code: .malformed, context: "\(connection.target): counts of rows that cannot be")
  }
}
