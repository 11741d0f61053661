import Glibc

/// Bytes of one input, read by offset.
package protocol ByteSource {
  /// Size of the text, or nil while nobody knows it (compressed input).
  var byteCount: UInt64? { get }

  /// Reads some of the bytes from `offset` on.
  ///
  /// - Parameters:
  ///   - offset: Where to start; for compressed input, an offset in the decompressed text.
  ///   - buffer: What to fill; not empty.
  /// - Returns: How many bytes were filled, 0 only at the end of the text.
  /// - Throws: What the input fails with.
  mutating func read(
    at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer
  ) throws -> Int
}

/// A local file; its size is fixed when it is opened.
///
/// Bytes appended later are not seen; bytes cut off later are an error, never an early end.
package final class FileSource: ByteSource {
  /// The path it was opened by.
  package let path: String
  private let descriptor: Int32
  private let size: UInt64

  /// Opens a file for reading.
  ///
  /// - Throws: `TableError`: `system`.
  package init(path: String) throws(TableError) {
    self.path = path
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw systemError("open", path) }
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else {
      let error = systemError("fstat", path)
      close(descriptor)
      throw error
    }
    self.descriptor = descriptor
    size = UInt64(status.st_size)
  }

  deinit { close(descriptor) }

  /// Size of the file when it was opened.
  package var byteCount: UInt64? { size }

  /// Reads some of the bytes from `offset` on.
  ///
  /// - Parameters:
  ///   - offset: Where to start.
  ///   - buffer: What to fill; not empty.
  /// - Returns: How many bytes were filled, 0 only at the end of the file.
  /// - Throws: `TableError`: `system`, or `inputShrank` where the file has become shorter.
  package func read(
    at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer
  ) throws -> Int {
    guard offset < size else { return 0 }
    let wantedCount = Int(min(UInt64(buffer.count), size - offset))
    while true {
      let count = unsafe pread(descriptor, buffer.baseAddress, wantedCount, off_t(offset))
      if count > 0 { return count }
      if count == 0 {
        throw TableError(
          code: .inputShrank, context: "\(path): ends at byte \(offset), was \(size) bytes long")
      }
      if errno != EINTR { throw systemError("pread at \(offset)", path) }
    }
  }
}

/// The error of the system call that has just failed.
func systemError(_ call: String, _ path: String) -> TableError {
  let number = errno
  let reason = unsafe String(cString: strerror(number))
  return TableError(code: .system(number), context: "\(path): \(call): \(reason)")
}
