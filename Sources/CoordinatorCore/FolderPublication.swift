import Jobs

/// A file system on which an output folder is to appear.
///
/// Each state folder has a staging folder of its own; a copy of the state folder has another.
package protocol PublicationFolder {
  associatedtype Failure: Error

  /// Whether the final folder is there, whole, and this job's.
  mutating func isPublished() throws(Failure) -> Bool
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
      try move(&folder)
    }
    if !PlantedBug.publicationNotSynchronized.isPlanted { try folder.synchronizeParent() }
  }

  /// Makes the final folder as the claim and moves file by file, `_SUCCESS` last.
  ///
  /// All files come from the staging folder of whoever claimed first: two coordinators with the
  /// same job publish one output, not a mixture.
  private static func move<Folder: PublicationFolder>(
    _ folder: inout Folder
  ) throws(Folder.Failure) {
    let stager = try folder.claim()
    if PlantedBug.successFirst.isPlanted { try folder.moveSuccess(of: stager) }
    try folder.moveFiles(of: stager)
    try folder.synchronizeFinal()
    try folder.moveSuccess(of: stager)
    try folder.removeClaim()
    try folder.synchronizeFinal()
  }
}
