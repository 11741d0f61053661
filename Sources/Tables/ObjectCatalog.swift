/// One object of a store, as a listing has it.
package struct ListedObject: Hashable, Sendable {
  /// Its URI.
  package let uri: String
  /// Size in bytes.
  package let byteCount: UInt64
  /// Time of the last change, in nanoseconds since 1970; 0 where the store does not say.
  package let modificationNanoseconds: Int64
  /// What pins its content.
  package let version: String

  /// Makes an entry.
  package init(uri: String, byteCount: UInt64, modificationNanoseconds: Int64, version: String) {
    self.uri = uri
    self.byteCount = byteCount
    self.modificationNanoseconds = modificationNanoseconds
    self.version = version
  }
}

/// Tells which objects a store has.
package protocol ObjectCatalog {
  /// Whether objects can be listed; of a plain web server nobody knows what it has.
  var listsObjects: Bool { get }

  /// Visits the objects whose URIs begin with a prefix, page by page.
  ///
  /// - Parameters:
  ///   - prefix: The begin of a URI, at least scheme and bucket.
  ///   - stopsAtSlash: Whether objects with a slash after the prefix are left out.
  ///   - visit: Called for each object.
  /// - Returns: Where it stops at slashes, what the objects left out begin with, up to that slash,
  ///   each once.
  /// - Throws: What the store fails with, or `visit`.
  func visitObjects(
    below prefix: String, stopsAtSlash: Bool, _ visit: (ListedObject) throws -> Void
  ) throws -> [String]

  /// The object with exactly this URI, or nil.
  func object(at uri: String) throws -> ListedObject?
}
