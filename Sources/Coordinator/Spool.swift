import CoordinatorCore
import Executors
import Glibc
package import Jobs
import Partials

/// Partials on their way from workers to the merge, one file each, named by content.
///
/// Pieces of one partial arrive in order into a file with a temporary name. `complete` makes it
/// durable: file fsync, rename to the content's name, folder fsync. Only then may it be committed.
/// Several spools share one folder, each with the digests of its lane, so that one partial's fsync
/// does not hold up another's bytes.
package actor Spool {
  /// Uploads a lane holds open at once; the one that was idle longest makes room.
  private static let uploadLimit = 256

  package enum Failure: Error {
    /// No space, or no inodes, on the spool's file system.
    case full(String)
    case refused(String)
    case broken(String)
  }

  private let folder: String
  private let executor: QueueExecutor
  private var uploads: [ContentDigest: Upload] = [:]
  private var useCount: UInt64 = 0

  package nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe executor.asUnownedSerialExecutor()
  }

  /// A spool whose `folder` holds one folder for each job; that is made when the first piece comes.
  package init(folder: String, lane: Int) {
    self.folder = folder
    executor = QueueExecutor(label: "nightshift.spool.\(lane)")
  }

  /// Bytes of a partial that are here: all of them once it is complete.
  package func heldByteCount(of name: PartialName, job: JobID) -> UInt64 {
    if isComplete(name, job: job) || isOffered(name, job: job) { return name.byteCount }
    return uploads[name.digest]?.byteCount ?? 0
  }

  private func isComplete(_ name: PartialName, job: JobID) -> Bool {
    isThere(Spooling.path(of: name, job: job, in: folder), name.byteCount)
  }

  /// Whether a worker beside this process has put the whole partial into the job's folder.
  private func isOffered(_ name: PartialName, job: JobID) -> Bool {
    isThere(Spooling.offer(of: name, job: job, in: folder), name.byteCount)
  }

  private func isThere(_ path: String, _ byteCount: UInt64) -> Bool {
    var status = stat()
    return unsafe lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
      && UInt64(status.st_size) == byteCount
  }

  /// Makes the folder to which workers beside this process may put their partials.
  package func open(_ job: JobID) throws(Failure) {
    let jobFolder = Spooling.folder(of: job, in: folder)
    guard unsafe mkdir(jobFolder, 0o700) == 0 || errno == EEXIST else {
      throw failure("mkdir \(jobFolder)")
    }
    try keepEntries(of: folder)
  }

  /// Takes the bytes at an offset; returns the offset wanted next.
  ///
  /// A piece that is not the next one is not taken: the answer tells the sender where to go on.
  package func take(
    _ bytes: [UInt8], at offset: UInt64, of name: PartialName, job: JobID
  ) throws(Failure) -> UInt64 {
    guard name.byteCount <= Limits.partialByteCount,
      offset <= name.byteCount, UInt64(bytes.count) <= name.byteCount - offset
    else { throw .refused("a piece of \(bytes.count) bytes at \(offset) exceeds the partial") }
    let held = heldByteCount(of: name, job: job)
    guard held == offset, held < name.byteCount else { return held }
    let upload = try upload(name, job: job)
    useCount += 1
    upload.lastUse = useCount
    do throws(Failure) {
      try upload.append(bytes)
    } catch {
      drop(name.digest)
      throw error
    }
    return upload.byteCount
  }

  /// Makes a partial durable under its content's name.
  ///
  /// Returns false, and forgets the bytes, where they are not what their name says: the sender
  /// starts again.
  package func complete(_ name: PartialName, job: JobID) throws(Failure) -> Bool {
    let isNamed = isComplete(name, job: job)
    var upload: Upload?
    if !isNamed {
      // What was offered as a file is verified and made durable like what was sent.
      upload =
        isOffered(name, job: job)
        ? try Upload(offer: Spooling.offer(of: name, job: job, in: folder), job: job)
        : uploads[name.digest].flatMap { $0.byteCount == name.byteCount ? $0 : nil }
    }
    defer {
      if let upload {
        uploads[name.digest] = uploads[name.digest] === upload ? nil : uploads[name.digest]
        upload.discard()  // renamed by then, or not what its name says
      }
    }
    var partial = SpooledPartial(
      name: name, path: Spooling.path(of: name, job: job, in: folder),
      folder: Spooling.folder(of: job, in: folder), hasItsName: isNamed, upload: upload)
    return try PartialCommit.secure(&partial)
  }

  /// Forgets what has arrived of a partial; a sender of it starts again.
  package func forget(_ name: PartialName) { drop(name.digest) }

  /// Forgets a job's uploads; the caller removes the folder.
  package func forget(_ job: JobID) {
    for (digest, upload) in uploads where upload.job == job {
      upload.discard()
      uploads[digest] = nil
    }
  }

  private func upload(_ name: PartialName, job: JobID) throws(Failure) -> Upload {
    if let upload = uploads[name.digest] { return upload }
    if uploads.count >= Self.uploadLimit,
      let idle = uploads.min(by: { $0.value.lastUse < $1.value.lastUse })
    {
      drop(idle.key)
    }
    let jobFolder = Spooling.folder(of: job, in: folder)
    if unsafe mkdir(jobFolder, 0o700) == 0 { try keepEntries(of: folder) }
    let upload = try Upload(path: Spooling.arrival(of: name, job: job, in: folder), job: job)
    uploads[name.digest] = upload
    return upload
  }

  private func drop(_ digest: ContentDigest) {
    uploads.removeValue(forKey: digest)?.discard()
  }
}

