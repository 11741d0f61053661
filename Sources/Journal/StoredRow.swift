import Foundation
import GRDB

/// Reads the columns of one row in order and holds them against the row's sum.
///
/// A damaged page can give any type in any column, so nothing is taken for granted: a missing
/// value reads as zero or empty, and the sum tells.
struct StoredRow {
  private let row: Row
  private let table: String
  private var index = 0
  private var sum: RowSum

  init(_ row: Row, of table: String) {
    self.row = row
    self.table = table
    sum = RowSum(table)
  }

  mutating func number() -> Int64 {
    let value = row[index] as Int64? ?? 0
    index += 1
    sum.add(value)
    return value
  }

  mutating func text() -> String {
    let value = row[index] as String? ?? ""
    index += 1
    sum.add(value)
    return value
  }

  mutating func bytes() -> [UInt8] {
    let value = row.blob(at: index)
    index += 1
    sum.add(value)
    return value
  }

  /// Compares the sum in the last column with that of the columns read.
  func finish() throws(JournalError) {
    let stored = row[index] as Int64?
    guard stored == sum.value else { throw damaged("its checksum differs") }
  }

  /// An error that names the table and the row.
  func damaged(_ reason: String) -> JournalError {
    let key = (0..<min(3, index)).map { column in
      let value = row[column] as DatabaseValue
      return if case .int64(let number) = value.storage { String(number) } else { "?" }
    }
    return JournalError(
      corruption: "table \(table), row (\(key.joined(separator: ", "))): \(reason)")
  }
}

extension Row {
  /// A column's bytes; empty where it holds something else.
  fileprivate func blob(at index: Int) -> [UInt8] {
    // What cannot be read as bytes is damage, which the row's sum will show.
    (try? withUnsafeData(atIndex: index) { data in data.map { [UInt8]($0) } }) ?? nil ?? []
  }
}

/// One named number or byte string that belongs to the whole journal.
struct MetaRow {
  let name: String
  var number: Int64 = 0
  var bytes: [UInt8] = []

  func write(_ database: Database) throws {
    var row = try NewRow(database, into: "meta")
    row.add(name)
    row.add(number)
    row.add(bytes)
    try row.insert()
  }

  static func read(_ database: Database, _ name: String) throws -> MetaRow? {
    let found = try Row.fetchOne(
      database, sql: "SELECT * FROM meta WHERE name = ?", arguments: [name])
    guard let found else { return nil }
    var row = StoredRow(found, of: "meta")
    let meta = MetaRow(name: row.text(), number: row.number(), bytes: row.bytes())
    try row.finish()
    return meta
  }
}
