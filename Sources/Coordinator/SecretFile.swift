import Foundation
import Glibc
import Partials

/// Small files that their owner alone can read, and that a power cut does not take back.
enum SecretFile {
  /// Makes a file: written under another name, kept by the disk, then given its name, which the disk
  /// keeps as well.
  ///
  /// A crash leaves the whole file or none.
  ///
  /// - Returns: False where there is such a file already, which stays as it is.
  static func make(_ text: String, at path: String) throws(CoordinatorError) -> Bool {
    let draft = "\(folder(of: path))/.\(getpid()).draft"
    // A crash may have left one of a process with this number, as another name of a secret.
    unsafe unlink(draft)
    let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
    let descriptor = unsafe open(draft, flags, 0o600)
    guard descriptor >= 0 else { throw failure("make", path) }
    defer {
      close(descriptor)
      unsafe unlink(draft)
    }
    let bytes = Array(text.utf8)
    var done = 0
    while done < bytes.count {
      let count = unsafe bytes[done...].withUnsafeBytes { rest in
        unsafe write(descriptor, rest.baseAddress, rest.count)
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw failure("write", path) }
      done += count
    }
    guard fsync(descriptor) == 0 else { throw failure("write", path) }
    guard unsafe link(draft, path) == 0 else {
      if errno == EEXIST { return false }
      throw failure("make", path)
    }
    try keepEntries(beside: path)
    return true
  }

  /// Removes a file for good.
  static func remove(_ path: String) throws(CoordinatorError) {
    guard unsafe unlink(path) == 0 else { throw failure("remove", path) }
    try keepEntries(beside: path)
  }

  private static func folder(of path: String) -> String {
    URL(fileURLWithPath: path).deletingLastPathComponent().path
  }

  private static func keepEntries(beside path: String) throws(CoordinatorError) {
    do throws(FileError) {
      try File(folder(of: path), .read).synchronize()
    } catch {
      throw CoordinatorError("cannot keep \(path): \(error)")
    }
  }

  private static func failure(_ what: String, _ path: String) -> CoordinatorError {
    unsafe CoordinatorError("cannot \(what) \(path): \(String(cString: strerror(errno)))")
  }
}
