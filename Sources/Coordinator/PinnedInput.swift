import Glibc
import Jobs
import Tables

/// One planned input, open, and known to be what was planned.
final class PinnedInput {
  let input: PlannedInput
  private let bytes: Bytes

  private enum Bytes {
    case file(descriptor: Int32)
    /// Pinned by its version: another one cannot be read.
    case object(any ByteSource)
    /// Rows of a query, which workers read themselves in the job's snapshot.
    case rows
  }

  /// Opens the input.
  ///
  /// - Throws: `CoordinatorError` where it cannot be read, or where its size, time, inode or version
  ///   differ from the plan.
  init(_ input: PlannedInput) throws(CoordinatorError) {
    self.input = input
    if InputAccess.isDatabase(input.path) {
      bytes = .rows
    } else if InputAccess.isRemote(input.path) {
      bytes = .object(try Self.open(input))
    } else {
      bytes = .file(descriptor: try Self.openFile(input))
    }
  }

  deinit {
    if case .file(let descriptor) = bytes { close(descriptor) }
  }

  private static func open(_ input: PlannedInput) throws(CoordinatorError) -> any ByteSource {
    do {
      return try InputAccess().open(
        input.path, byteCount: input.byteCount, version: input.version)
    } catch let error as TableError {
      throw CoordinatorError(error.context, isTransient: error.code != .inputChanged)
    } catch {
      throw CoordinatorError("\(input.path): \(error)", isTransient: true)
    }
  }

  private static func openFile(_ input: PlannedInput) throws(CoordinatorError) -> Int32 {
    let descriptor = unsafe Glibc.open(input.path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure(of: "opened", errno, input) }
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0, matches(status, input) else {
      close(descriptor)
      throw CoordinatorError(
        "input changed: \(input.path) is not the file that was planned: its size, time or inode "
          + "differs; nothing was published, submit the job again")
    }
    return descriptor
  }

  private static func matches(_ status: stat, _ input: PlannedInput) -> Bool {
    let modified = Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec)
    return UInt64(status.st_size) == input.byteCount && modified == input.modifiedNanoseconds
      && UInt64(status.st_ino) == input.inode
  }

  /// What is different from the plan, in words; `nil` if nothing is known to be.
  static func change(of input: PlannedInput) -> String? {
    do throws(CoordinatorError) {
      let pinned = try PinnedInput(input)
      // What a store has is known once it is asked for the planned version.
      if case .object = pinned.bytes { _ = try pinned.read(at: 0, count: 1) }
      return nil
    } catch {
      return error.isTransient ? nil : error.context
    }
  }

  /// Whether every input is still what was planned; the first difference otherwise.
  static func check(_ inputs: [PlannedInput]) throws(CoordinatorError) {
    for input in inputs { _ = try PinnedInput(input) }
  }

  /// Reads a range; shorter only at the end of the input.
  func read(at offset: UInt64, count: Int) throws(CoordinatorError) -> [UInt8] {
    guard offset < input.byteCount else { return [] }
    let wanted = Int(min(UInt64(count), input.byteCount - offset))
    switch bytes {
    case .file(let descriptor): return try read(descriptor, at: offset, count: wanted)
    case .object(var source): return try read(&source, at: offset, count: wanted)
    case .rows: throw CoordinatorError("\(input.path): a query has no bytes to send")
    }
  }

  private func read(
    _ descriptor: Int32, at offset: UInt64, count: Int
  ) throws(CoordinatorError) -> [UInt8] {
    var trouble: Int32 = 0
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      while filled < count {
        let rest = unsafe UnsafeMutableBufferPointer(rebasing: buffer[filled..<count])
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

  private func read(
    _ source: inout any ByteSource, at offset: UInt64, count: Int
  ) throws(CoordinatorError) -> [UInt8] {
    do {
      return try unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
        while filled < count {
          let rest = unsafe UnsafeMutableRawBufferPointer(
            rebasing: UnsafeMutableRawBufferPointer(buffer)[filled..<count])
          let got = try unsafe source.read(at: offset + UInt64(filled), into: rest)
          guard got > 0 else { return }
          filled += got
        }
      }
    } catch let error as TableError where error.code == .inputChanged {
      throw CoordinatorError(
        "input changed: \(error.context); nothing was published, submit the job again")
    } catch {
      throw CoordinatorError("\(input.path): \(error)", isTransient: true)
    }
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
