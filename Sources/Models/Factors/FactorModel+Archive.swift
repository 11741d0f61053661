extension FactorModel {
  /// The file that makes an archive one of factors.
  package static let descriptionName = "factors.json"

  /// Whether an archive holds factors.
  package static func isIn(_ archive: Archive) -> Bool {
    archive.entries.contains { $0.name == descriptionName }
  }

  /// Reads an archive of factors (`tar --format=ustar -cf`).
  ///
  /// - `factors.json`: `best`, how many items a user gets; `userColumn`, the column that names
  ///   users; or `columns`, those of a user's own factors.
  /// - `items.npy`: a row of factors for each item; `biases.npy`: a number for each.
  /// - `items.txt`, `users.txt`: a name for each, one a line; without `items.txt`, numbers from 0.
  /// - `users.npy`: a row of factors for each user, with `userColumn`.
  /// - `exclusions.npy`: rows of a user's and an item's number, counted from 0.
  ///
  /// - Throws: `ModelError` naming the file and what does not fit.
  package init(archive bytes: [UInt8]) throws(ModelError) {
    let files = Files(bytes: bytes, archive: try Archive(bytes))
    let root = try Document(files.required(Self.descriptionName), encoding: .json).root
    let best = try root.required("best").integer(in: 1...FactorModel.bestLimit)
    let items = try files.array("items.npy")
    guard let items else { throw Files.error("there is no file items.npy") }
    let users: Users
    if let field = try root.optional("userColumn") {
      users = try Self.known(column: field.string(), files, itemCount: items.rowCount)
    } else {
      users = .factors(
        columns: try Self.texts(root.required("columns")))
    }
    try self.init(
      items: items, biases: try files.array("biases.npy")?.floats ?? [],
      names: try files.lines("items.txt"), bestCount: best, users: users)
  }

  private static func known(
    column: String, _ files: Files, itemCount: Int
  ) throws(ModelError) -> Users {
    guard let factors = try files.array("users.npy"), let names = try files.lines("users.txt")
    else { throw Files.error("userColumn needs the files users.npy and users.txt") }
    guard factors.rowCount == names.count else {
      throw Files.error("\(factors.rowCount) rows in users.npy, \(names.count) in users.txt")
    }
    var excluded = Exclusions.none
    if let pairs = try files.array("exclusions.npy") {
      guard pairs.columnCount == 2 else {
        throw Files.error("exclusions.npy has \(pairs.columnCount) columns instead of 2")
      }
      let numbers = pairs.doubles
      excluded = try Exclusions(
        pairs: (0..<pairs.rowCount).map { row in
          (Int(exactly: numbers[2 * row]) ?? -1, Int(exactly: numbers[2 * row + 1]) ?? -1)
        }, userCount: names.count, itemCount: itemCount)
    }
    return .known(column: column, names: names, factors: factors.floats, excluded: excluded)
  }

  private static func texts(_ list: DocumentValue) throws(ModelError) -> [String] {
    var texts: [String] = []
    for element in try list.elements() { texts.append(try element.string()) }
    return texts
  }

  /// The files of an archive.
  private struct Files {
    let bytes: [UInt8]
    let archive: Archive

    func optional(_ name: String) -> [UInt8]? {
      archive.entries.first { $0.name == name }.map { Array(bytes[$0.bytes]) }
    }

    func required(_ name: String) throws(ModelError) -> [UInt8] {
      guard let bytes = optional(name) else { throw Self.error("there is no file \(name)") }
      return bytes
    }

    func array(_ name: String) throws(ModelError) -> NumberArray? {
      guard let bytes = optional(name) else { return nil }
      do throws(ModelError) {
        return try NumberArray(bytes)
      } catch {
        throw ModelError(code: error.code, context: "\(name): \(error.context)")
      }
    }

    func lines(_ name: String) throws(ModelError) -> [String]? {
      guard let bytes = optional(name) else { return nil }
      var lines: [String] = []
      let text = bytes.last == UInt8(ascii: "\n") ? bytes.dropLast() : bytes[...]
      for line in text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
        guard let name = String(validating: line, as: UTF8.self) else {
          throw Self.error("\(name), line \(lines.count + 1) is not UTF-8")
        }
        lines.append(name)
      }
      return lines
    }

    static func error(_ message: String) -> ModelError {
      ModelError(code: .malformed, context: "factors: \(message)")
    }
  }
}
