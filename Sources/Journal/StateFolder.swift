import Foundation
import Glibc

/// A coordinator's state folder, held against every other coordinator for as long as this lives.
///
/// The lock is `flock` on the file `lock`: the kernel drops it however the process ends, and it is
/// not dropped, as a POSIX lock would be, when something else in the process closes the file.
final class StateFolder: Sendable {
  let path: String
  private let lock: Int32

  var databasePath: String { path + "/journal.sqlite" }

  /// Makes the folder if there is none, checks it and takes the lock.
  init(_ path: String) throws(JournalError) {
    self.path = path
    let isNew = try Self.makeFolder(path)
    try Self.refuseNetworkFileSystem(path)
    if !isNew { try Self.restrict(path) }
    let hadJournal: Bool
    (lock, hadJournal) = try Self.takeLock(path)
    do throws(JournalError) {
      try Self.makePrivateFile(databasePath, hadJournal: hadJournal)
      try Self.synchronize(path)
      if isNew { try Self.synchronize(path + "/..") }
    } catch {
      close(lock)
      throw error
    }
  }

  /// Unlocks before it closes: a process that is being started holds a copy of the file until its
  /// `exec`, and with it the lock.
  deinit {
    flock(lock, LOCK_UN)
    close(lock)
  }

  private static func makeFolder(_ path: String) throws(JournalError) -> Bool {
    if mkdir(path, 0o700) == 0 { return true }
    guard errno == EEXIST else { throw failure("mkdir", path) }
    return false
  }

  private static func refuseNetworkFileSystem(_ path: String) throws(JournalError) {
    var status = stat()
    guard stat(path, &status) == 0 else { throw failure("stat", path) }
    // Without a mount table there is nothing to tell by, and no reason to refuse.
    let mounts = (try? String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8)) ?? ""
    guard let name = FileSystem.networkType(device: UInt64(status.st_dev), mounts: mounts) else {
      return
    }
    throw JournalError(
      code: .networkFileSystem,
      context: "\(path) is on \(name), where a journal can be lost: choose a state folder on a "
        + "local disk; outputs may stay where they are")
  }

  /// Takes everyone else's rights from a folder that is ours: empty, or with a journal.
  private static func restrict(_ path: String) throws(JournalError) {
    var status = stat()
    guard stat(path, &status) == 0 else { throw failure("stat", path) }
    guard status.st_mode & S_IFMT == S_IFDIR else {
      throw JournalError(code: .other(-ENOTDIR), context: "\(path) is not a folder")
    }
    guard status.st_mode & 0o077 != 0 else { return }
    let names = try entryNames(path)
    guard names.isEmpty || names.contains("journal.sqlite") else {
      throw JournalError(
        code: .other(-ENOTEMPTY),
        context: "\(path) is no state folder (it has other files and no journal): name a new or "
          + "empty folder")
    }
    guard chmod(path, 0o700) == 0 else { throw failure("chmod", path) }
  }

  private static func entryNames(_ path: String) throws(JournalError) -> [String] {
    guard let folder = opendir(path) else { throw failure("opendir", path) }
    defer { closedir(folder) }
    var names: [String] = []
    while let entry = readdir(folder) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names
  }

  private static func takeLock(
    _ path: String
  ) throws(JournalError) -> (lock: Int32, hadJournal: Bool) {
    let lockPath = path + "/lock"
    let lock = open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard lock >= 0 else { throw failure("open", lockPath) }
    guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
      let error = errno == EWOULDBLOCK ? held(path, lock) : failure("flock", lockPath)
      close(lock)
      throw error
    }
    let hadJournal = text(lock).contains(journalMark)
    // The number is for people: a full disk must not keep the coordinator from starting.
    write("\(getpid())\n" + (hadJournal ? journalMark : ""), to: lock)
    return (lock, hadJournal)
  }

  /// Stands in the lock file once the journal has held something.
  private static let journalMark = "has journal\n"

  /// Notes that there is a journal from now on, so that a lost one is not taken for a new one.
  func noteJournal() {
    Self.write("\(getpid())\n" + Self.journalMark, to: lock)
    // Best effort: without the mark only the check for a lost file is gone.
    _ = fsync(lock)
  }

  private static func write(_ text: String, to file: Int32) {
    let bytes = Array(text.utf8)
    _ = pwrite(file, bytes, bytes.count, 0)
    _ = ftruncate(file, off_t(bytes.count))
  }

  private static func text(_ file: Int32) -> String {
    var bytes = [UInt8](repeating: 0, count: 64)
    let count = pread(file, &bytes, bytes.count, 0)
    return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
  }

  private static func held(_ path: String, _ lock: Int32) -> JournalError {
    let digits = text(lock).prefix { $0.isNumber }
    let owner = digits.isEmpty ? "" : " (process \(digits))"
    return JournalError(
      code: .locked,
      context: "another coordinator\(owner) uses the state folder \(path): stop it first, or name "
        + "another folder")
  }

  /// Makes the database's file, because SQLite would make it readable to all; the write-ahead log
  /// takes the file's mode.
  ///
  /// SQLite takes a file too short for its header for a new one, so a lost journal is noticed here.
  private static func makePrivateFile(_ path: String, hadJournal: Bool) throws(JournalError) {
    let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard file >= 0 else { throw failure("open", path) }
    defer { close(file) }
    var status = stat()
    guard fchmod(file, 0o600) == 0, fstat(file, &status) == 0 else { throw failure("fchmod", path) }
    let headerByteCount = 512  // the smallest page SQLite has
    if status.st_size < headerByteCount, hadJournal || status.st_size > 0 {
      throw JournalError(corruption: "\(path) has \(status.st_size) bytes")
    }
  }

  private static func synchronize(_ path: String) throws(JournalError) {
    let folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folder >= 0 else { throw failure("open", path) }
    defer { close(folder) }
    guard fsync(folder) == 0 else { throw failure("fsync", path) }
  }

  private static func failure(_ call: String, _ path: String) -> JournalError {
    let number = errno
    let context = "\(call) \(path): \(String(cString: strerror(number)))"
    switch number {
    case ENOSPC, EDQUOT: return JournalError(code: .diskFull, context: context)
    case EIO: return JournalError(code: .ioFailure, context: context)
    default: return JournalError(code: .other(-number), context: context)
    }
  }
}
