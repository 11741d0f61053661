import Columnar
import Jobs

/// One column of results that is put together tile by tile and kept in growing memory.
///
/// Rows without a value are zero in the values and clear in the bitmap, so that the bytes of a
/// batch follow from its values alone.
@safe final class ColumnBuffer {
  let type: ColumnType
  private(set) var count = 0
  /// Of text and binary.
  private(set) var textByteCount = 0
  /// Whether a row has no value; the bitmap is kept from the first such row on.
  private var hasNulls = false
  private var rowCapacity = 0
  private var textCapacity = 0
  private var values: UnsafeMutableRawPointer
  private var validity: UnsafeMutablePointer<UInt8>
  private var offsets: UnsafeMutablePointer<Int32>

  init(type: ColumnType) {
    self.type = type
    unsafe values = .allocate(byteCount: 8, alignment: 8)
    unsafe validity = .allocate(capacity: 1)
    unsafe offsets = .allocate(capacity: 1)
    unsafe offsets[0] = 0
  }

  deinit {
    unsafe values.deallocate()
    unsafe validity.deallocate()
    unsafe offsets.deallocate()
  }

  /// Whether rows are bytes of any number.
  var isText: Bool { type == .text || type == .binary }

  /// Bytes held, about.
  var byteCount: Int { isText ? textByteCount + 4 * count : valueByteCount(count) }

  /// The column as it is; valid until the next change.
  var span: ColumnSpan {
    unsafe ColumnSpan(
      validity: hasNulls ? UnsafePointer(validity) : nil, values: UnsafeRawPointer(values),
      offsets: isText ? UnsafePointer(offsets) : nil)
  }

  /// Empties the column, keeping its memory.
  func removeAll() {
    count = 0
    textByteCount = 0
    hasNulls = false
  }

  // MARK: Numbers

  /// Appends numbers of some records as `number` or `float`; NaN is no value.
  ///
  /// - Parameters:
  ///   - numbers: Record r's is `numbers[r * stride]`.
  ///   - stride: Distance of two records' numbers.
  ///   - records: Which, in order.
  func append(
    _ numbers: UnsafePointer<Double>, stride: Int, records: UnsafeBufferPointer<UInt16>
  ) {
    reserve(records.count)
    var nanCount = 0
    if type == .float {
      let target = unsafe values.assumingMemoryBound(to: Float.self) + count
      for index in records.indices {
        let number = unsafe numbers[Int(records[index]) &* stride]
        nanCount &+= number.isNaN ? 1 : 0
        unsafe target[index] = number.isNaN ? 0 : Float(number)
      }
    } else {
      let target = unsafe values.assumingMemoryBound(to: Double.self) + count
      for index in records.indices {
        let number = unsafe numbers[Int(records[index]) &* stride]
        nanCount &+= number.isNaN ? 1 : 0
        unsafe target[index] = number.isNaN ? 0 : number
      }
    }
    guard nanCount > 0 else { return appendPresent(records.count) }
    for index in records.indices {
      appendPresence(unsafe !numbers[Int(records[index]) &* stride].isNaN)
    }
  }

  /// Appends one number as `number` or `float`; NaN is no value.
  func append(_ number: Double) {
    let first: UInt16 = 0
    unsafe withUnsafePointer(to: number) { number in
      unsafe withUnsafePointer(to: first) { first in
        unsafe append(
          number, stride: 0, records: UnsafeBufferPointer(start: first, count: 1))
      }
    }
  }

  /// Appends what is there as a whole number, a day, a moment or a truth value; nil is no value.
  func append(_ number: Int64?) {
    reserve(1)
    let value = number ?? 0
    switch type {
    case .boolean:
      unsafe setBit(&values.assumingMemoryBound(to: UInt8.self)[count >> 3], value != 0)
    case .date: unsafe values.assumingMemoryBound(to: Int32.self)[count] = Int32(value)
    default: unsafe values.assumingMemoryBound(to: Int64.self)[count] = value
    }
    appendPresence(number != nil)
  }

  // MARK: Text

