/// The address of an object, of a bucket, or of all objects whose keys begin alike.
///
/// `s3://bucket/key` and `gs://bucket/key` hold the key as it is: `%`, `?`, `#` and spaces stand for
/// themselves, as the command-line clients of both stores have it. `http://` and `https://` are
/// URLs as RFC 3986 writes them: the key is the path and the query with their escapes; bytes that
/// a URL cannot hold are escaped when one is read.
package struct ObjectURI: Hashable, Sendable {
  /// Where the object is kept.
  package let scheme: Scheme
  /// The bucket; for `http` and `https` the host, with the port where one is given.
  package let bucket: String
  /// The key without the slash before it; for `http` and `https` path and query, escaped.
  package let key: String

  /// The kinds of store.
  package enum Scheme: String, Sendable, CaseIterable {
    case s3
    case gs
    case http
    case https
  }

  /// Puts an address together.
  package init(scheme: Scheme, bucket: String, key: String) {
    self.scheme = scheme
    self.bucket = bucket
    self.key = key
  }

  /// Reads an address.
  ///
  /// - Parameter text: What a user wrote.
  /// - Throws: `ObjectError`: `unsupported` for another scheme, `malformed` without a bucket, with a
  ///   bucket that cannot be one, or with a password in it.
  package init(_ text: String) throws(ObjectError) {
    guard let end = text.firstRange(of: "://") else {
      throw ObjectError(code: .malformed, context: "\"\(text)\" has no scheme such as s3://")
    }
    let name = text[..<end.lowerBound]
    guard let scheme = Self.scheme(named: name) else {
      throw ObjectError(
        code: .unsupported,
        context: "\(name):// is not read or written here; s3, gs, http and https are")
    }
    let rest = text[end.upperBound...]
    let slash = rest.firstIndex(of: "/") ?? rest.endIndex
    self.scheme = scheme
    bucket = String(rest[..<slash])
    let key = slash == rest.endIndex ? "" : String(rest[rest.index(after: slash)...])
    self.key = scheme.isPlainHTTP ? PercentCoding.escaped(key, keeping: .url) : key
    try check()
  }

  /// Whether a text is an address of a store, rather than of a file or a database.
  package static func isURI(_ text: String) -> Bool {
    guard let end = text.firstRange(of: "://") else { return false }
    return scheme(named: text[..<end.lowerBound]) != nil
  }

  /// The scheme of a name in either case, other names of S3 included.
  private static func scheme(named name: Substring) -> Scheme? {
    let name = name.lowercased()
    return Scheme(rawValue: name == "s3a" || name == "s3n" ? "s3" : name)
  }

  /// The address of another key in the same bucket.
  package func with(key: String) -> ObjectURI {
    ObjectURI(scheme: scheme, bucket: bucket, key: key)
  }

  /// The address of a key below this one, with one slash between them.
  package func appending(_ name: String) -> ObjectURI {
    with(key: key.isEmpty || key.hasSuffix("/") ? key + name : key + "/" + name)
  }

  private func check() throws(ObjectError) {
    if bucket.utf8.contains(UInt8(ascii: "@")) {
      throw ObjectError(
        code: .malformed,
        context: "\(scheme)://: an address with a user or a password in it is refused")
    }
    let isSafe = bucket.utf8.allSatisfy { byte in
      byte.isUnreserved || scheme.isPlainHTTP && "[]:".utf8.contains(byte)
    }
    guard !bucket.isEmpty, isSafe, bucket != ".", bucket != "..", bucket.utf8.count <= 255 else {
      throw ObjectError(
        code: .malformed,
        context: "\(scheme)://\(bucket.prefix(80)): no bucket or host is called so")
    }
    guard !key.utf8.contains(0), key.utf8.count <= 8_192 else {
      throw ObjectError(
        code: .malformed, context: "\(scheme)://\(bucket): a key with a NUL, or too long")
    }
  }
}

extension ObjectURI.Scheme {
  /// Whether the address is a URL that needs no credentials.
  package var isPlainHTTP: Bool { self == .http || self == .https }
}

extension ObjectURI: CustomStringConvertible {
  /// The address as `init(_:)` reads it.
  package var description: String { "\(scheme.rawValue)://\(bucket)/\(key)" }

  /// The address for messages: without the query of a URL, which may hold a signature.
  package var nameForMessages: String {
    guard scheme.isPlainHTTP, let query = key.firstIndex(of: "?") else { return description }
    return "\(scheme.rawValue)://\(bucket)/\(key[..<query])?…"
  }
}
