import CColumnar
package import Jobs

/// One column of a batch as it lies in memory; valid for one call.
@unsafe package struct ColumnSpan {
  /// Bit i, the least first, says that row i has a value; nil where all have one.
  package let validity: UnsafePointer<UInt8>?
  /// A value for each row, or the bytes that `offsets` cuts.
  ///
  /// A bit for boolean, `Int64`, `Double`, `Float`, `Int32` days or `Int64` microseconds; zero where
  /// a row is null.
  package let values: UnsafeRawPointer
  /// For text and binary where each row's bytes begin, and where the last one's end.
  package let offsets: UnsafePointer<Int32>?

  /// Views a column.
  package init(
    validity: UnsafePointer<UInt8>?, values: UnsafeRawPointer, offsets: UnsafePointer<Int32>? = nil
  ) {
    unsafe self.validity = validity
    unsafe self.values = values
    unsafe self.offsets = offsets
  }
}

/// Encodes blocks of rows as Arrow IPC: each is one complete stream.
///
/// The bytes of a block follow from its columns, its batches and their values alone.
@safe package struct ColumnarBlockEncoder: ~Copyable {
  private let raw: OpaquePointer
  private let columnCount: Int
  private var columns: [ns_result_column] = unsafe []

  /// Takes bytes of a block.
  package typealias Sink = (UnsafeRawBufferPointer) -> Void

  /// - Parameter columns: At least one.
  /// - Throws: `other` where there is no memory.
  package init(columns: [ResultColumn]) throws(ColumnarWriteError) {
    let fields = ColumnarFields(columns)
    var message: UnsafeMutablePointer<CChar>?
    let made = unsafe withExtendedLifetime(fields) {
      unsafe ns_result_encoder_make(fields.fields, fields.fields.count, &message)
    }
    guard let made = unsafe made else {
      throw unsafe ColumnarWriteError("encoder", Int32(NS_RESULT_FAILED), message)
    }
    unsafe raw = made
    columnCount = columns.count
  }

  deinit { unsafe ns_result_encoder_free(raw) }

  /// Encodes the next rows of the block under way; the first ones begin it.
  ///
  /// - Parameters:
  ///   - rowCount: Rows of each column.
  ///   - spans: One for each column, in their order; at most 2³¹ - 1 bytes of text in each.
  ///   - sink: Gets the bytes.
  /// - Throws: `other` where there is no memory.
  package mutating func append(
    rowCount: Int, _ spans: [ColumnSpan], to sink: Sink
  ) throws(ColumnarWriteError) {
    precondition(unsafe spans.count == columnCount)
    unsafe columns.removeAll(keepingCapacity: true)
    for index in unsafe spans.indices {
      let span = unsafe spans[index]
      unsafe columns.append(
        ns_result_column(validity: span.validity, values: span.values, offsets: span.offsets))
    }
    try unsafe check("encode") { error in
      unsafe withContext(sink) { context in
        unsafe ns_result_encoder_append(raw, rowCount, columns, takeBytes, context, error)
      }
    }
  }

  /// Ends the block; without rows it has the columns alone.
  package mutating func endBlock(to sink: Sink) throws(ColumnarWriteError) {
    try unsafe check("encode") { error in
      unsafe withContext(sink) { context in
        unsafe ns_result_encoder_end_block(raw, takeBytes, context, error)
      }
    }
  }
}

/// Lends a closure to C for one call.
private func withContext(
  _ sink: ColumnarBlockEncoder.Sink, _ body: (UnsafeMutableRawPointer) -> Int32
) -> Int32 {
  unsafe withoutActuallyEscaping(sink) { sink in
    var context = unsafe sink
    return unsafe withUnsafeMutablePointer(to: &context) { unsafe body($0) }
  }
}

private let takeBytes: ns_result_write = { context, bytes, count in
  guard let context = unsafe context else { return -1 }
  let sink = unsafe context.assumingMemoryBound(to: ColumnarBlockEncoder.Sink.self)
  unsafe sink.pointee(UnsafeRawBufferPointer(start: bytes, count: count))
  return 0
}
