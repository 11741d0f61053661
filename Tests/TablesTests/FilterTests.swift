import Foundation
import Jobs
import Tables
import Testing

/// A table in memory that filters are tried on.
struct FilterTable {
  let columns: [String]
  let types: [ColumnType]?
  let text: [UInt8]

  /// Takes CSV with a header.
  init(_ text: String, types: [ColumnType]?) {
    self.text = Array(text.utf8)
    columns = text.prefix { $0 != "\n" }.split(separator: ",").map(String.init)
    self.types = types
  }

  struct Answer: Equatable {
    var kept: [Int] = []
    var failed: [Int: String] = [:]
    var filteredCount = 0
  }

  func filter(_ text: String) throws -> RecordFilter {
    try RecordFilter(text, columns: columns, types: types)
  }

  /// Which records a filter keeps.
  func records(_ filter: RecordFilter) throws -> Answer {
    var parser = CSVRangeParser(
      source: MemorySource(bytes: text), range: 0..<UInt64.max, blockByteCount: .max,
      headerOffset: 0, fieldCount: columns.count, options: try CSVOptions())
    var sieve = RecordSieve(filter, nullWords: try CSVOptions().nullWords)
    var tile = RecordTile()
    var answer = Answer()
    var base = 0
    while try parser.readTile(into: &tile) {
      answer.filteredCount += sieve.sift(tile)
      for record in 0..<tile.count {
        if sieve.kept.contains(record) { answer.kept.append(base + record) }
        if sieve.failed.contains(record) {
          answer.failed[base + record] = sieve.reason(of: record)
        }
      }
      base += tile.count
    }
    #expect(answer.kept.count + answer.failed.count + answer.filteredCount == base)
    return answer
  }

  func kept(_ text: String) throws -> [Int] { try records(filter(text)).kept }
}

