import CColumnar
import CKernels
package import Jobs

/// The formats of columnar files that are read.
package enum ColumnarFormat: Hashable, Sendable {
  case parquet, orc
  /// The file and the stream format of Arrow IPC.
  case arrow

  var raw: ns_columnar_format {
    switch self {
    case .parquet: ns_columnar_parquet
    case .orc: ns_columnar_orc
    case .arrow: ns_columnar_arrow
    }
  }
}

/// One column of a columnar file.
@safe package struct ColumnarColumn: Hashable, Sendable {
  package let name: String
  /// What its values are; nil for nested types and others that are not read.
  package let type: ColumnType?
  /// The file's own name of its type.
  package let typeName: String
  /// Whether values may be missing.
  package let isNullable: Bool
  /// How its values lie in a batch; `ns_column_null` where the type is not read.
  let layout: ColumnarLayout

  /// Whether its values come as numbers, dates, times and booleans, and not as text or bytes.
  package var isNumeric: Bool {
    switch type {
    case .boolean, .integer, .number, .float, .date, .timestamp: true
    case .text, .binary, nil: layout.isClock
    }
  }
}

/// How a column's values lie in memory, see `ns_column`.
struct ColumnarLayout: Hashable, Sendable {
  var kind: Int32
  var width: Int32
  var scale: Int32
  var unitDigits: Int32
  var hasZone: Int32
  /// The kind of a dictionary's indices.
  var indexKind: Int32

  init(_ column: ns_columnar_column) {
    kind = unsafe column.kind
    width = unsafe column.width
    scale = unsafe column.scale
    unitDigits = unsafe column.unit_digits
    hasZone = unsafe column.has_zone
    indexKind = unsafe column.index_kind
  }

  /// What the values are; nil where they are not read.
  var type: ColumnType? {
    guard kind >= 0 else { return nil }
    return switch ns_column_kind(UInt32(kind)) {
    case ns_column_boolean: .boolean
    case ns_column_int8, ns_column_int16, ns_column_int32, ns_column_int64, ns_column_uint8,
      ns_column_uint16, ns_column_uint32, ns_column_uint64:
      .integer
    case ns_column_float16, ns_column_float32: .float
    case ns_column_float64, ns_column_decimal: .number
    case ns_column_date32, ns_column_date64: .date
    case ns_column_timestamp: .timestamp
    case ns_column_binary, ns_column_large_binary, ns_column_fixed_binary: .binary
    default: .text  // times of day and columns of nothing too
    }
  }

  /// Whether the values are times of day.
  var isClock: Bool {
    kind == Int32(ns_column_time32.rawValue) || kind == Int32(ns_column_time64.rawValue)
  }
}

/// A row group, stripe or record batch.
package struct ColumnarGroup: Hashable, Sendable {
  package let rowCount: UInt64
  /// Bytes as they are stored, all columns together.
  package let storedByteCount: UInt64

  package init(rowCount: UInt64, storedByteCount: UInt64) {
    self.rowCount = rowCount
    self.storedByteCount = storedByteCount
  }
}

/// What a file says of the values of a column in one row group; each bound holds, but need not be
/// reached.
package struct ColumnarBounds: Hashable, Sendable {
  /// Least and greatest number, in the units of `ColumnType`; NaN may lie outside.
  package var numbers: ClosedRange<Double>?
  /// Least and greatest text by its bytes.
  package var texts: (least: [UInt8], greatest: [UInt8])? {
    guard let leastText, let greatestText else { return nil }
    return (leastText, greatestText)
  }
  /// Rows without a value, NaN not counted; nil where nobody says.
  package var nullCount: UInt64?
  private var leastText: [UInt8]?
  private var greatestText: [UInt8]?

  init(_ raw: ns_columnar_bounds) {
    if unsafe raw.has_numbers != 0, unsafe raw.minimum <= raw.maximum {
      numbers = unsafe raw.minimum...raw.maximum
    }
    nullCount = unsafe UInt64(exactly: raw.null_count)
    guard unsafe raw.has_texts != 0 else { return }
    leastText = unsafe Array(
      UnsafeBufferPointer(start: raw.minimum_text, count: raw.minimum_length))
    greatestText = unsafe Array(
      UnsafeBufferPointer(start: raw.maximum_text, count: raw.maximum_length))
  }
}

