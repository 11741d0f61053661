import Columnar
import Partials
import Tables

/// A published Parquet or Arrow file.
struct PublishedColumns {
  let name: String
  private let rows: ColumnarRows
  private let file: OpenFile
  private let format: ColumnarFileFormat
  private let byteCount: UInt64

  /// A file that may be read by a closure.
  private final class OpenFile {
    let file: File
    var failure: FileError?

    init(_ path: String) throws(FileError) {
      file = try File(path, .read)
    }

    func read(_ offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) -> Bool {
      do throws(FileError) {
        unsafe buffer.copyBytes(from: try file.read(count: buffer.count, at: offset))
        return true
      } catch {
        failure = error
        return false
      }
    }
  }

  /// What a file of that name is; nil for text.
  static func format(of name: String) -> ColumnarFileFormat? {
    if name.hasSuffix(".parquet") { return .parquet }
    return name.hasSuffix(".arrow") ? .arrow : nil
  }

  /// Opens a file of a folder.
  init(folder: String, name: String, format: ColumnarFileFormat) throws(FileError) {
    let file = try OpenFile(folder + "/" + name)
    let byteCount = try file.file.byteCount()
    self.file = file
    self.name = name
    self.format = format
    self.byteCount = byteCount
    rows = unsafe ColumnarRows(.file(format), byteCount: byteCount) { offset, buffer in
      unsafe file.read(offset, into: buffer)
    }
  }

  /// Rows by the file's footer.
  func count() throws(DestinationError) -> UInt64 {
    do throws(ColumnarWriteError) { return try rows.count() } catch { throw failure(error) }
  }

  /// One row, from 0, as a line of JSON.
  func line(ofRow row: UInt64) throws(DestinationError) -> [UInt8] {
    var text = TextBuffer()
    do throws(ColumnarWriteError) {
      text.append(row: try rows.row(row))
    } catch {
      throw failure(error)
    }
    return text.copy()
  }

  /// What compares blocks with the file's rows.
  func makeComparison() throws(DestinationError) -> ColumnarComparison {
    let file = file
    do throws(ColumnarWriteError) {
      return try unsafe ColumnarComparison(format, byteCount: byteCount) { offset, buffer in
        unsafe file.read(offset, into: buffer)
      }
    } catch {
      throw failure(error)
    }
  }

  /// What a failure of reading the file is.
  func failure(_ error: ColumnarWriteError) -> DestinationError {
    if let failure = file.failure { return DestinationError(failure) }
    return PublishedFolder.unsound("\(name): \(error)")
  }
}