  /// Appends bytes.
  func append(_ text: UnsafeBufferPointer<UInt8>) {
    unsafe append(limit: text.count) { target in
      if let start = text.baseAddress { unsafe target.update(from: start, count: text.count) }
      return text.count
    }
  }

  /// Appends bytes that are written by the caller, at most `limit`; it answers how many.
  func append(limit: Int, _ write: (UnsafeMutablePointer<UInt8>) -> Int) {
    reserve(1)
    reserveText(limit)
    let written = unsafe write(values.assumingMemoryBound(to: UInt8.self) + textByteCount)
    precondition(written <= limit)
    endText(written, isPresent: true)
  }

  /// Appends a row without a value to a column of text.
  func appendNullText() {
    reserve(1)
    endText(0, isPresent: false)
  }

  private func endText(_ byteCount: Int, isPresent: Bool) {
    textByteCount += byteCount
    // Whoever appends flushes long before.
    precondition(textByteCount <= Int(Int32.max))
    unsafe offsets[count + 1] = Int32(truncatingIfNeeded: textByteCount)
    appendPresence(isPresent)
  }

  // MARK: Memory

  /// Counts rows that all have a value.
  private func appendPresent(_ rowCount: Int) {
    if hasNulls {
      for _ in 0..<rowCount { appendPresence(true) }
    } else {
      count += rowCount
    }
  }

  @inline(__always)
  private func appendPresence(_ isPresent: Bool) {
    if !isPresent, !hasNulls { beginNulls() }
    if hasNulls { unsafe setBit(&validity[count >> 3], isPresent) }
    count += 1
  }

  /// All rows so far have a value.
  private func beginNulls() {
    hasNulls = true
    for index in 0...(count >> 3) { unsafe validity[index] = 0xFF }
    unsafe validity[count >> 3] = UInt8((1 << (count & 7)) - 1)
  }

  /// Sets the next row's bit; the first row of a byte clears it.
  @inline(__always)
  private func setBit(_ byte: inout UInt8, _ isSet: Bool) {
    if count & 7 == 0 { byte = 0 }
    if isSet { byte |= 1 << UInt8(count & 7) }
  }

  /// Bytes of the values of rows that are not text.
  private func valueByteCount(_ rowCount: Int) -> Int {
    switch type {
    case .text, .binary: 0
    case .boolean: (rowCount + 7) / 8
    case .float, .date: 4 * rowCount
    case .integer, .number, .timestamp: 8 * rowCount
    }
  }

  @inline(__always)
  private func reserve(_ rowCount: Int) {
    if rowCount > rowCapacity - count { growRows(count + rowCount) }
  }

  private func growRows(_ wanted: Int) {
    let capacity = max(2 * rowCapacity, wanted, RecordTile.recordLimit)
    unsafe validity = Self.grown(validity, from: (rowCapacity + 7) / 8, to: (capacity + 7) / 8)
    if isText {
      unsafe offsets = Self.grown(offsets, from: count + 1, to: capacity + 1)
    } else {
      growValues(from: valueByteCount(rowCapacity), to: valueByteCount(capacity))
    }
    rowCapacity = capacity
  }

  @inline(__always)
  private func reserveText(_ byteCount: Int) {
    guard byteCount > textCapacity - textByteCount else { return }
    let capacity = max(2 * textCapacity, textByteCount + byteCount, 16 << 10)
    growValues(from: textByteCount, to: capacity)
    textCapacity = capacity
  }

  private func growValues(from byteCount: Int, to newByteCount: Int) {
    let larger = UnsafeMutableRawPointer.allocate(byteCount: max(newByteCount, 8), alignment: 64)
    unsafe larger.copyMemory(from: values, byteCount: byteCount)
    unsafe values.deallocate()
    unsafe values = larger
  }

  private static func grown<Element>(
    _ old: UnsafeMutablePointer<Element>, from count: Int, to newCount: Int
  ) -> UnsafeMutablePointer<Element> {
    let larger = UnsafeMutablePointer<Element>.allocate(capacity: max(newCount, 1))
    unsafe larger.update(from: old, count: count)
    unsafe old.deallocate()
    return unsafe larger
  }
}
