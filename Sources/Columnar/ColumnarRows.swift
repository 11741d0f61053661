import CColumnar
import Jobs

/// One value of a row.
package enum ColumnarValue: Hashable, Sendable {
  case null
  case boolean(Bool)
  case integer(Int64)
  case number(Double)
  case float(Float)
  case text([UInt8])
  case binary([UInt8])
  /// Days since 1970-01-01.
  case date(Int32)
  /// Microseconds since 1970-01-01, UTC.
  case timestamp(Int64)
}

/// Reads back what was written: how many rows a file has, and single rows.
@safe package struct ColumnarRows {
  /// What the bytes are.
  package enum Source {
    case file(ColumnarFileFormat)
    /// A block.
    case stream

    var code: Int32 {
      switch self {
      case .file(let format): format.code
      case .stream: Int32(NS_RESULT_STREAM)
      }
    }
  }

  /// Fills a buffer with the bytes from an offset on, which lie within the file; false where it
  /// failed.
  package typealias Read = (UInt64, UnsafeMutableRawBufferPointer) -> Bool

  private let source: Source
  private let byteCount: UInt64
  private let read: Read

  /// Reads from bytes that a closure gives.
  package init(_ source: Source, byteCount: UInt64, read: @escaping Read) {
    self.source = source
    self.byteCount = byteCount
    unsafe self.read = read
  }

  /// Reads from memory.
  package init(_ source: Source, bytes: [UInt8]) {
    unsafe self.init(source, byteCount: UInt64(bytes.count)) { offset, buffer in
      for index in buffer.indices { unsafe buffer[index] = bytes[Int(offset) + index] }
      return true
    }
  }

  /// How many rows the file has by its footer, or the block by its batches.
  ///
  /// - Throws: `corrupt` where that cannot be read, `bytes` where reading fails.
  package func count() throws(ColumnarWriteError) -> UInt64 {
    var count: UInt64 = 0
    try unsafe check("count rows") { error in
      unsafe withSource { source in unsafe ns_result_count_rows(source, &count, error) }
    }
    return count
  }

  /// Reads one row, counted from 0: its values by their columns' names, in order.
  ///
  /// - Throws: `corrupt` where there is no such row or the row cannot be read, `bytes` where
  ///   reading fails.
  package func row(
    _ row: UInt64
  ) throws(ColumnarWriteError) -> [(name: String, value: ColumnarValue)] {
    var values: [(name: String, value: ColumnarValue)] = []
    try unsafe check("read a row") { error in
      unsafe withSource { source in
        unsafe withUnsafeMutablePointer(to: &values) { values in
          unsafe ns_result_read_row(source, row, takeValue, values, error)
        }
      }
    }
    return values
  }

  private func withSource(_ body: (UnsafePointer<ns_result_source>) -> Int32) -> Int32 {
    var read = unsafe read
    return unsafe withUnsafeMutablePointer(to: &read) { read in
      var raw = unsafe ns_result_source(
        format: source.code, byte_count: byteCount, read: readBytes, context: read)
      return unsafe body(&raw)
    }
  }
}

private let readBytes: ns_result_read = { context, offset, bytes, count in
  guard let context = unsafe context else { return -1 }
  let read = unsafe context.assumingMemoryBound(to: ColumnarRows.Read.self)
  let buffer = unsafe UnsafeMutableRawBufferPointer(start: bytes, count: count)
  return unsafe read.pointee(offset, buffer) ? 0 : -1
}

private let takeValue: ns_result_visit = { context, name, nameCount, type, value, count in
  guard let context = unsafe context else { return }
  let all = unsafe context.assumingMemoryBound(
    to: [(name: String, value: ColumnarValue)].self)
  let nameBytes = unsafe UnsafeRawBufferPointer(start: name, count: nameCount)
  let decoded = unsafe value.map { value in
    unsafe ColumnarValue(type: Int(type), UnsafeRawBufferPointer(start: value, count: count))
  }
  unsafe all.pointee.append(
    (name: String(decoding: nameBytes, as: UTF8.self), value: decoded ?? .null))
}

extension ColumnarValue {
  /// A value as C shows it.
  fileprivate init(type: Int, _ bytes: UnsafeRawBufferPointer) {
    switch type {
    case NS_RESULT_BOOLEAN: self = unsafe .boolean(bytes.loadUnaligned(as: UInt8.self) != 0)
    case NS_RESULT_INTEGER: self = unsafe .integer(bytes.loadUnaligned(as: Int64.self))
    case NS_RESULT_NUMBER: self = unsafe .number(bytes.loadUnaligned(as: Double.self))
    case NS_RESULT_FLOAT: self = unsafe .float(bytes.loadUnaligned(as: Float.self))
    case NS_RESULT_DATE: self = unsafe .date(bytes.loadUnaligned(as: Int32.self))
    case NS_RESULT_TIMESTAMP: self = unsafe .timestamp(bytes.loadUnaligned(as: Int64.self))
    case NS_RESULT_TEXT: self = unsafe .text([UInt8](bytes))
    default: self = unsafe .binary([UInt8](bytes))
    }
  }
}
