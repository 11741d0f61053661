/// Opens inputs, wherever they are, as they were when the job was planned.
package struct InputAccess: Sendable {
  package init() {}

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
  /// - Returns: The bytes.
  /// - Throws: `TableError`: `inputChanged` where it is another one now, `system`, `unsupported`.
  package func open(
    _ path: String, byteCount: UInt64, version: String
  ) throws -> any ByteSource {
    guard !Self.isRemote(path) else {
      throw TableError(code: .unsupported, context: "\(path): only local files are read yet")
    }
    return try FileSource(path: path)
  }
}
