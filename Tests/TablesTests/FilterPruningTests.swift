import Jobs
import Tables
import Testing

/// A filter made at random, with what it is for a record by the plain rules of SQL.
struct RandomFilter {
  let text: String
  let isTrue: (FilterRow) -> Bool?

  static let columns = ["i", "n", "s", "d", "b"]
  static let types: [ColumnType] = [.integer, .number, .text, .date, .boolean]
  static let words = ["", "a", "ab", "abc", "abd", "b", "é", "日本", "zz"]

  static func make(depth: Int, using random: inout SplitMix) -> RandomFilter {
    guard depth > 0, Int.random(in: 0..<4, using: &random) > 0 else { return leaf(using: &random) }
    let one = make(depth: depth - 1, using: &random)
    switch Int.random(in: 0..<3, using: &random) {
    case 0:
      return RandomFilter(text: "NOT (\(one.text))") { row in one.isTrue(row).map { !$0 } }
    case 1:
      let other = make(depth: depth - 1, using: &random)
      return RandomFilter(text: "(\(one.text) AND \(other.text))") { row in
        let both = [one.isTrue(row), other.isTrue(row)]
        return both.contains(false) ? false : both.contains(nil) ? nil : true
      }
    default:
      let other = make(depth: depth - 1, using: &random)
      return RandomFilter(text: "(\(one.text) OR \(other.text))") { row in
        let both = [one.isTrue(row), other.isTrue(row)]
        return both.contains(true) ? true : both.contains(nil) ? nil : false
      }
    }
  }

  private static func leaf(using random: inout SplitMix) -> RandomFilter {
    let signs: [(String, (Int) -> Bool)] = [
      ("=", { $0 == 0 }), ("<>", { $0 != 0 }), ("<", { $0 < 0 }), ("<=", { $0 <= 0 }),
      (">", { $0 > 0 }), (">=", { $0 >= 0 }),
    ]
    let (sign, holds) = signs[Int.random(in: 0..<6, using: &random)]
    let column = columns[Int.random(in: 0..<5, using: &random)]
    let values = (0..<3).map { _ in FilterRow.random(using: &random, missing: 0) }
    let value = values[0]
    switch Int.random(in: 0..<6, using: &random) {
    case 0: return RandomFilter(text: "\(column) IS NULL") { $0.isMissing(column) }
    case 1:
      let list = values.map { $0.literal(column) }.joined(separator: ", ")
      return RandomFilter(text: "\(column) IN (\(list))") { row in
        row.isMissing(column) ? nil : values.contains { row.order(column, $0) == 0 }
      }
    case 2:
      let prefix = words[Int.random(in: 0..<words.count, using: &random)]
      return RandomFilter(text: "s LIKE '\(prefix)%'") { row in
        row.s.map { $0.utf8.starts(with: prefix.utf8) }
      }
    default:
      return RandomFilter(text: "\(column) \(sign) \(value.literal(column))") { row in
        row.order(column, value).map(holds)
      }
    }
  }
}

/// A record.
struct FilterRow {
  var i: Int?
  var n: Double?
  var s: String?
  /// Days since 2024-01-01.
  var d: Int?
  var b: Bool?

  static func random(using random: inout SplitMix, missing: Double) -> FilterRow {
    func maybe<Value>(_ value: Value) -> Value? {
      Double.random(in: 0..<1, using: &random) < missing ? nil : value
    }
    return FilterRow(
      i: maybe(Int.random(in: -4...4, using: &random)),
      n: maybe(Double(Int.random(in: -8...8, using: &random)) / 4),
      s: maybe(RandomFilter.words[Int.random(in: 0..<9, using: &random)]),
      d: maybe(Int.random(in: 0..<9, using: &random)), b: maybe(Bool.random(using: &random)))
  }

  func isMissing(_ column: String) -> Bool {
    switch column {
    case "i": i == nil
    case "n": n == nil
    case "s": s == nil
    case "d": d == nil
    default: b == nil
    }
  }

  /// How this record's value follows the other's.
  func order(_ column: String, _ other: FilterRow) -> Int? {
    func order<Value: Comparable>(_ left: Value?, _ right: Value?) -> Int? {
      guard let left, let right else { return nil }
      return left < right ? -1 : left == right ? 0 : 1
    }
    return switch column {
    case "i": order(i, other.i)
    case "n": order(n, other.n)
    case "s": order(s.map(Self.sortable), other.s.map(Self.sortable))
    case "d": order(d, other.d)
    default: order(b.map { $0 ? 1 : 0 }, other.b.map { $0 ? 1 : 0 })
    }
  }

  /// Hexadecimal digits sort as the bytes do.
  private static func sortable(_ text: String) -> String {
    text.utf8.map { String(Int($0) + 256, radix: 16) }.joined()
  }

  func literal(_ column: String) -> String {
    switch column {
    case "i": "\(i ?? 0)"
    case "n": "\(n ?? 0)"
    case "s": "'\(s ?? "")'"
    case "d": "'2024-01-0\((d ?? 0) + 1)'"
    default: b == true ? "TRUE" : "FALSE"
    }
  }

  var line: String {
    let fields: [String] = [
      i.map { "\($0)" } ?? "", n.map { "\($0)" } ?? "", s.map { "\"\($0)\"" } ?? "",
      d.map { "2024-01-0\($0 + 1)" } ?? "", b.map { "\($0)" } ?? "",
    ]
    return fields.joined(separator: ",")
  }
}

