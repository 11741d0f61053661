import Jobs

/// Where one partial lies on its way to being durable.
package protocol PartialStorage {
  associatedtype Failure: Error

  /// Whether it is there under its content's name.
  mutating func isNamed() throws(Failure) -> Bool
  /// Whether all of its bytes are here under another name.
  mutating func hasArrived() throws(Failure) -> Bool
  /// Whether the bytes that have arrived are what the name says.
  mutating func isWhatItsNameSays() throws(Failure) -> Bool
  /// Has the disk keep the bytes that have arrived.
  mutating func synchronizeFile() throws(Failure)
  /// Gives the file its content's name.
  mutating func rename() throws(Failure)
  /// Has the disk keep the folder's entries.
  mutating func synchronizeFolder() throws(Failure)
}

/// The order in which a partial becomes durable: only then may it be committed.
package enum PartialCommit {
  /// File fsync, rename to the content's name, folder fsync.
  ///
  /// - Returns: False where the bytes are not here, or not what their name says: the sender starts
  ///   again.
  /// - Throws: What the storage throws; nothing is then promised.
  package static func secure<Storage: PartialStorage>(
    _ storage: inout Storage
  ) throws(Storage.Failure) -> Bool {
    if try storage.isNamed() {
      // Renamed before, perhaps by a process that died before it synced the folder.
      if !PlantedBug.folderNotSynchronized.isPlanted { try storage.synchronizeFolder() }
      return true
    }
    guard try storage.hasArrived() else { return false }
    let isRight = try storage.isWhatItsNameSays()
    guard isRight || PlantedBug.partialNotVerified.isPlanted else { return false }
    if !PlantedBug.partialNotSynchronized.isPlanted { try storage.synchronizeFile() }
    try storage.rename()
    if !PlantedBug.folderNotSynchronized.isPlanted { try storage.synchronizeFolder() }
    return true
  }
}
