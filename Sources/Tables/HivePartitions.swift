/// The columns that the folders of a path stand for, as Hive and Spark name them: `key=value`.
///
/// Every folder of that form counts, wherever in the path it stands. Keys and values are
/// percent-decoded; the value `__HIVE_DEFAULT_PARTITION__` is no value.
package struct HivePartitions: Hashable, Sendable {
  /// The columns in the order of the path.
  package let columns: [Column]

  /// One column and its value in all records of a file.
  package struct Column: Hashable, Sendable {
    package let name: String
    /// The value's text; nil for no value.
    package let value: String?
  }

  /// What Hive writes where there is no value.
  package static let missingValue = "__HIVE_DEFAULT_PARTITION__"

  /// Reads the folders of a path or URI; what follows the last slash is no folder.
  ///
  /// - Throws: `TableError.unsupported` for a key that comes twice and for what is not UTF-8.
  package init(path: some StringProtocol) throws(TableError) {
    var columns: [Column] = []
    for folder in path.utf8.split(separator: UInt8(ascii: "/")).dropLast(
      path.hasSuffix("/") ? 0 : 1)
    {
      guard let equals = folder.firstIndex(of: UInt8(ascii: "=")), equals > folder.startIndex
      else { continue }
      guard let name = Self.decoded(folder[..<equals]),
        let value = Self.decoded(folder[folder.index(after: equals)...])
      else {
        throw TableError(code: .unsupported, context: "\(path): a folder's name is not UTF-8")
      }
      guard !columns.contains(where: { $0.name == name }) else {
        throw TableError(
          code: .unsupported, context: "\(path): two folders for the column \"\(name)\"")
      }
      columns.append(Column(name: name, value: value == Self.missingValue ? nil : value))
    }
    self.columns = columns
  }

  /// The names of the columns.
  package var names: [String] { columns.map(\.name) }

  /// The columns of the files of a job, which all have to have the same in the same order.
  ///
  /// - Parameters:
  ///   - paths: The paths of all files.
  ///   - fileColumns: The columns in the files, which have to be others.
  /// - Returns: The names of the columns.
  /// - Throws: `TableError.headerMismatch` naming two paths, or `unsupported`.
  package static func names(
    of paths: some Sequence<String>, beside fileColumns: [String]
  ) throws(TableError) -> [String] {
    var first: (path: String, names: [String])?
    for path in paths {
      let names = try HivePartitions(path: path).names
      guard let known = first else {
        first = (path, names)
        continue
      }
      guard names == known.names else {
        throw TableError(
          code: .headerMismatch,
          context: "\(path): its folders have the columns \(listed(names)), those of "
            + "\(known.path) have \(listed(known.names))")
      }
    }
    guard let first else { return [] }
    if let both = first.names.first(where: fileColumns.contains) {
      throw TableError(
        code: .headerMismatch,
        context: "\(first.path): \"\(both)\" is a column of the file and a folder of its path")
    }
    return first.names
  }

  private static func listed(_ names: [String]) -> String {
    names.isEmpty ? "none" : names.map { "\"\($0)\"" }.joined(separator: ", ")
  }

  /// Undoes the escapes of a name; a % without two digits stands for itself.
  private static func decoded(_ text: some Sequence<UInt8>) -> String? {
    var bytes: [UInt8] = []
    var rest = Array(text)[...]
    while let byte = rest.popFirst() {
      let digits = rest.prefix(2)
      if byte == UInt8(ascii: "%"), digits.count == 2,
        digits.allSatisfy({ isHexadecimal($0) }),
        let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
      {
        bytes.append(value)
        rest = rest.dropFirst(2)
      } else {
        bytes.append(byte)
      }
    }
    return String(validating: bytes, as: UTF8.self)
  }

  private static func isHexadecimal(_ byte: UInt8) -> Bool {
    "0123456789abcdefABCDEF".utf8.contains(byte)
  }
}
