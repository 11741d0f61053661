import Glibc

/// Why a file could not be opened, read or written.
package struct FileError: Error, Hashable, Sendable, CustomStringConvertible {
  package enum Code: Hashable, Sendable {
    case diskFull
    case missing
    case exists
    /// The disk gave up, or the file ends before the bytes asked for.
    case unreadable
    /// The operating system's number.
    case other(Int32)
  }

  package let code: Code
  /// The call, the path and the operating system's words.
  package let context: String

  package init(code: Code, context: String) {
    self.code = code
    self.context = context
  }

  /// Takes the operating system's number for the last call.
  package init(_ call: String, _ path: String, number: Int32 = errno) {
    code =
      switch number {
      case ENOSPC, EDQUOT: .diskFull
      case ENOENT: .missing
      case EEXIST, ENOTEMPTY: .exists
      case EIO: .unreadable
      default: .other(number)
      }
    context = unsafe "\(call) \(path): \(String(cString: strerror(number)))"
  }

  package var description: String { context }
}

/// One open file, read and written at offsets.
package struct File: ~Copyable {
  package let path: String
  package let descriptor: Int32

  package enum Access: Sendable {
    case read
    /// A new file; one that is there is an error.
    case create
  }

  package init(_ path: String, _ access: Access) throws(FileError) {
    let flags: Int32 =
      switch access {
      case .read: O_RDONLY
      case .create: O_RDWR | O_CREAT | O_EXCL
      }
    descriptor = unsafe open(path, flags | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw FileError("open", path) }
    self.path = path
  }

  deinit { _ = close(descriptor) }

  /// Size of the file, in bytes.
  package func byteCount() throws(FileError) -> UInt64 {
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else { throw FileError("fstat", path) }
    return UInt64(status.st_size)
  }

  /// Fills the whole buffer from an offset; `unreadable` where the file ends before.
  package func read(
    into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
  ) throws(FileError) {
    try unsafe readAll(into: buffer, from: descriptor, at: offset, path: path)
  }

  /// Reads `count` bytes from an offset; the caller has checked the count against the file's size.
  package func read(count: Int, at offset: UInt64) throws(FileError) -> [UInt8] {
    try readAll(count, from: descriptor, at: offset, path: path)
  }

  /// Writes all bytes at an offset.
  package func write(_ bytes: [UInt8], at offset: UInt64) throws(FileError) {
    try writeAll(bytes, to: descriptor, at: offset, path: path)
  }

  /// Has the disk keep what was written.
  package func synchronize() throws(FileError) {
    guard fsync(descriptor) == 0 else { throw FileError("fsync", path) }
  }
}

/// Writes all bytes at an offset of a file that someone else keeps open.
func writeAll(
  _ bytes: UnsafeRawBufferPointer, to descriptor: Int32, at offset: UInt64, path: String
) throws(FileError) {
  var done = 0
  while done < bytes.count {
    let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[done...])
    let count = unsafe pwrite(
      descriptor, rest.baseAddress, rest.count, off_t(offset) + off_t(done))
    if count < 0, errno == EINTR { continue }
    guard count > 0 else { throw FileError("write", path) }
    done += count
  }
}

/// Writes all bytes at an offset of a file that someone else keeps open.
func writeAll(
  _ bytes: [UInt8], to descriptor: Int32, at offset: UInt64, path: String
) throws(FileError) {
  try unsafe bytes.withUnsafeBufferPointer { (buffer) throws(FileError) in
    try unsafe writeAll(UnsafeRawBufferPointer(buffer), to: descriptor, at: offset, path: path)
  }
}

/// Cuts a file that someone else keeps open.
func cut(_ descriptor: Int32, to byteCount: UInt64, path: String) throws(FileError) {
  guard ftruncate(descriptor, off_t(byteCount)) == 0 else { throw FileError("ftruncate", path) }
}

/// Reads bytes from an offset of a file that someone else keeps open.
func readAll(
  _ count: Int, from descriptor: Int32, at offset: UInt64, path: String
) throws(FileError) -> [UInt8] {
  var failure: FileError?
  let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
    do throws(FileError) {
      let room = unsafe UnsafeMutableRawBufferPointer(
        rebasing: UnsafeMutableRawBufferPointer(buffer)[..<count])
      try unsafe readAll(into: room, from: descriptor, at: offset, path: path)
      filled = count
    } catch {
      failure = error
    }
  }
  if let failure { throw failure }
  return bytes
}

/// Fills a buffer from an offset of a file that someone else keeps open.
func readAll(
  into buffer: UnsafeMutableRawBufferPointer, from descriptor: Int32, at offset: UInt64,
  path: String
) throws(FileError) {
  var done = 0
  while done < buffer.count {
    let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
    let count = unsafe pread(descriptor, rest.baseAddress, rest.count, off_t(offset) + off_t(done))
    if count < 0, errno == EINTR { continue }
    guard count >= 0 else { throw FileError("read", path) }
    guard count > 0 else {
      throw FileError(code: .unreadable, context: "\(path) ends at byte \(offset + UInt64(done))")
    }
    done += count
  }
}
