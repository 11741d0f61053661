/// Named byte strings in one file: a POSIX ustar archive of plain files
/// (IEEE Std 1003.1, pax, "ustar Interchange Format").
///
/// What is written depends on names and contents alone: sorted by name, no times, owners or
/// modes but 0644. What is read may come from any tar; links, folders, paths and extensions are
/// refused.
package struct Archive: Sendable {
  /// One file of an archive.
  package struct Entry: Equatable, Sendable {
    package let name: String
    /// Where its bytes stand in the archive.
    package let bytes: Range<Int>
  }

  package let entries: [Entry]

  /// Most files of an archive that is read: a bundle has three.
  package static let entryLimit = 16

  /// Longest name, in bytes.
  package static let nameLimit = 100

  private static let blockSize = 512
  private static let magic = Array("ustar".utf8)

  /// Whether bytes begin as an archive does.
  package static func isArchive(_ bytes: [UInt8]) -> Bool {
    bytes.count >= blockSize && Array(bytes[257..<262]) == magic
  }

  /// Reads the headers of an archive.
  ///
  /// - Throws: `ModelError` naming the byte.
  package init(_ bytes: [UInt8]) throws(ModelError) {
    var entries: [Entry] = []
    var offset = 0
    while true {
      guard bytes.count - offset >= Self.blockSize else {
        throw Self.error("the archive ends without its last blocks", at: offset, .truncated)
      }
      let header = bytes[offset..<offset + Self.blockSize]
      if header.allSatisfy({ $0 == 0 }) {
        guard bytes[offset...].allSatisfy({ $0 == 0 }) else {
          throw Self.error("bytes after the end of the archive", at: offset)
        }
        break
      }
      let entry = try Self.entry(header, in: bytes)
      guard !entries.contains(where: { $0.name == entry.name }) else {
        throw Self.error("the file \(entry.name) stands there twice", at: offset)
      }
      guard entries.count < Self.entryLimit else {
        throw Self.error("more than \(Self.entryLimit) files", at: offset, .limitExceeded)
      }
      entries.append(entry)
      offset = Self.rounded(entry.bytes.upperBound)
    }
    self.entries = entries
  }

  private static func entry(
    _ header: ArraySlice<UInt8>, in bytes: [UInt8]
  ) throws(ModelError) -> Entry {
    let start = header.startIndex
    guard Array(header[start + 257..<start + 262]) == magic else {
      throw error("not a header of a ustar archive", at: start)
    }
    guard octal(header[start + 148..<start + 156]) == checksum(header) else {
      throw error("the checksum of a header is wrong", at: start)
    }
    guard [0, UInt8(ascii: "0")].contains(header[start + 156]) else {
      throw error(
        "an entry that is not a plain file: write the archive with --format=ustar", at: start,
        .unsupported)
    }
    guard header[start + 345] == 0, let name = name(header[start..<start + nameLimit]) else {
      throw error(
        "a name that is not one of letters, digits, dots, dashes and low lines", at: start)
    }
    guard let size = octal(header[start + 124..<start + 136]) else {
      throw error("the size of \(name) is not octal", at: start)
    }
    let first = start + blockSize
    guard size <= bytes.count - first else {
      throw error(
        "\(name) has \(size) bytes, of which \(bytes.count - first) are there", at: start,
        .truncated)
    }
    return Entry(name: name, bytes: first..<first + size)
  }

  /// A name without folders.
  private static func name(_ field: ArraySlice<UInt8>) -> String? {
    var bytes = field.prefix { $0 != 0 }
    if bytes.starts(with: "./".utf8) { bytes = bytes.dropFirst(2) }
    guard let first = bytes.first, first != UInt8(ascii: ".") else { return nil }
    return isName(bytes) ? String(decoding: bytes, as: UTF8.self) : nil
  }

  private static func isName(_ bytes: some Collection<UInt8>) -> Bool {
    !bytes.isEmpty
      && bytes.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"),
          UInt8(ascii: "_"):
          true
        default: false
        }
      }
  }

  /// Octal digits with blanks before and a blank or zero byte behind them; nil for anything else.
  private static func octal(_ field: ArraySlice<UInt8>) -> Int? {
    let text = field.drop { $0 == UInt8(ascii: " ") }
    let digits = text.prefix { UInt8(ascii: "0")...UInt8(ascii: "7") ~= $0 }
    guard !digits.isEmpty, digits.count <= 12,
      text[digits.endIndex...].allSatisfy({ $0 == 0 || $0 == UInt8(ascii: " ") })
    else { return nil }
    return digits.reduce(0) { $0 << 3 | Int($1 & 7) }
  }

  /// The sum of a header's bytes, those of the sum itself counting as blanks.
  private static func checksum(_ header: ArraySlice<UInt8>) -> Int {
    let start = header.startIndex
    let sum = header.reduce(0) { $0 + Int($1) }
    return header[start + 148..<start + 156].reduce(sum) { $0 - Int($1) + 32 }
  }

  private static func rounded(_ size: Int) -> Int { (size + blockSize - 1) / blockSize * blockSize }

  private static func error(
    _ message: String, at offset: Int, _ code: ModelError.Code = .malformed
  ) -> ModelError {
    ModelError(code: code, context: "archive, byte \(offset): \(message)")
  }

  // MARK: Writing

  /// Writes files with names as `init` takes them, all different, sorted by name.
  package static func write(_ files: [(name: String, bytes: [UInt8])]) -> [UInt8] {
    precondition(files.count <= entryLimit)
    var archive: [UInt8] = []
    archive.reserveCapacity(
      files.reduce(2 * blockSize) { $0 + blockSize + rounded($1.bytes.count) })
    for file in files.sorted(by: { $0.name < $1.name }) {
      archive += header(file.name, size: file.bytes.count)
      archive += file.bytes
      archive += repeatElement(0, count: rounded(archive.count) - archive.count)
    }
    archive += repeatElement(0, count: 2 * blockSize)
    return archive
  }

  private static func header(_ name: String, size: Int) -> [UInt8] {
    precondition(isName(name.utf8) && name.utf8.count < nameLimit && size < 1 << 33)
    var header = [UInt8](repeating: 0, count: blockSize)
    func put(_ text: String, at offset: Int) {
      header.replaceSubrange(offset..<offset + text.utf8.count, with: text.utf8)
    }
    put(name, at: 0)
    put("0000644", at: 100)
    put("0000000", at: 108)
    put("0000000", at: 116)
    put(octal(size, digitCount: 11), at: 124)
    put("00000000000", at: 136)
    put("0", at: 156)
    put("ustar", at: 257)
    put("00", at: 263)
    put(octal(checksum(header[...]), digitCount: 6), at: 148)
    header[155] = UInt8(ascii: " ")
    return header
  }

  private static func octal(_ number: Int, digitCount: Int) -> String {
    let digits = String(number, radix: 8)
    return String(repeating: "0", count: digitCount - digits.utf8.count) + digits
  }
}