struct FilterTests {
  static let table = FilterTable(
    #"""
    id,price,word,ok,day,time
    1,0.5,apple,true,2024-01-01,2024-01-01 10:00:00
    2,,banana,false,2024-02-29,2024-02-29T23:59:59.999999Z
    3,NaN,"",,,
    4,-7,,1,1969-12-31,2024-01-01T12:00+02:00
    5,1e3,"say ""hi""",F,2000-01-01,1999-12-31T23:00-01:00

    """#,
    types: [.integer, .number, .text, .boolean, .date, .timestamp])

  @Test(arguments: [
    ("id = 3", [2]), ("id <> 3", [0, 1, 3, 4]), ("2 < id and id <= 4", [2, 3]),
    ("price > 0", [0, 4]), ("price is null", [1, 2]), ("not price > 0", [3]),
    ("price is not null", [0, 3, 4]), ("price = 1000 or price = -7", [3, 4]),
    ("word = ''", [2]), ("word is null", [3]), ("word = 'say \"hi\"'", [4]),
    ("word like '%an%'", [1]), ("word like '_____'", [0]), ("not word like 'a%'", [1, 2, 4]),
    ("ok", [0, 3]), ("not ok", [1, 4]), ("ok is null", [2]), ("ok = false or id = 1", [0, 1, 4]),
    ("day >= '2000-01-01'", [0, 1, 4]), ("day < date '1970-01-01'", [3]),
    ("time = '2024-01-01T10:00:00Z'", [0, 3]), ("time > '2024-02-29'", [1]),
    ("time = timestamp '2000-01-01 00:00'", [4]), ("day = time", [4]),
    ("id in (1, 5, 9)", [0, 4]), ("word not in ('apple', '')", [1, 4]),
    ("id between 2 and 3", [1, 2]), ("id not between 2 and 4", [0, 4]),
    ("\"id\" == 1 or (id = 2 and (true))", [0, 1]), ("TRUE", [0, 1, 2, 3, 4]), ("false", []),
    ("price <> price", []), ("id > price or word < 'b'", [0, 2, 3]),
  ])
  func conditionsFollowSQL(text: String, expected: [Int]) throws {
    let answer = try Self.table.records(Self.table.filter(text))
    #expect(answer.kept == expected)
    #expect(answer.failed == [:])
  }

  @Test func valuesThatCannotBeReadAreErrors() throws {
    let table = FilterTable(
      "n,b,d\n1,true,2024-01-01\nx,true,2024-01-01\n2,maybe,2024-01-01\n3,f,2023-02-29\nx\n4,,\n",
      types: [.number, .boolean, .date])
    var answer = try table.records(table.filter("n > 1 or n < 1"))
    #expect(answer.kept == [2, 3, 4, 5], "record 4 is an error of its own")
    #expect(answer.failed == [1: "the filter needs a number in column \"n\""])
    answer = try table.records(table.filter("b and d is null"))
    #expect(answer.kept == [4])
    #expect(answer.failed.keys.sorted() == [2, 3])
    #expect(answer.failed[2] == "the filter needs true or false in column \"b\"")
    #expect(answer.failed[3] == "the filter needs a date in column \"d\"")
    #expect(answer.filteredCount == 3)
  }

  @Test func columnsWithoutTypesAreWhatTheyAreComparedWith() throws {
    let table = FilterTable("a,b\n10,true\n9,false\nx,\n", types: nil)
    #expect(try table.kept("a < '2'") == [0])
    #expect(try table.records(table.filter("a >= 10")).kept == [0])
    #expect(try table.records(table.filter("a >= 10")).failed.count == 1)
    #expect(try table.kept("b = false") == [1])
    #expect(try table.kept("b is null or b") == [0, 2])
    #expect(throws: TableError.self) { try table.filter("a < b") }
  }

  @Test func floatsAndIntegersAreComparedExactly() throws {
    let table = FilterTable(
      "f,i,j\n0.1,9007199254740993,9007199254740992\n0.2,1,2\n",
      types: [.float, .integer, .integer])
    #expect(try table.kept("f = 0.1") == [0])
    #expect(try table.kept("f = 0.10000000149011612") == [0])
    #expect(try table.kept("f in (0.2, 5)") == [1])
    #expect(throws: TableError.self) { try table.filter("i = 9007199254740993") }
    let answer = try table.records(table.filter("i > j or i < j"))
    #expect(answer.kept == [1])
    #expect(answer.failed[0]?.contains("2^53") == true)
  }

  @Test func needsAreTold() throws {
    let filter = try Self.table.filter("price > id and (word = 'a' or ok) and day is null")
    #expect(filter.needs == ColumnNeeds(numbers: [0, 1], texts: [2, 3, 4]))
  }

  // MARK: Errors

  @Test(arguments: [
    ("", 1, "the end where a column"), ("id", 1, "compare it with a value"), ("id =", 5, "the end"),
    ("id = 1 2", 8, "a number where AND"), ("(id = 1", 8, "\")\""), ("id = 1)", 7, "AND, OR"),
    ("id = NULL", 6, "IS NULL"), ("id is 3", 7, "NULL"), ("nope = 1", 1, "no column \"nope\""),
    ("ID = 1", 1, "there is \"id\""), ("id = 'x'", 6, "a text does not go"),
    ("word = 3", 8, "a number does not go"), ("word = 'é' and id", 16, "true or false"),
    ("id like 'x'", 1, "LIKE does not go"), ("word like x", 11, "a text in"),
    ("word like 'a!b' escape '!'", 11, "escape"), ("id in ()", 8, "a column or a value"),
    ("id in (1,", 10, "the end"), ("id between 1 or 2", 14, "AND"), ("id = 1e999", 6, "number"),
    ("id = 1x", 6, "number"), ("word = 'open", 8, "not closed"), ("id ; 1", 4, "no meaning"),
    ("day = '2024-02-30'", 7, "this text"), ("day = '2024-01-01 00:00'", 7, "this text"),
    ("ok > 1", 6, "a number does not go"), ("word < id", 1, "compared with"),
    ("5", 2, "a comparison"), ("not and", 5, "needs"), ("id not null", 8, "IN, BETWEEN or LIKE"),
    ("1 = 'a'", 1, "different types"),
  ])
  func mistakesHaveAPlace(text: String, position: Int, words: String) {
    let error = #expect(throws: TableError.self) { try Self.table.filter(text) }
    #expect(
      error?.context.hasPrefix("filter, at character \(position): ") == true,
      "\(error?.context ?? "")")
    #expect(error?.context.contains(words) == true, "\(error?.context ?? "")")
  }

  @Test func filtersAreBounded() {
    let deep = String(repeating: "(", count: 65) + "id = 1" + String(repeating: ")", count: 65)
    #expect(throws: TableError.self) { try Self.table.filter(deep) }
    #expect(throws: TableError.self) {
      try Self.table.filter(String(repeating: "(", count: 60_000))
    }
    #expect(throws: TableError.self) {
      try Self.table.filter("id = 1" + String(repeating: " ", count: 70_000))
    }
    #expect(throws: Never.self) {
      _ = try Self.table.filter(
        Array(repeating: "not id = 1", count: 4_000).joined(separator: " or "))
      _ = try Self.table.filter(String(repeating: "not ", count: 10_000) + "ok")
    }
  }

  @Test func noiseNeverTraps() {
    var random = SplitMix(state: 3)
    let words = [
      "id", "price", "word", "ok", "day", "and", "or", "not", "in", "between", "like", "is", "null",
      "(", ")", ",", "=", "<", ">=", "'a'", "'", "\"", "1", "-2.5e3", "-", ".", "%", "é", "\0",
      "escape",
      "true", "date", "'2024-01-01'", " ",
    ]
    var acceptedCount = 0
    for _ in 0..<30_000 {
      let text = (0..<Int.random(in: 1...9, using: &random)).map { _ in
        words.randomElement(using: &random) ?? ""
      }.joined(separator: Bool.random(using: &random) ? " " : "")
      guard let filter = try? Self.table.filter(text) else { continue }
      acceptedCount += 1
      _ = filter.mayMatch { _ in nil }
    }
    #expect(acceptedCount > 20)
  }

  @Test func patternsMatchLikeSQL() throws {
    func matches(_ text: String, _ pattern: String) throws -> Bool {
      let table = FilterTable("t\n\"\(text)\"\n", types: [.text])
      return try !table.kept("t like '\(pattern)'").isEmpty
    }
    for (text, pattern, expected) in [
      ("", "", true), ("", "%", true), ("", "_", false), ("abc", "a%c", true),
      ("abc", "a_c", true), ("aébc", "a__c", true), ("日本", "__", true), ("abab", "%ab", true),
      ("aaab", "%a_b", true), ("abcd", "%b%d%", true), ("abcd", "%c%b%", false),
      ("mississippi", "m%iss%ip%i", true), ("abc", "abc%%", true), ("abc", "ABC", false),
    ] {
      #expect(try matches(text, pattern) == expected, "\(text) LIKE \(pattern)")
    }
    let long = String(repeating: "a", count: 20_000)
    #expect(try !matches(long, "%a%a%a%a%a%b"))
  }

  // MARK: DuckDB

  @Test func filtersKeepWhatDuckDBKeeps() throws {
    let folder = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "Fixtures/filter")
    let table = FilterTable(
      try String(contentsOf: folder.appending(path: "table.csv"), encoding: .utf8),
      types: [
        .integer, .integer, .number, .float, .number, .text, .text, .boolean, .date, .timestamp,
      ])
    let lines = try String(contentsOf: folder.appending(path: "filters.tsv"), encoding: .utf8)
      .split(separator: "\n")
    #expect(lines.count == 700)
    var keptCount = 0
    for line in lines {
      let parts = line.split(separator: "\t")
      let text = parts[0].replacing("␤", with: "\n")
      let answer = try table.records(table.filter(String(text)))
      let expected = parts[1].enumerated().flatMap { index, digit in
        (0..<4).filter { (digit.hexDigitValue ?? 0) >> $0 & 1 == 1 }.map { index * 4 + $0 }
      }
      #expect(answer.kept == expected && answer.failed.isEmpty, "\(text)")
      keptCount += expected.count
    }
    #expect(keptCount > 100_000)
  }
}
