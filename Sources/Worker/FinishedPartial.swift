import Glibc
import Jobs
import Partials
import Synchronization

/// A partial that is written and waits to be acknowledged.
final class FinishedPartial: Sendable {
  let name: PartialName
  private let file: ScratchFile
  /// Where it has a name in a spool, until the coordinator takes it from there.
  private let offered = Mutex<String?>(nil)

  init(name: PartialName, file: ScratchFile) {
    self.name = name
    self.file = file
  }

  deinit {
    // Not there where the coordinator took it; what it did not want must not fill the spool.
    guard let path = offered.withLock({ $0 }) else { return }
    _ = unsafe unlink(path)
  }

  /// Offers the partial to the spool of a coordinator on this machine: the file gets a name there,
  /// and not a byte is copied.
  ///
  /// The spool still reads all of it before it believes a word. Where there is no such folder, or
  /// it is on another file system, the partial goes in pieces.
  func offer(to spool: String, job: JobID) {
    let target = Spooling.offer(of: name, job: job, in: spool)
    let source = "/proc/self/fd/\(file.descriptor)"
    guard unsafe linkat(AT_FDCWD, source, AT_FDCWD, target, AT_SYMLINK_FOLLOW) == 0 else { return }
    offered.withLock { $0 = target }
  }

  /// Reads a range; shorter only at the end.
  func read(at offset: UInt64, count: Int) throws -> [UInt8] {
    let wanted = Int(min(UInt64(count), name.byteCount - min(offset, name.byteCount)))
    var filled = 0
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: wanted) { buffer, initialized in
      while filled < wanted {
        let rest = unsafe UnsafeMutableBufferPointer(rebasing: buffer[filled..<wanted])
        let got = unsafe pread(
          file.descriptor, rest.baseAddress, rest.count, off_t(offset) + filled)
        if got < 0, errno == EINTR { continue }
        guard got > 0 else { break }
        filled += got
      }
      initialized = filled
    }
    guard filled == wanted else { throw WorkerError("the partial cannot be read at \(offset)") }
    return bytes
  }
}

/// An open file without a name; its space is free again when it is closed, also by a crash.
final class ScratchFile: Sendable {
  /// Linux's O_TMPFILE, a macro that Swift does not see.
  private static let withoutName: Int32 = 0o20_000_000 | O_DIRECTORY

  let descriptor: Int32

  init(in folder: String) throws {
    descriptor = unsafe open(folder, Self.withoutName | O_RDWR | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      let number = errno
      guard number != ENOSPC, number != EDQUOT else { throw WorkerError(fullScratch(folder)) }
      let reason = unsafe String(cString: strerror(number))
      throw WorkerError("cannot make a scratch file in \(folder): \(reason)")
    }
  }

  /// Takes over a descriptor that this process was started with.
  init(inherited descriptor: Int32) {
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }
}

/// What to tell people about a scratch folder without space.
func fullScratch(_ folder: String) -> String {
  "scratch folder \(folder) is full: free some space or choose another --scratch"
}
