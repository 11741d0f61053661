import CPosix
import CoordinatorCore
import Digests
import Foundation
import Glibc
import Jobs
package import ObjectStore
import Partials

/// Publishes a job's output in a folder of a POSIX file system.
///
/// Everything is written and fsynced below the job's work folder; one rename without replacing
/// then makes it appear, whole, under its final name.
package struct PosixDestination: Destination {
  private let input: MergeInput
  /// Whether the file system is asked to rename without replacing; tests say no.
  private let usesRename: Bool
  /// Where the stores of errors are.
  private let store: ObjectStore

  package init(_ input: MergeInput, usesRename: Bool = true, store: ObjectStore = .shared) {
    self.input = input
    self.usesRename = usesRename
    self.store = store
  }

  /// Where errors go that do not go beside the predictions.
  private func errorsPlace() throws(DestinationError) -> ErrorsPlace? {
    try ErrorsPlace.place(of: input, in: store)
  }

  private var staging: String { input.stagingFolder }

  /// Writes the whole output into the staging folder, whatever an earlier try left there.
  ///
  /// - Parameter next: Gives the committed blocks in the order of the plan, then `nil`.
  /// - Returns: The `prediction.*` files by name.
  /// - Throws: `damaged` with every damaged partial's blocks; `diskFull`; `inconsistent`; and what
  ///   `next` throws. The staging folder is then removed.
  package func merge(
    _ next: () throws(DestinationError) -> PlacedBlocks?
  ) throws(DestinationError) -> [OutputEntry] {
    let merge = try beginMerge()
    do throws(DestinationError) {
      while let placed = try next() { try merge.append(placed) }
      return try merge.finish(counts: input.counts, execution: input.execution)
    } catch {
      merge.abandon()
      throw error
    }
  }

  /// Begins to write the output into the staging folder, whatever an earlier try left there; the
  /// counts and the execution of its input may be told at the end.
  package func beginMerge() throws(DestinationError) -> PosixMerge {
    let errors = try errorsPlace()
    try makeStaging()
    return try PosixMerge(input, staging: staging, errorsIn: errors)
  }

  /// Makes the merged output appear under its final name.
  ///
  /// - Returns: The published folder.
  /// - Throws: `exists` if the folder is there and is not this job's.
  package func publish() throws(DestinationError) -> String {
    if existingPublication() != nil {
      try errorsPlace()?.removeStaging()
    } else {
      try errorsPlace()?.publish()
    }
    try onDisk { () throws(FileError) in
      var files = PosixFolder(input, usesRename: usesRename)
      try FolderPublication.publish(&files)
    } orExists: {
      "the output folder \(folder) is there and is not this job's: move it away"
    }
    removeWorkFolder()
    return folder
  }

  /// Removes what was merged, the errors that went elsewhere included, unless it is published.
  package func discard() throws(DestinationError) {
    guard existingPublication() == nil else { return }
    removeWorkFolder()
    try errorsPlace()?.discard()
  }

  private var folder: String { input.folder }

  /// The published folder, if this job has published, or had begun to move its files: after a crash
  /// before that was journaled.
  package func existingPublication() -> String? {
    var files = PosixFolder(input, usesRename: usesRename)
    // What stops the moves stops the publication as well, and is told there.
    return (try? FolderPublication.find(&files)) == true ? folder : nil
  }

  // MARK: Staging

  private func makeStaging() throws(DestinationError) {
    try? FileManager.default.removeItem(atPath: staging)  // there is none, usually
    do {
      try FileManager.default.createDirectory(
        atPath: input.destination, withIntermediateDirectories: true)
    } catch {
      throw DestinationError(FileError("create", input.destination))
    }
    try onDisk { () throws(FileError) in
      try Folder.make(input.workFolder)
      try Folder.make(staging, mayExist: false)
      try Folder.synchronize(input.destination)
    }
  }

  /// `run` keeps its state in the work folder, so it goes only if it is empty.
  private func removeWorkFolder() {
    try? FileManager.default.removeItem(atPath: staging)
    _ = unsafe rmdir(input.workFolder)
  }
}

/// Calls on folders.
enum Folder {
  /// Makes a folder.
  static func make(_ path: String, mayExist: Bool = true) throws(FileError) {
    guard unsafe mkdir(path, 0o777) != 0 else { return }
    guard mayExist, errno == EEXIST else { throw FileError("mkdir", path) }
  }

  /// Has the disk keep a folder's entries.
  static func synchronize(_ path: String) throws(FileError) {
    let folder = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folder >= 0 else { throw FileError("open", path) }
    defer { close(folder) }
    guard fsync(folder) == 0 else { throw FileError("fsync", path) }
  }

  /// Renames, replacing what is there.
  static func rename(_ from: String, _ to: String) throws(FileError) {
    guard unsafe Glibc.rename(from, to) == 0 else { throw FileError("rename", to) }
  }

  /// Renames unless there is something of that name.
  ///
  /// - Returns: Whether the file system knows how.
  /// - Throws: `exists` and everything else that stops a rename.
  static func renameWithoutReplacing(_ from: String, _ to: String) throws(FileError) -> Bool {
    let noReplace: UInt32 = 1  // RENAME_NOREPLACE
    guard unsafe renameat2(AT_FDCWD, from, AT_FDCWD, to, noReplace) != 0 else { return true }
    if errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP { return false }
    throw FileError("rename", to)
  }
}

/// Runs file calls; `exists` gets a sentence of its own.
private func onDisk(
  _ body: () throws(FileError) -> Void, orExists sentence: () -> String
) throws(DestinationError) {
  do throws(FileError) {
    try body()
  } catch {
    guard error.code == .exists else { throw DestinationError(error) }
    throw DestinationError(code: .exists, context: sentence())
  }
}
