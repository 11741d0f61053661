import CoordinatorCore
import Jobs

/// The coordinator's spool: partials by digest, on a disk that loses what was not synced.
struct ModelSpool: Sendable {
  /// One partial's file.
  struct File: Sendable {
    var byteCount: UInt64 = 0
    var isSynced = false
    var isNamed = false
    var isNameSynced = false
    /// Whether a byte is not what it was.
    var isDamaged = false
  }

  private(set) var files: [ContentDigest: File] = [:]

  /// Bytes of a partial at hand, as the size of its file says.
  func heldByteCount(of name: PartialName) -> UInt64 { files[name.digest]?.byteCount ?? 0 }

  /// Whether a partial can be merged: a merge compares every byte with the digest.
  func isReadable(_ name: PartialName) -> Bool {
    guard name.byteCount > 0 else { return true }
    guard let file = files[name.digest] else { return false }
    return file.isNamed && !file.isDamaged && file.byteCount == name.byteCount
  }

  /// Whether a power failure leaves it as it is.
  func isDurable(_ name: PartialName) -> Bool {
    guard name.byteCount > 0 else { return true }
    guard let file = files[name.digest] else { return false }
    return isReadable(name) && file.isSynced && file.isNameSynced
  }

  /// Takes the piece at an offset if it is the next one; returns the bytes now at hand.
  mutating func take(_ name: PartialName, pieceAt offset: UInt64, isDamaged: Bool) -> UInt64 {
    var file = files[name.digest] ?? File()
    if offset == file.byteCount, offset < name.byteCount {
      file.byteCount += 1
      if isDamaged { file.isDamaged = true }
    }
    files[name.digest] = file
    return file.byteCount
  }

  /// A bit of a file at rest changes.
  mutating func damage(_ digest: ContentDigest) { files[digest]?.isDamaged = true }

  mutating func remove(_ digest: ContentDigest) { files[digest] = nil }

  mutating func removeAll() { files = [:] }

  /// The process is gone: uploads under way are begun anew.
  mutating func endProcess() { files = files.filter { $0.value.isNamed } }

  /// The machine is gone: of what was not synced, `keeps` says what the disk has.
  mutating func losePower(keeps: (ContentDigest) -> Bool) {
    endProcess()
    for digest in files.keys.sorted(by: { $0.words[0] < $1.words[0] }) {
      guard var file = files[digest] else { continue }
      if !file.isNameSynced, !keeps(digest) {
        files[digest] = nil
        continue
      }
      // The size is there, the bytes may not be.
      if !file.isSynced, !keeps(digest) { file.isDamaged = true }
      file.isSynced = true
      file.isNameSynced = true
      files[digest] = file
    }
  }

  mutating func update(_ digest: ContentDigest, _ change: (inout File) -> Void) {
    guard var file = files[digest] else { return }
    change(&file)
    files[digest] = file
  }
}

/// One partial in the spool, as the commit order sees it.
struct SpooledPartial: PartialStorage {
  enum Failure: Error {
    /// An fsync failed: the process has to end.
    case failedSync
    /// The power failed between two steps.
    case powerLoss
  }

  var spool: ModelSpool
  let name: PartialName
  /// What goes wrong at each step.
  var faults: Faults

  private mutating func step() throws(Failure) {
    if faults.strike(.coordinatorPowerLoss, percent: 4) { throw .powerLoss }
  }

  mutating func isNamed() throws(Failure) -> Bool {
    guard let file = spool.files[name.digest] else { return false }
    return file.isNamed && file.byteCount == name.byteCount
  }

  mutating func hasArrived() throws(Failure) -> Bool {
    spool.heldByteCount(of: name) == name.byteCount
  }

  /// What is not what its name says is forgotten.
  mutating func isWhatItsNameSays() throws(Failure) -> Bool {
    guard spool.files[name.digest]?.isDamaged == true else { return true }
    if !PlantedBug.partialNotVerified.isPlanted { spool.remove(name.digest) }
    return false
  }

  mutating func synchronizeFile() throws(Failure) {
    try step()
    if faults.strike(.failedSync) { throw .failedSync }
    spool.update(name.digest) { $0.isSynced = true }
  }

  mutating func rename() throws(Failure) {
    try step()
    spool.update(name.digest) { $0.isNamed = true }
  }

  mutating func synchronizeFolder() throws(Failure) {
    try step()
    if faults.strike(.failedSync) { throw .failedSync }
    spool.update(name.digest) { $0.isNameSynced = true }
  }
}
