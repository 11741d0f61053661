import Jobs

/// A file system on which an output folder is to appear.
///
/// Each state folder has a staging folder of its own; a copy of the state folder has another.
package protocol PublicationFolder {
  associatedtype Failure: Error

  /// Whether the final folder is there, whole, and this job's.
  mutating func isPublished() throws(Failure) -> Bool
  /// Who staged what goes to the final folder; `nil` where it has no claim of this job.
  mutating func claimant() throws(Failure) -> String?
  /// Has the disk keep the entries of the staging folder, whose files are durable.
  mutating func synchronizeStaging() throws(Failure)
  /// Renames the staging folder to the final one unless there is one; false where the file system
  /// does not know how.
  mutating func renameWithoutReplacing() throws(Failure) -> Bool
  /// Renames, whatever is there: what nobody may do.
  mutating func renameReplacing() throws(Failure)
  /// Makes the final folder, durable, with a claim of this job in it.
  ///
  /// - Returns: Who staged the files that go there: this one, or whoever claimed it before.
  mutating func claim() throws(Failure) -> String
  /// Moves all files but `_SUCCESS` from a staging folder to the final one; what is not there any
  /// more has been moved.
  mutating func moveFiles(of stager: String) throws(Failure)
  /// Has the disk keep the entries of the final folder.
  mutating func synchronizeFinal() throws(Failure)
  mutating func moveSuccess(of stager: String) throws(Failure)
  mutating func removeClaim() throws(Failure)
  /// Has the disk keep the entries of the folder that holds the final one.
  mutating func synchronizeParent() throws(Failure)
}

/// The order in which an output folder appears, once, whatever another life left half done.
package enum FolderPublication {
  /// Whether this job has published; ends what another life of it had begun to move.
  package static func find<Folder: PublicationFolder>(
    _ folder: inout Folder
  ) throws(Folder.Failure) -> Bool {
    if try folder.isPublished() { return true }
    guard !PlantedBug.movesForgotten.isPlanted, let stager = try folder.claimant() else {
      return false
    }
    try move(&folder, from: stager)
    try folder.synchronizeParent()
    return true
  }

  /// Publishes what is staged, or finds that it was.
  ///
  /// When this returns, the output stays even if the power fails.
  package static func publish<Folder: PublicationFolder>(
    _ folder: inout Folder
  ) throws(Folder.Failure) {
    if try folder.isPublished() {
      // The life that moved it may have died before it synced anything.
      try folder.removeClaim()
      if PlantedBug.foundNotSynchronized.isPlanted { return }
      try folder.synchronizeFinal()
      return try folder.synchronizeParent()
    }
    try folder.synchronizeStaging()
    if PlantedBug.renameReplaces.isPlanted {
      try folder.renameReplacing()
    } else if try !folder.renameWithoutReplacing() {
      try move(&folder, from: try folder.claim())
    }
    if !PlantedBug.publicationNotSynchronized.isPlanted { try folder.synchronizeParent() }
  }

  /// Moves file by file into the final folder, which is the claim, `_SUCCESS` last.
  ///
  /// All files come from the staging folder of whoever claimed first: two coordinators with the
  /// same job publish one output, not a mixture.
  private static func move<Folder: PublicationFolder>(
    _ folder: inout Folder, from stager: String
  ) throws(Folder.Failure) {
    if PlantedBug.successFirst.isPlanted { try folder.moveSuccess(of: stager) }
    try folder.moveFiles(of: stager)
    try folder.synchronizeFinal()
    try folder.moveSuccess(of: stager)
    try folder.removeClaim()
    try folder.synchronizeFinal()
  }
}
