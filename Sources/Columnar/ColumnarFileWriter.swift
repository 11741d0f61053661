import CColumnar
package import Jobs

/// A file of columns.
package enum ColumnarFileFormat: Hashable, Sendable {
  case parquet
  /// The Arrow IPC file format.
  case arrow

  var code: Int32 {
    switch self {
    case .parquet: Int32(NS_RESULT_PARQUET)
    case .arrow: Int32(NS_RESULT_ARROW)
    }
  }
}

/// Writes one Parquet or Arrow file from blocks that `ColumnarBlockEncoder` encoded.
///
/// A row group (in Arrow, a record batch) ends with the first block after which it has
/// `rowCountPerGroup` rows or `byteCountPerGroup` bytes of values, so that the file's bytes follow
/// from its blocks alone. Memory: about three times `byteCountPerGroup`.
@safe package final class ColumnarFileWriter {
  /// Enough for readers that work on row groups side by side.
  package static let rowCountPerGroup = 128 << 10
  /// Small enough for a coordinator that merges beside other work.
  package static let byteCountPerGroup = 32 << 20

  /// Takes the file's bytes, from begin to end; false where it failed.
  package typealias Sink = (UnsafeRawBufferPointer) -> Bool

  private let raw: OpaquePointer
  private let sink: SinkBox

  /// Starts a file.
  ///
  /// - Parameters:
  ///   - columns: At least one.
  ///   - format: What the file is.
  ///   - isCompressed: Whether zstd is used inside.
  ///   - version: Nightshift's, written into the file.
  ///   - properties: Keys and values written into the file, in this order.
  ///   - rowCountPerGroup: See above; tests choose small ones.
  ///   - byteCountPerGroup: See above.
  ///   - sink: Gets the bytes, also of the calls below.
  /// - Throws: `bytes` where the sink failed, `other` where the library refuses.
  package init(
    columns: [ResultColumn], format: ColumnarFileFormat, isCompressed: Bool, version: String,
    properties: [(key: String, value: String)] = [],
    rowCountPerGroup: Int = ColumnarFileWriter.rowCountPerGroup,
    byteCountPerGroup: Int = ColumnarFileWriter.byteCountPerGroup, sink: @escaping Sink
  ) throws(ColumnarWriteError) {
    precondition(rowCountPerGroup > 0 && byteCountPerGroup > 0)
    let box = unsafe SinkBox(sink)
    let fields = ColumnarFields(columns)
    let all = [(key: "nightshift.version", value: version)] + properties
    let texts = CStrings(["nightshift version \(version)"] + all.flatMap { [$0.key, $0.value] })
    var message: UnsafeMutablePointer<CChar>?
    let made = unsafe withExtendedLifetime((fields, texts)) {
      let pairs = unsafe (0..<all.count).map { index in
        unsafe ns_result_property(key: texts[2 * index + 1], value: texts[2 * index + 2])
      }
      return unsafe pairs.withUnsafeBufferPointer { pairs in
        var options = unsafe ns_result_file_options(
          format: format.code, is_compressed: isCompressed ? 1 : 0, created_by: texts[0],
          properties: pairs.baseAddress, property_count: pairs.count,
          group_row_count: rowCountPerGroup, group_byte_count: byteCountPerGroup)
        return unsafe ns_result_writer_make(
          fields.fields, fields.fields.count, &options, giveBytes,
          Unmanaged.passUnretained(box).toOpaque(), &message)
      }
    }
    guard let made = unsafe made else {
      throw unsafe ColumnarWriteError("start a file", Int32(NS_RESULT_FAILED), message)
    }
    unsafe raw = made
    self.sink = box
  }

  deinit { unsafe ns_result_writer_free(raw) }

  /// Adds the next bytes of a block, any part of it.
  ///
  /// - Throws: `corrupt` for bytes that are no such block; `bytes` where the sink failed. The
  ///   writer is then of no more use.
  package func append(_ bytes: UnsafeRawBufferPointer) throws(ColumnarWriteError) {
    guard let start = bytes.baseAddress else { return }
    try unsafe check("append a block") { error in
      unsafe ns_result_writer_append(raw, start, bytes.count, error)
    }
  }

  /// Adds the next bytes of a block, any part of it.
  package func append(_ bytes: [UInt8]) throws(ColumnarWriteError) {
    try unsafe bytes.withUnsafeBufferPointer { (bytes) throws(ColumnarWriteError) in
      try unsafe append(UnsafeRawBufferPointer(bytes))
    }
  }

  /// Ends a block, which has to be whole; without bytes it had no rows.
  ///
  /// - Returns: How many rows it had.
  package func endBlock() throws(ColumnarWriteError) -> UInt64 {
    var rowCount: UInt64 = 0
    try unsafe check("append a block") { error in
      unsafe ns_result_writer_end_block(raw, &rowCount, error)
    }
    return rowCount
  }

  /// Writes what is left and the footer; every block has ended.
  package func finish() throws(ColumnarWriteError) {
    try unsafe check("end a file") { error in unsafe ns_result_writer_finish(raw, error) }
  }
}

/// A closure that C keeps a pointer to.
@safe private final class SinkBox {
  let sink: ColumnarFileWriter.Sink

  init(_ sink: @escaping ColumnarFileWriter.Sink) {
    unsafe self.sink = sink
  }
}

private let giveBytes: ns_result_write = { context, bytes, count in
  guard let context = unsafe context else { return -1 }
  let box = unsafe Unmanaged<SinkBox>.fromOpaque(context).takeUnretainedValue()
  return unsafe box.sink(UnsafeRawBufferPointer(start: bytes, count: count)) ? 0 : -1
}

/// Texts as C has them, in one piece of memory.
@safe private final class CStrings {
  private let bytes: UnsafeMutableBufferPointer<CChar>
  private let starts: [Int]

  init(_ texts: [String]) {
    let count = texts.reduce(0) { $0 + $1.utf8.count + 1 }
    unsafe bytes = .allocate(capacity: max(1, count))
    var starts: [Int] = []
    var next = 0
    for text in texts {
      starts.append(next)
      for byte in text.utf8 {
        unsafe bytes[next] = CChar(bitPattern: byte)
        next += 1
      }
      unsafe bytes[next] = 0
      next += 1
    }
    self.starts = starts
  }

  deinit { unsafe bytes.deallocate() }

  subscript(index: Int) -> UnsafePointer<CChar> {
    guard let base = unsafe bytes.baseAddress else { fatalError("no memory was taken") }
    return unsafe UnsafePointer(base + starts[index])
  }
}
