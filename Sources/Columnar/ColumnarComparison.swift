import CColumnar

/// Compares rows of a Parquet or Arrow file with blocks that `ColumnarBlockEncoder` encoded.
///
/// Memory: one row group, or record batch, of the file.
@safe package final class ColumnarComparison {
  /// A row that differs: its number in the file, and in the block, from 0.
  package struct Difference: Hashable, Sendable {
    package let row: UInt64
    package let blockRow: UInt64
  }

  private let raw: OpaquePointer
  private let reader: ReaderBox

  /// Opens the file that a closure gives the bytes of.
  ///
  /// - Throws: `corrupt` where it is no such file, `bytes` where reading fails.
  package init(
    _ format: ColumnarFileFormat, byteCount: UInt64, read: @escaping ColumnarRows.Read
  ) throws(ColumnarWriteError) {
    let box = unsafe ReaderBox(read)
    var source = unsafe ns_result_source(
      format: format.code, byte_count: byteCount, read: readBytes,
      context: Unmanaged.passUnretained(box).toOpaque())
    var message: UnsafeMutablePointer<CChar>?
    guard let made = unsafe ns_result_comparer_make(&source, &message) else {
      throw unsafe ColumnarWriteError("open a file", Int32(NS_RESULT_CORRUPT), message)
    }
    unsafe raw = made
    reader = box
  }

  deinit { unsafe ns_result_comparer_free(raw) }

  /// Compares a block with the file's rows from one on, value by value.
  ///
  /// Numbers are compared by their bits, but one NaN is as good as another.
  ///
  /// - Parameters:
  ///   - block: One whole block.
  ///   - row: The first row in the file; it rises from call to call.
  /// - Returns: How many rows the block has, and which differ.
  /// - Throws: `corrupt` where the file has fewer rows or other columns, or cannot be read.
  package func compare(
    _ block: [UInt8], fromRow row: UInt64
  ) throws(ColumnarWriteError) -> (rowCount: UInt64, differences: [Difference]) {
    var rowCount: UInt64 = 0
    var differences: [Difference] = []
    try unsafe check("compare rows") { error in
      unsafe block.withUnsafeBytes { bytes in
        guard let start = bytes.baseAddress else { return Int32(NS_RESULT_OK) }
        return unsafe withUnsafeMutablePointer(to: &differences) { differences in
          unsafe ns_result_comparer_compare(
            raw, row, start, bytes.count, &rowCount, takeDifference, differences, error)
        }
      }
    }
    return (rowCount, differences)
  }
}

/// A closure that C keeps a pointer to.
@safe private final class ReaderBox {
  let read: ColumnarRows.Read

  init(_ read: @escaping ColumnarRows.Read) {
    unsafe self.read = read
  }
}

private let readBytes: ns_result_read = { context, offset, bytes, count in
  guard let context = unsafe context else { return -1 }
  let box = unsafe Unmanaged<ReaderBox>.fromOpaque(context).takeUnretainedValue()
  return unsafe box.read(offset, UnsafeMutableRawBufferPointer(start: bytes, count: count)) ? 0 : -1
}

private let takeDifference: ns_result_differ = { context, row, blockRow in
  guard let context = unsafe context else { return }
  let all = unsafe context.assumingMemoryBound(to: [ColumnarComparison.Difference].self)
  unsafe all.pointee.append(ColumnarComparison.Difference(row: row, blockRow: blockRow))
}
