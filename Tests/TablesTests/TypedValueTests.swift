import Foundation
import Jobs
import Tables
import Testing

struct TypedValueTests {
  /// The values of a column of one type; nil where missing, and whether each failed.
  private func read(
    _ texts: [String], as type: ColumnType
  ) throws -> (values: [Int64?], failed: [Bool]) {
    let options = try CSVOptions()
    let text = "a,b\n" + texts.map { "\($0),\n" }.joined()
    return try ColumnTests.withTile(text, options: options) { tile, _ in
      var values = [Int64](repeating: -1, count: tile.count)
      var (missing, failures) = (RecordSet(), RecordSet())
      let count = unsafe values.withUnsafeMutableBufferPointer { output in
        unsafe tile.readValues(
          column: 0, as: type, nullWords: options.nullWords, into: output, missing: &missing,
          failures: &failures)
      }
      let failed = (0..<tile.count).map(failures.contains)
      #expect(count == failed.count { $0 })
      #expect((0..<tile.count).allSatisfy { !missing.contains($0) || values[$0] == 0 })
      return ((0..<tile.count).map { missing.contains($0) ? nil : values[$0] }, failed)
    }
  }

  @Test func integersAreThoseOf64Bits() throws {
    let (values, failed) = try read(
      [
        "0", "-0", "007", "+5", "\" 12 \"", "9223372036854775807", "-9223372036854775808",
        "0000000000000000000000001", "NA", "", "9223372036854775808", "-9223372036854775809",
        "99999999999999999999", "1.0", "1e3", "-", "+", "--1", "1 2", "0x1",
      ], as: .integer)
    #expect(
      values.prefix(10) == [0, 0, 7, 5, 12, .max, .min, 1, nil, nil] && values.count == 20)
    #expect(values.dropFirst(10).allSatisfy { $0 == nil })
    #expect(failed == (0..<20).map { $0 >= 10 })
  }

  @Test func numbersAreTheBitsOfDoubles() throws {
    let (values, failed) = try read(["0.1", "-1e400", "nan", "x"], as: .number)
    #expect(values[0] == Int64(bitPattern: (0.1).bitPattern))
    #expect(values[1] == Int64(bitPattern: (-Double.infinity).bitPattern))
    #expect(values[2] == nil && values[3] == nil)
    #expect(failed == [false, false, false, true])
    #expect(try read(["0.1"], as: .float).values == [Int64(bitPattern: (0.1).bitPattern)])
  }

  /// What PostgreSQL's columns cannot hold although the text is a number or text.
  @Test func whatPostgreSQLDoesNotStoreIsWrong() throws {
    let text = "a,b,c\n1,x\u{0}y,1\n1e999,x,1e39\ninf,,inf\n0.0e5,,-0\n1e-400,\"\u{0}\",1e-50\n"
    let types: [ColumnType] = [.number, .text, .float]
    try ColumnTests.withTile(text, options: CSVOptions()) { tile, _ in
      var plain = TypeCheck(types: types, columns: 0..<3, nullWords: try CSVOptions().nullWords)
      #expect(plain.run(tile) == 0)
      var check = TypeCheck(
        types: types, columns: 0..<3, nullWords: try CSVOptions().nullWords, isForPostgreSQL: true)
      #expect(check.run(tile) == 6)
      #expect((0..<5).map { check.wrongColumn(of: $0)?.column } == [1, 0, nil, nil, 0])
      check.removeFailures(from: tile)
      #expect(check.run(tile) == 0)
      #expect(unsafe tile.field(0, 1).bytes.isEmpty && !tile.field(0, 0).bytes.isEmpty)
    }
  }

  @Test func booleansAreWords() throws {
    let (values, failed) = try read(
      ["true", "FALSE", "TrUe", "t", "1", "truE ", "2"], as: .boolean)
    #expect(values == [1, 0, 1, nil, 1, 1, nil])
    #expect(failed == [false, false, false, true, false, false, true])
  }

  @Test func datesAreDays() throws {
    let (values, failed) = try read(
      ["1970-01-01", "1969-12-31", "2000-03-01", "0001-01-01", "9999-12-31", "1900-02-29", "x"],
      as: .date)
    #expect(values == [0, -1, 11_017, -719_162, 2_932_896, nil, nil])
    #expect(failed == [false, false, false, false, false, true, true])
  }

  @Test func everyDayOfFourCenturiesIsTheNext() throws {
    var expected: Int64 = 0
    var texts: [String] = []
    for year in 1_970..<2_371 where year % 4 == 0 || year % 100 < 3 {
      let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
      texts = []
      for (month, length) in [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        .enumerated()
      {
        for day in 1...length {
          let text = [month + 1, day].map { $0 < 10 ? "0\($0)" : "\($0)" }.joined(separator: "-")
          texts.append("\(year)-\(text)")
        }
      }
      let (values, _) = try read(texts, as: .date)
      let first = try #require(values.first ?? nil)
      let before = Int64(year - 1)
      expected = before * 365 + before / 4 - before / 100 + before / 400 - 719_162
      #expect(first == expected)
      #expect(values == (0..<Int64(texts.count)).map { first + $0 })
    }
  }

  @Test func timestampsAreMicroseconds() throws {
    let (values, failed) = try read(
      [
        "1970-01-01T00:00:00Z", "1970-01-01 00:00:00.000001", "1969-12-31T23:59:59.9999990Z",
        "2024-02-29T12:30+05:30", "2024-02-29T12:30-0530", "2024-02-29", "2024-02-29T12:30:61",
        "\"2024-02-29T12:30:00,5Z\"", "2024-02-29T12", "2024-02-29T12:30:00.0000001",
      ], as: .timestamp)
    let leapDay: Int64 = 19_782 * 86_400_000_000
    let hour: Int64 = 3_600_000_000
    #expect(
      values == [
        0, 1, -1, leapDay + 7 * hour, leapDay + 18 * hour, leapDay, nil,
        leapDay + 12 * hour + hour / 2 + 500_000, nil, nil,
      ])
    #expect(failed == [false, false, false, false, false, false, true, false, true, true])
  }

  @Test func recordsOfWrongTypesAreFound() throws {
    let options = try CSVOptions()
    let text = "i,t,d,b\n1,x,2024-01-01,true\nx,y,z,false\nbad\n,,,\n2,x,2024-01-01,maybe\n"
    try ColumnTests.withTile(text, options: options) { tile, _ in
      var check = TypeCheck(
        types: [.integer, .text, .date, .boolean], columns: 0..<4, nullWords: options.nullWords)
      #expect(!check.isEmpty)
      for _ in 0..<2 {
        #expect(check.run(tile) == 3)
        #expect((0..<5).filter(check.failures.contains) == [1, 4])
        #expect(check.wrongColumn(of: 0) == nil)
        #expect(check.wrongColumn(of: 1).map { $0.column } == 0)
        #expect(check.wrongColumn(of: 1).map { $0.type } == .integer)
        #expect(check.wrongColumn(of: 2) == nil)
        #expect(check.wrongColumn(of: 4).map { $0.column } == 3)
      }
      #expect(
        TypeCheck(types: [.text], columns: [0], nullWords: options.nullWords).isEmpty)
    }
  }
}