/// An open Parquet, ORC or Arrow IPC file; used by one thread at a time.
@safe package final class ColumnarFile {
  /// Most bytes that decoding holds at once where nothing else is said.
  package static let memoryLimit = 256 << 20

  /// What messages call it.
  package let name: String
  package let columns: [ColumnarColumn]
  package let groups: [ColumnarGroup]
  let raw: OpaquePointer
  private let source: ColumnarSource

  /// Opens a file and reads its metadata.
  ///
  /// - Parameters:
  ///   - format: What it has to be.
  ///   - name: What messages call it.
  ///   - byteCount: Its size.
  ///   - memoryLimit: Most bytes that decoding may hold at once.
  ///   - read: Fills a buffer with the bytes from an offset on, all of which lie in the file.
  /// - Throws: `ColumnarReadError`, or what `read` throws.
  package init(
    _ format: ColumnarFormat, name: String, byteCount: UInt64,
    memoryLimit: Int = ColumnarFile.memoryLimit,
    read: @escaping (UInt64, UnsafeMutableRawBufferPointer) throws -> Void
  ) throws {
    self.name = name
    source = unsafe ColumnarSource(read)
    var error = ns_columnar_error()
    var input = unsafe ns_columnar_input(
      context: Unmanaged.passUnretained(source).toOpaque(),
      size: Int64(clamping: byteCount), read_at: readBytes)
    let opened = unsafe ns_columnar_open(
      Int32(format.raw.rawValue), &input, Int64(memoryLimit), &error)
    guard let opened = unsafe opened else { throw source.failure(error, name) }
    unsafe raw = opened
    columns = unsafe (0..<ns_columnar_column_count(opened)).map { index in
      let column = unsafe ns_columnar_column_at(opened, index)
      let name = unsafe UnsafeRawBufferPointer(start: column.name, count: column.name_length)
      let layout = unsafe ColumnarLayout(column)
      return unsafe ColumnarColumn(
        name: String(decoding: name, as: UTF8.self), type: layout.type,
        typeName: String(cString: column.type_name), isNullable: column.is_nullable != 0,
        layout: layout)
    }
    groups = unsafe (0..<ns_columnar_group_count(opened)).map { index in
      let group = unsafe ns_columnar_group_at(opened, index)
      return ColumnarGroup(
        rowCount: UInt64(group.row_count), storedByteCount: UInt64(group.stored_byte_count))
    }
  }

  deinit { unsafe ns_columnar_close(raw) }

  /// Rows of all row groups.
  package var rowCount: UInt64 { groups.reduce(0) { $0 + $1.rowCount } }

  /// What the file says of a column in a row group.
  package func bounds(group: Int, column: Int) -> ColumnarBounds {
    precondition(groups.indices.contains(group) && columns.indices.contains(column))
    return unsafe ColumnarBounds(ns_columnar_bounds_at(raw, UInt32(group), UInt32(column)))
  }

  /// The most bytes that decoding has held at once.
  package var memoryPeak: Int { unsafe Int(ns_columnar_memory_peak(raw)) }

  /// The error of a call that has failed.
  func failure(_ error: ns_columnar_error) -> any Error { source.failure(error, name) }
}

/// The caller's bytes where C can ask for them.
@safe final class ColumnarSource {
  let read: (UInt64, UnsafeMutableRawBufferPointer) throws -> Void
  /// What `read` threw; whatever was made of it, that is the cause.
  var error: (any Error)?

  init(_ read: @escaping (UInt64, UnsafeMutableRawBufferPointer) throws -> Void) {
    unsafe self.read = unsafe read
  }

  func failure(_ raw: ns_columnar_error, _ name: String) -> any Error {
    if let error { return error }
    let text = unsafe withUnsafeBytes(of: raw.context) { context in
      unsafe String(decoding: context.prefix { $0 != 0 }, as: UTF8.self)
    }
    let code: ColumnarReadError.Code =
      switch ns_columnar_code(UInt32(raw.code)) {
      case ns_columnar_damaged: .damaged
      case ns_columnar_unsupported: .unsupported
      case ns_columnar_limit: .limit
      default: .other(raw.code)
      }
    return ColumnarReadError(code: code, context: "\(name): \(text)")
  }
}

private let readBytes:
  @convention(c) (UnsafeMutableRawPointer?, Int64, Int64, UnsafeMutablePointer<UInt8>) -> Int32 = {
    context, offset, count, buffer in
    guard let context = unsafe context else { return 1 }
    let source = unsafe Unmanaged<ColumnarSource>.fromOpaque(context).takeUnretainedValue()
    do {
      unsafe try source.read(
        UInt64(offset), UnsafeMutableRawBufferPointer(start: buffer, count: Int(count)))
      return 0
    } catch {
      source.error = error
      return 1
    }
  }
