import Partials

/// Files that are whole and durable, or not there.
package enum DurableFile {
  /// Writes a file in place of what may be there: under another name, fsync, rename, and fsync of
  /// the folder.
  ///
  /// - Throws: `diskFull` and what else the file system says. A former file then stays as it was,
  ///   unless the folder's fsync alone fails: then the new file is there, and a crash may bring the
  ///   former one back.
  package static func write(_ bytes: [UInt8], to path: String) throws(DestinationError) {
    try onDisk { () throws(FileError) in try File.replace(path, with: bytes) }
  }
}
