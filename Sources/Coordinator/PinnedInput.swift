import Glibc
import Jobs

/// One planned input, open, and known to be what was planned.
final class PinnedInput {
  let input: PlannedInput
  private let descriptor: Int32

  /// Opens the file.
  ///
  /// - Throws: `CoordinatorError` where it cannot be read, or where its size, time or inode differ
  ///   from the plan.
  init(_ input: PlannedInput) throws(CoordinatorError) {
    self.input = input
    descriptor = unsafe open(input.path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw Self.failure(of: "opened", errno, input) }
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0, Self.matches(status, input) else {
      throw CoordinatorError(
        "input changed: \(input.path) is not the file that was planned: its size, time or inode "
          + "differs; nothing was published, submit the job again")
    }
  }

  deinit { close(descriptor) }

  private static func matches(_ status: stat, _ input: PlannedInput) -> Bool {
    let modified = Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec)
    return UInt64(status.st_size) == input.byteCount && modified == input.modifiedNanoseconds
      && UInt64(status.st_ino) == input.inode
  }

  /// What is different from the plan, in words; `nil` if nothing is known to be.
  static func change(of input: PlannedInput) -> String? {
    do throws(CoordinatorError) {
      _ = try PinnedInput(input)
      return nil
    } catch {
      return error.isTransient ? nil : error.context
    }
  }

  /// Whether every input is still what was planned; the first difference otherwise.
  static func check(_ inputs: [PlannedInput]) throws(CoordinatorError) {
    for input in inputs { _ = try PinnedInput(input) }
  }

  /// Reads a range; shorter only at the end of the file.
  func read(at offset: UInt64, count: Int) throws(CoordinatorError) -> [UInt8] {
    guard offset < input.byteCount else { return [] }
    let wanted = Int(min(UInt64(count), input.byteCount - offset))
    var trouble: Int32 = 0
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: wanted) { buffer, filled in
      while filled < wanted {
        let rest = unsafe UnsafeMutableBufferPointer(rebasing: buffer[filled..<wanted])
        let got = unsafe pread(descriptor, rest.baseAddress, rest.count, off_t(offset) + filled)
        if got < 0, errno == EINTR { continue }
        guard got > 0 else {
          trouble = got < 0 ? errno : ENODATA
          return
        }
        filled += got
      }
    }
    guard trouble == 0 else {
      throw Self.failure(of: "read at \(offset)", trouble, input)
    }
    return bytes
  }

  /// A file that is gone or shorter has changed; other trouble may pass (`isTransient`).
  private static func failure(
    of call: String, _ number: Int32, _ input: PlannedInput
  ) -> CoordinatorError {
    let isGone = [ENOENT, ENOTDIR, ENODATA].contains(number)
    let reason = unsafe String(cString: strerror(number))
    return CoordinatorError(
      "\(isGone ? "input changed: " : "")\(input.path) cannot be \(call): \(reason)",
      isTransient: !isGone)
  }
}
