package import ObjectStore

/// Opens inputs, wherever they are, as they were when the job was planned.
package struct InputAccess: Sendable {
  private let store: ObjectStore

  /// Opens inputs from a store other than the process's own in tests only.
  package init(store: ObjectStore = .shared) {
    self.store = store
  }

  /// Whether a path is a URI of something that is no local file.
  package static func isRemote(_ path: String) -> Bool { path.contains("://") }

  /// Whether a path is the URI of a database.
  package static func isDatabase(_ path: String) -> Bool {
    path.hasPrefix("postgresql://") || path.hasPrefix("postgres://")
  }

  /// Opens an input's stored bytes.
  ///
  /// - Parameters:
  ///   - path: Path or URI.
  ///   - byteCount: Its size when it was planned.
  ///   - version: The object's version then; empty for a file.
  ///   - expectedEnd: The stored byte at which the reader will stop, more or less; nothing is read
  ///     ahead beyond it. Nil for the input's end.
  ///   - isOver: Asked now and then, by any thread, whether to give up a read: it then throws
  ///     `cancelled`.
  /// - Returns: The bytes.
  /// - Throws: `TableError`: `inputChanged` where it is another one now, `system`, `unsupported`,
  ///   `unavailable`.
  package func open(
    _ path: String, byteCount: UInt64, version: String, expectedEnd: UInt64? = nil,
    isOver: (@Sendable () -> Bool)? = nil
  ) throws -> any ByteSource {
    guard Self.isRemote(path) else { return try FileSource(path: path) }
    let source = try ObjectSource(
      path, byteCount: byteCount, version: version, in: store, isOver: isOver)
    if let expectedEnd { source.expectedEnd = expectedEnd }
    return source
  }
}
