import Compression
import Glibc

extension InputListing {
  /// Lists the objects that a URI or a pattern of URIs stands for.
  static func objects(
    of pattern: String, in catalog: any ObjectCatalog, _ options: Options
  ) throws -> [InputFile] {
    guard catalog.listsObjects else {
      guard let object = try catalog.object(at: pattern) else { return [] }
      return [file(object)]
    }
    var files: [InputFile] = []
    guard let prefix = fixedPrefix(of: pattern) else {
      if !pattern.hasSuffix("/"), let object = try catalog.object(at: pattern) {
        return [file(object)]
      }
      return try objects(
        below: pattern.hasSuffix("/") ? pattern : pattern + "/", in: catalog, options)
    }
    guard prefix.utf8.count(where: { $0 == UInt8(ascii: "/") }) > 2 else {
      throw TableError(
        code: .unsupported, context: "\"\(pattern)\": a bucket has to be named in full")
    }
    let parts = split(pattern.utf8.dropFirst(prefix.utf8.count))
    let stopsAtSlash = parts.count == 1 && parts[0] != "**" && !options.entersFolders
    // Many folders cost fewer requests when they are listed as one.
    let folders = try catalog.visitObjects(below: prefix, stopsAtSlash: stopsAtSlash) { object in
      let names = split(object.uri.utf8.dropFirst(prefix.utf8.count))
      guard object.uri == pattern || matches(names[...], parts[...], options) else { return }
      // What is too much is not listed to its end, nor held.
      guard files.count < options.fileLimit else { throw tooMany(pattern, options) }
      files.append(file(object))
    }
    for folder in folders where matches([name(of: folder), "x"], parts[...], options) {
      files += try objects(below: folder, in: catalog, options)
    }
    return files
  }

  /// Lists what a prefix that ends in a slash stands for.
  private static func objects(
    below prefix: String, in catalog: any ObjectCatalog, _ options: Options
  ) throws -> [InputFile] {
    var files: [InputFile] = []
    _ = try catalog.visitObjects(below: prefix, stopsAtSlash: !options.entersFolders) { object in
      guard isVisible(object.uri.utf8.dropFirst(prefix.utf8.count), options) else { return }
      guard files.count < options.fileLimit else { throw tooMany(prefix, options) }
      files.append(file(object))
    }
    return files
  }

  private static func split(_ path: Substring.UTF8View) -> [String] {
    path.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).map {
      String(Substring($0))
    }
  }

  /// The last part of a prefix that ends in a slash.
  private static func name(of folder: String) -> String {
    let parts = split(folder[...].utf8)
    return parts.count > 1 ? parts[parts.count - 2] : ""
  }

  private static func file(_ object: ListedObject) -> InputFile {
    InputFile(
      path: object.uri, byteCount: object.byteCount,
      modificationNanoseconds: object.modificationNanoseconds,
      compression: TextCompression(fileName: object.uri), version: object.version)
  }

  /// What a pattern begins with, up to the slash before its first part that is one; nil where
  /// none is.
  private static func fixedPrefix(of pattern: String) -> String? {
    let bytes = pattern.utf8
    guard let mark = bytes.firstIndex(where: { "*?[".utf8.contains($0) }) else { return nil }
    guard let slash = bytes[..<mark].lastIndex(of: UInt8(ascii: "/")) else { return "" }
    return String(pattern[...slash])
  }

  /// Whether a key below a folder is meant with the folder: no part of it is hidden.
  private static func isVisible(_ key: Substring.UTF8View, _ options: Options) -> Bool {
    let parts = key.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    // A key that ends in a slash stands for a folder in the consoles of stores.
    guard let last = parts.last, !last.isEmpty, options.entersFolders || parts.count == 1 else {
      return false
    }
    return parts.allSatisfy { $0.first != UInt8(ascii: "_") && $0.first != UInt8(ascii: ".") }
  }

  /// Whether the parts of a key match the parts of a pattern; a folder that matches stands for
  /// what is in it.
  private static func matches(
    _ names: ArraySlice<String>, _ parts: ArraySlice<String>, _ options: Options
  ) -> Bool {
    guard let part = parts.first, let name = names.first else {
      return parts.isEmpty && !names.isEmpty
        && isVisible(names.joined(separator: "/")[...].utf8, options)
    }
    if part == "**" {
      return matches(names, parts.dropFirst(), options)
        || !isHidden(name) && names.count > 1 && matches(names.dropFirst(), parts, options)
    }
    guard !name.isEmpty, !isHidden(name) || part.utf8.first == name.utf8.first,
      unsafe fnmatch(part, name, 0) == 0
    else { return false }
    if parts.count == 1 && names.count == 1 { return true }
    return matches(names.dropFirst(), parts.dropFirst(), options)
  }
}
