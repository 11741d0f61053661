import Destinations
import Foundation
import Jobs
import ObjectStore
import Partials

/// Partials that are copied from an object store for a merge, one at a time.
final class FetchedPartials {
  private let staged: StagedPartials
  private let folder: String
  private var current: (name: PartialName, path: String)?

  /// The partials of a job that has them in an object store.
  init(_ request: JobRequest, job: JobID, spoolFolder: String) throws {
    staged = try StagedPartials(request, job: job)
    folder = Spooling.folder(of: job, in: spoolFolder)
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
  }

  deinit { removeCurrent() }

  /// The file that a partial is copied to; the one before it is gone.
  ///
  /// - Throws: `DestinationError`: what the store or the disk says.
  func place(of name: PartialName) throws(DestinationError) -> String {
    if let current, current.name == name { return current.path }
    removeCurrent()
    let path = "\(folder)/fetched-\(name.digest.hexadecimal)"
    try? FileManager.default.removeItem(atPath: path)  // of a merge that was killed
    current = (name, path)
    guard name.byteCount > 0 else { return path }
    do {
      try staged.fetch(name, to: path)
    } catch let error as ObjectError where error.code == .missing {
      return path  // the merge finds that it is not there, and has it made again
    } catch let error as FileError {
      throw DestinationError(error)
    } catch {
      throw DestinationError(code: .file(.other(0)), context: "\(error)")
    }
    return path
  }

  private func removeCurrent() {
    guard let current else { return }
    try? FileManager.default.removeItem(atPath: current.path)
    self.current = nil
  }
}