struct FilterPruningTests {
  /// 2024-01-01 in days since 1970.
  static let firstDay: Int64 = 19_723

  /// Bounds as a writer could have them: exact, wider, cut or missing.
  static func bounds(
    _ rows: [FilterRow], _ column: Int, using random: inout SplitMix
  ) -> ColumnBounds? {
    let name = RandomFilter.columns[column]
    let present = rows.filter { !$0.isMissing(name) }
    let sorted = present.sorted { ($0.order(name, $1) ?? 0) < 0 }
    let wide = Bool.random(using: &random)
    func value(_ row: FilterRow?, isLeast: Bool) -> ColumnBounds.Value? {
      guard let row, Int.random(in: 0..<6, using: &random) > 0 else { return nil }
      let more = wide ? (isLeast ? -1 : 1) : 0
      switch column {
      case 0: return .number(Double((row.i ?? 0) + more))
      case 1: return .number((row.n ?? 0) + Double(more) / 8)
      case 2:
        let bytes = Array((row.s ?? "").utf8)
        return .text(wide ? Array(bytes.prefix(1)) : bytes)
      case 3: return .integer(Self.firstDay + Int64((row.d ?? 0) + more))
      default: return .integer(row.b == true ? 1 : 0)
      }
    }
    let nullCount = UInt64(rows.count - present.count)
    return Int.random(in: 0..<8, using: &random) == 0
      ? nil
      : ColumnBounds(
        least: value(sorted.first, isLeast: true), greatest: value(sorted.last, isLeast: false),
        nullCount: Int.random(in: 0..<5, using: &random) == 0 ? nil : nullCount,
        recordCount: UInt64(rows.count))
  }

  @Test func nothingThatMatchesIsPassedOver() throws {
    var random = SplitMix(state: 8)
    var (prunedCount, matchCount) = (0, 0)
    for _ in 0..<6_000 {
      let filter = RandomFilter.make(depth: 3, using: &random)
      let missing = ([0, 0.3, 1] as [Double]).randomElement(using: &random) ?? 0
      let rows = (0..<Int.random(in: 1...4, using: &random)).map { _ in
        FilterRow.random(using: &random, missing: missing)
      }
      let parsed = try RecordFilter(
        filter.text, columns: RandomFilter.columns, types: RandomFilter.types)
      let known = (0..<5).map { Self.bounds(rows, $0, using: &random) }
      let mayMatch = parsed.mayMatch { known[$0] }
      if rows.contains(where: { filter.isTrue($0) == true }) {
        matchCount += 1
        #expect(mayMatch, "\(filter.text) for \(rows) by \(known)")
      }
      if !mayMatch { prunedCount += 1 }
    }
    #expect(prunedCount > 500 && matchCount > 1_000, "\(prunedCount), \(matchCount)")
  }

  @Test func filtersAgreeWithTheRules() throws {
    var random = SplitMix(state: 9)
    let rows = (0..<1_300).map { _ in FilterRow.random(using: &random, missing: 0.2) }
    let table = FilterTable(
      "i,n,s,d,b\n" + rows.map(\.line).joined(separator: "\n") + "\n", types: RandomFilter.types)
    for _ in 0..<300 {
      let filter = RandomFilter.make(depth: 3, using: &random)
      let answer = try table.records(table.filter(filter.text))
      let expected = rows.indices.filter { filter.isTrue(rows[$0]) == true }
      #expect(answer.kept == expected && answer.failed.isEmpty, "\(filter.text)")
    }
  }

  @Test func boundsPruneWhatTheyCan() throws {
    let types: [ColumnType] = [.number, .text, .integer, .boolean, .timestamp]
    let bounds: [ColumnBounds] = [
      .init(least: .number(1), greatest: .number(5), nullCount: 0, recordCount: 9),
      .init(least: .text([98]), greatest: .text([99, 99]), nullCount: 0, recordCount: 9),
      .init(least: .number(7), greatest: .number(7), nullCount: 0, recordCount: 9),
      .init(least: .integer(1), greatest: .integer(1), nullCount: 0, recordCount: 9),
      .init(least: nil, greatest: nil, nullCount: 9, recordCount: 9),
    ]
    for (text, expected) in [
      ("n > 5", false), ("n >= 5", true), ("n < 1", false), ("n = 6", false), ("n <> 3", true),
      ("NOT n <= 5", false), ("n IN (0, 6)", false), ("n IN (0, 2)", true),
      ("n BETWEEN 6 AND 9", false), ("n IS NULL", true), ("s IS NULL", false),
      ("s < 'b'", false), ("s > 'cc'", true), ("s > 'd'", false), ("s LIKE 'a%'", false),
      ("s LIKE 'ccc%'", true), ("s LIKE '%x'", true), ("s LIKE 'd_'", false), ("i <> 7", false),
      ("i IS NOT NULL", true), ("b", true), ("NOT b", false), ("b = FALSE OR n > 5", false),
      ("n > 5 OR i = 7", true), ("t IS NULL", true), ("t > '2024-01-01'", false),
      ("NOT (t > '2024-01-01' AND n > 0)", false), ("t IS NOT NULL", false), ("i > n", true),
      ("FALSE", false), ("NOT FALSE", true),
    ] {
      let filter = try RecordFilter(text, columns: ["n", "s", "i", "b", "t"], types: types)
      #expect(filter.mayMatch { bounds[$0] } == expected, "\(text)")
      #expect(filter.mayMatch { _ in nil } == (text != "FALSE"), "\(text)")
    }
  }
}
