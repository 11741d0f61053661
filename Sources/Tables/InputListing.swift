package import Compression
import Glibc

/// One file of a job's input.
package struct InputFile: Hashable, Sendable {
  /// The path, as reached from the pattern that names it.
  package let path: String
  /// Size in bytes, as stored.
  package let byteCount: UInt64
  /// Time of the last change, in nanoseconds since 1970.
  package let modificationNanoseconds: Int64
  /// The file's number in its file system.
  package let inode: UInt64
  /// How the text is packed, by the file's name; nil for plain text.
  package let compression: TextCompression?
  /// The ETag, version or generation of an object; empty for a file.
  package let version: String

  package init(
    path: String, byteCount: UInt64, modificationNanoseconds: Int64, inode: UInt64 = 0,
    compression: TextCompression?, version: String = ""
  ) {
    self.path = path
    self.byteCount = byteCount
    self.modificationNanoseconds = modificationNanoseconds
    self.inode = inode
    self.compression = compression
    self.version = version
  }
}

/// The files that the paths and patterns of a job stand for.
///
/// A path names a file, or a folder whose files are meant, without the folders in it. In a pattern
/// `*`, `?` and `[…]` stand for parts of one name, as in `glob(7)`, and a `**` of its own for any
/// folders, links not followed. Names that begin with `_` or `.` are met only by a path or part
/// of a pattern that begins so itself. URIs of objects follow the same rules, with prefixes that
/// end in a slash as folders.
package enum InputListing {
  /// How to list.
  package struct Options {
    /// Whether the folders in a folder are entered too, as those of Hive partitions are.
    package var entersFolders = false
    /// Whether a pattern may stand for no file.
    package var allowsNothing = false
    /// Most files to list.
    package var fileLimit = 1_000_000
    /// Gives the catalog of the stores with a scheme such as `s3`, or nil.
    package var catalog: (String) throws -> (any ObjectCatalog)? = { _ in nil }

    /// Makes the options of a local listing.
    package init() {}
  }

  /// Lists the files.
  ///
  /// - Parameters:
  ///   - patterns: Paths, patterns, `file://` URIs, URIs of objects or patterns of them.
  ///   - options: How to list.
  /// - Returns: Each pattern's files sorted by the bytes of their paths, pattern after pattern.
  /// - Throws: `TableError`: `noInput` naming a pattern that stands for no file or a file that is
  ///   listed twice, `unsupported` for another scheme, too many files, or a file that is not an
  ///   ordinary one, `system`; what a catalog fails with.
  package static func files(
    of patterns: [String], options: Options = Options()
  ) throws -> [InputFile] {
    var files: [InputFile] = []
    var ends: [Int] = []
    for pattern in patterns {
      let found = try self.files(of: pattern, options)
      guard !found.isEmpty || options.allowsNothing else {
        throw TableError(
          code: .noInput,
          context: "\"\(pattern)\" stands for no file; names with _ or . in front are passed over")
      }
      // The usual one pattern costs no copy.
      files = files.isEmpty ? found : files + found
      ends.append(files.count)
      guard files.count <= options.fileLimit else {
        throw tooMany(pattern, options)
      }
    }
    if patterns.count > 1 { try requireDifferent(files, patterns, ends) }
    return files
  }

  static func tooMany(_ pattern: String, _ options: Options) -> TableError {
    TableError(
      code: .unsupported,
      context: "\"\(pattern)\": more than \(options.fileLimit) files; put them together")
  }

  /// Checks that no file is listed by two patterns; within one pattern none can be.
  private static func requireDifferent(
    _ files: [InputFile], _ patterns: [String], _ ends: [Int]
  ) throws(TableError) {
    let order = files.indices.sorted { files[$0].path < files[$1].path }
    for (one, other) in zip(order, order.dropFirst()) where files[one].path == files[other].path {
      let names = [min(one, other), max(one, other)].map { index in
        patterns[ends.firstIndex { index < $0 } ?? 0]
      }
      throw TableError(
        code: .noInput,
        context: "\(files[one].path): listed twice, by \"\(names[0])\" and \"\(names[1])\"; "
          + "name it once")
    }
  }

  private static func files(of pattern: String, _ options: Options) throws -> [InputFile] {
    var files: [InputFile]
    if let end = pattern.firstRange(of: "://"), pattern[..<end.lowerBound] != "file" {
      let scheme = String(pattern[..<end.lowerBound])
      guard let catalog = try options.catalog(scheme) else {
        throw TableError(
          code: .unsupported, context: "\"\(pattern)\": \(scheme):// is not read here")
      }
      files = try objects(of: pattern, in: catalog, options)
    } else {
      files = try localFiles(of: localPath(pattern), options)
    }
    files.sort { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
    return files
  }

  private static func localFiles(
    of path: String, _ options: Options
  ) throws(TableError) -> [InputFile] {
    var files: [InputFile] = []
    for match in try expand(path) {
      guard let status = try status(of: match) else {
        if options.allowsNothing { continue }
        throw missing(match)
      }
      guard isFolder(status) else {
        files.append(try file(match, status))
        continue
      }
      for folder in options.entersFolders ? try foldersBelow(match) : [match] {
        for name in try visibleNames(in: folder) {
          let inner = folder.hasSuffix("/") ? folder + name : "\(folder)/\(name)"
          let status = try requiredStatus(of: inner)
          if !isFolder(status) { files.append(try file(inner, status)) }
        }
      }
    }
    return files
  }

  private static func file(_ path: String, _ status: stat) throws(TableError) -> InputFile {
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw TableError(code: .unsupported, context: "\(path): not an ordinary file")
    }
    let time = status.st_mtim
    return InputFile(
      path: path, byteCount: UInt64(status.st_size),
      modificationNanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec),
      inode: UInt64(status.st_ino), compression: TextCompression(fileName: path))
  }

  /// Takes the scheme off and undoes the escapes of a URI (RFC 8089, RFC 3986).
  private static func localPath(_ pattern: String) throws(TableError) -> String {
    guard let schemeEnd = pattern.firstRange(of: "://") else { return pattern }
    var path: [UInt8] = []
    var rest = Array(pattern[schemeEnd.upperBound...].utf8)[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        path.append(byte)
        continue
      }
      let digits = String(decoding: rest.prefix(2), as: UTF8.self)
      guard digits.utf8.count == 2, let value = UInt8(digits, radix: 16), value != 0 else {
        throw TableError(code: .unsupported, context: "\"\(pattern)\": % without two digits")
      }
      path.append(value)
      rest = rest.dropFirst(2)
    }
    return String(decoding: path, as: UTF8.self)
  }
}