/// A partial in the spool's folder, as the commit order sees it.
private struct SpooledPartial: PartialStorage {
  typealias Failure = Spool.Failure

  let name: PartialName
  /// Where it is to be.
  let path: String
  let folder: String
  let hasItsName: Bool
  /// Its bytes, where they are all here under another name.
  let upload: Upload?

  func isNamed() throws(Spool.Failure) -> Bool { hasItsName }

  func hasArrived() throws(Spool.Failure) -> Bool { upload != nil }

  func isWhatItsNameSays() throws(Spool.Failure) -> Bool { upload?.verify(name) ?? false }

  func synchronizeFile() throws(Spool.Failure) { try upload?.synchronize() }

  func rename() throws(Spool.Failure) { try upload?.rename(to: path) }

  func synchronizeFolder() throws(Spool.Failure) {
    try keepEntries(of: folder)
  }
}

/// One partial whose bytes are arriving.
private final class Upload {
  let job: JobID
  private(set) var byteCount: UInt64 = 0
  var lastUse: UInt64 = 0
  private let path: String
  private var descriptor: Int32

  init(path: String, job: JobID) throws(Spool.Failure) {
    self.path = path
    self.job = job
    descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw failure("open \(path)") }
  }

  /// Opens a whole partial that is there already.
  init(offer path: String, job: JobID) throws(Spool.Failure) {
    self.path = path
    self.job = job
    descriptor = unsafe open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure("open \(path)") }
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
  }

  func append(_ bytes: [UInt8]) throws(Spool.Failure) {
    var written = 0
    while written < bytes.count {
      let count = unsafe bytes.withUnsafeBytes { buffer in
        let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[written...])
        return unsafe write(descriptor, rest.baseAddress, rest.count)
      }
      guard count >= 0 || errno == EINTR else { throw failure("write \(path)") }
      written += max(0, count)
    }
    byteCount += UInt64(bytes.count)
  }

  /// Whether the bytes are what their name says.
  func verify(_ name: PartialName) -> Bool {
    do {
      try PartialReader(path: path).verify(name: name)
      return true
    } catch {
      return false
    }
  }

  func synchronize() throws(Spool.Failure) {
    guard fsync(descriptor) == 0 else { throw failure("fsync \(path)") }
  }

  func rename(to target: String) throws(Spool.Failure) {
    guard unsafe Glibc.rename(path, target) == 0 else { throw failure("rename \(path)") }
  }

  /// Removes the temporary file, if it is still there.
  func discard() {
    unsafe unlink(path)
    if descriptor >= 0 { close(descriptor) }
    descriptor = -1
  }
}

/// Makes renames in a folder durable.
private func keepEntries(of folder: String) throws(Spool.Failure) {
  let descriptor = unsafe open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
  guard descriptor >= 0 else { throw failure("open \(folder)") }
  defer { close(descriptor) }
  guard fsync(descriptor) == 0 else { throw failure("fsync \(folder)") }
}

private func failure(_ call: String) -> Spool.Failure {
  let code = errno
  let text = unsafe "\(call): \(String(cString: strerror(code)))"
  return code == ENOSPC || code == EDQUOT ? .full(text) : .broken(text)
}
