import CKernels

/// The first record of a CSV text: the names of its columns.
package struct CSVHeader: Hashable, Sendable {
  /// The columns' names in order, all different.
  package let names: [String]
  /// Where the header's text begins: 0, unless a byte order mark or blank lines come first.
  package let offset: UInt64

  /// Most columns of a table.
  package static let columnLimit = 1 << 16

  /// Reads the header of a text.
  ///
  /// - Parameters:
  ///   - source: The text.
  ///   - path: What errors call it.
  ///   - options: How to read.
  /// - Returns: The header.
  /// - Throws: `TableError.header`, or what the source fails with.
  package static func read(
    from source: any ByteSource, path: String, options: CSVOptions
  ) throws -> CSVHeader {
    var parser = CSVRangeParser(
      source: source, range: 0..<UInt64.max, blockByteCount: .max, headerOffset: nil,
      fieldCount: columnLimit, options: options, windowByteCount: 64 << 10)
    parser.limitTiles(to: 1)
    var tile = RecordTile()
    guard try parser.readTile(into: &tile) else {
      throw TableError(code: .header, context: "\(path): no header, the file is empty")
    }
    let names = try tile.headerNames(path: path)
    try requireDifferent(names, path: path)
    return CSVHeader(names: names, offset: tile.offset(of: 0))
  }

  /// Refuses names that stand twice, with the numbers of their columns.
  private static func requireDifferent(_ names: [String], path: String) throws(TableError) {
    var firstPlaces: [String: Int] = [:]
    var duplicates: [String] = []
    for (index, name) in names.enumerated() {
      if let first = firstPlaces[name] {
        let what = name.isEmpty ? "have no name" : "are both named \"\(name)\""
        duplicates.append("\(first + 1) and \(index + 1) \(what)")
      } else {
        firstPlaces[name] = index
      }
    }
    guard !duplicates.isEmpty else { return }
    let limit = 20
    let more = duplicates.count > limit ? " and \(duplicates.count - limit) more" : ""
    throw TableError(
      code: .header,
      context: "\(path): columns "
        + duplicates.prefix(limit).joined(separator: ", ") + more + "; every name has to differ")
  }

  /// Checks that another file of the same job has the same columns in the same order.
  ///
  /// - Parameters:
  ///   - other: The other file's header.
  ///   - otherPath: The other file.
  ///   - path: This file.
  /// - Throws: `TableError.headerMismatch` showing both lists.
  package func requireSame(
    as other: CSVHeader, at otherPath: String, path: String
  ) throws(TableError) {
    guard names != other.names else { return }
    throw TableError(
      code: .headerMismatch,
      context: """
        \(otherPath): its columns \(listed(other.names)) are not those of \
        \(path): \(listed(names))
        """)
  }
}

/// Writes names for a message, at most 200 of them.
private func listed(_ names: [String]) -> String {
  let limit = 200
  let text = names.prefix(limit).map { "\"\($0)\"" }.joined(separator: ", ")
  return names.count > limit ? "\(text) and \(names.count - limit) more" : text
}

extension RecordTile {
  /// The fields of the first record as names, however many they are.
  fileprivate func headerNames(path: String) throws(TableError) -> [String] {
    let record = unsafe records[0]
    if let reason = reasonAgainstHeader {
      throw TableError(
        code: .header, context: "\(path): the header at byte \(offset(of: 0)) \(reason)")
    }
    guard record.field_count <= CSVHeader.columnLimit else {
      throw TableError(
        code: .header,
        context: "\(path): \(record.field_count) columns, at most \(CSVHeader.columnLimit)")
    }
    var names: [String] = []
    for index in 0..<Int(record.field_count) {
      let bytes = unsafe field(at: Int(record.first_field) + index).unescaped()
      guard let name = String(validating: bytes, as: UTF8.self) else {
        throw TableError(
          code: .header, context: "\(path): the name of column \(index + 1) is not UTF-8")
      }
      names.append(name)
    }
    return names
  }

  /// What is wrong with the first record as a header.
  private var reasonAgainstHeader: String? {
    let text = unsafe text(of: 0)
    if unsafe text.starts(with: [0xFF, 0xFE]) || text.starts(with: [0xFE, 0xFF]) {
      return "is UTF-16; convert the file to UTF-8"
    }
    if unsafe text.contains(0) {
      return "holds NUL bytes; the file is no CSV in UTF-8, perhaps UTF-16 or binary"
    }
    let record = unsafe records[0]
    switch error(of: 0) {
    case .textAfterQuote: return "has text after a closing quote"
    case .unterminatedQuote: return "has a quote that is never closed"
    case .recordTooLong: return unsafe "is too long" + (holdsLoneCR(text) ? Self.loneCR : "")
    case .invalidUTF8: return "is not UTF-8"
    case .invalidJSON, .notAnObject, .fieldCount, .leftOut, nil: break
    }
    for index in 0..<min(Int(record.field_count), CSVHeader.columnLimit) {
      let name = unsafe field(at: Int(record.first_field) + index)
      if unsafe !name.isQuoted, unsafe holdsLoneCR(name.bytes) { return "is one" + Self.loneCR }
    }
    return nil
  }

  private static let loneCR = " with CR alone inside; lines have to end with LF or CR LF"

  private func holdsLoneCR(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    unsafe text.contains(UInt8(ascii: "\r"))
  }
}