// MARK: - Patterns

extension InputListing {
  /// The paths a pattern stands for; a path without pattern characters stands for itself.
  private static func expand(_ pattern: String) throws(TableError) -> [String] {
    if !isPattern(pattern) { return [pattern] }
    if try status(of: pattern) != nil { return [pattern] }  // a name with brackets in it
    var parts = pattern.split(separator: "/").map(String.init)[...]
    var paths = [pattern.hasPrefix("/") ? "/" : ""]
    while let part = parts.popFirst() {
      var next: [String] = []
      for path in paths {
        next += try matches(of: part, in: path, wantsFolder: !parts.isEmpty)
      }
      paths = next
    }
    return Array(Set(paths))  // `**` can reach a path twice; the caller sorts
  }

  private static func matches(
    of part: String, in folder: String, wantsFolder: Bool
  ) throws(TableError) -> [String] {
    if part == "**" { return try foldersBelow(folder) }
    let base = folder.isEmpty || folder.hasSuffix("/") ? folder : folder + "/"
    guard isPattern(part) else {
      guard let status = try status(of: base + part) else { return [] }
      return wantsFolder && !isFolder(status) ? [] : [base + part]
    }
    var paths: [String] = []
    for name in try names(in: folder.isEmpty ? "." : folder) {
      guard !isHidden(name) || part.utf8.first == name.utf8.first,
        unsafe fnmatch(part, name, 0) == 0
      else { continue }
      if wantsFolder {
        guard let status = try status(of: base + name), isFolder(status) else { continue }
      }
      paths.append(base + name)
    }
    return paths
  }

  /// A folder and all folders below it that are not hidden, links not followed.
  private static func foldersBelow(_ folder: String) throws(TableError) -> [String] {
    var folders = [folder]
    var index = 0
    while index < folders.count {
      let parent = folders[index]
      let base = parent.isEmpty || parent.hasSuffix("/") ? parent : parent + "/"
      for name in try visibleNames(in: parent.isEmpty ? "." : parent) {
        var status = stat()
        if unsafe lstat(base + name, &status) == 0, isFolder(status) { folders.append(base + name) }
      }
      index += 1
    }
    return folders
  }

  private static func isPattern(_ text: String) -> Bool {
    text.utf8.contains { "*?[".utf8.contains($0) }
  }

  static func isHidden(_ name: String) -> Bool {
    name.utf8.first == UInt8(ascii: "_") || name.utf8.first == UInt8(ascii: ".")
  }
}

// MARK: - The file system

extension InputListing {
  private static func visibleNames(in folder: String) throws(TableError) -> [String] {
    try names(in: folder).filter { !isHidden($0) }
  }

  private static func names(in folder: String) throws(TableError) -> [String] {
    guard let stream = unsafe opendir(folder) else { throw systemError("opendir", folder) }
    defer { unsafe closedir(stream) }
    var names: [String] = []
    while let entry = unsafe readdir(stream) {
      let readName = unsafe withUnsafePointer(to: &entry.pointee.d_name) { bytes in
        unsafe bytes.withMemoryRebound(to: CChar.self, capacity: 256) {
          unsafe String(validatingCString: $0)
        }
      }
      guard let name = readName else {
        throw TableError(code: .unsupported, context: "\(folder): holds a name that is not UTF-8")
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names
  }

  /// What a path leads to; nil where there is nothing.
  private static func status(of path: String) throws(TableError) -> stat? {
    var status = stat()
    if unsafe stat(path, &status) == 0 { return status }
    if errno == ENOENT || errno == ENOTDIR { return nil }
    throw systemError("stat", path)
  }

  private static func requiredStatus(of path: String) throws(TableError) -> stat {
    guard let status = try status(of: path) else { throw missing(path) }
    return status
  }

  private static func missing(_ path: String) -> TableError {
    TableError(code: .noInput, context: "\(path): no such file or folder")
  }

  private static func isFolder(_ status: stat) -> Bool { status.st_mode & S_IFMT == S_IFDIR }
}
