import Foundation
import Partials

/// A folder for as long as this lives.
package final class TemporaryFolder {
  package let path: String

  /// Makes the folder below that of the system's temporary files, `TMPDIR`.
  ///
  /// - Throws: `DestinationError` where there is no room for it.
  package init() throws(DestinationError) {
    path =
      FileManager.default.temporaryDirectory.appendingPathComponent(
        "nightshift-\(UUID().uuidString)"
      ).path
    try onDisk { () throws(FileError) in try Folder.make(path, mayExist: false) }
  }

  // What cannot be removed is the system's to clear away.
  deinit { try? FileManager.default.removeItem(atPath: path) }
}
