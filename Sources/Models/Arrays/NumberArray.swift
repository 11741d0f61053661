/// A table of numbers in NumPy's file format, versions 1 to 3.
///
/// Little-endian floats, doubles and integers in rows (C order) with one or two dimensions are read;
/// integers become doubles. See
/// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html.
package struct NumberArray: Sendable {
  package let rowCount: Int
  package let columnCount: Int
  /// Row after row.
  package let values: Values

  package enum Values: Sendable {
    case float32([Float])
    case float64([Double])
  }

  /// Reads a whole file.
  ///
  /// - Throws: `ModelError` naming what the header says.
  package init(_ bytes: [UInt8]) throws(ModelError) {
    let (header, start) = try Self.header(of: bytes)
    guard header.contains("'fortran_order': False") else {
      throw Self.error("the array is in columns; save it with numpy.ascontiguousarray")
    }
    let shape = try Self.shape(in: header)
    (rowCount, columnCount) = shape
    let (count, overflow) = rowCount.multipliedReportingOverflow(by: columnCount)
    let types = [("'<f4'", 4), ("'<f8'", 8), ("'<i4'", 4), ("'<i8'", 8)]
    guard let (type, width) = types.first(where: { header.contains($0.0) }) else {
      throw Self.error(
        "the type is none of float32, float64, int32, int64, little-endian", .unsupported)
    }
    guard !overflow, count <= (bytes.count - start) / width,
      count * width == bytes.count - start
    else {
      throw Self.error(
        "\(rowCount) × \(columnCount) numbers in \(bytes.count - start) bytes",
        .truncated)
    }
    values = unsafe bytes.withUnsafeBytes { raw in
      switch type {
      case "'<f4'": return unsafe .float32(Self.copy(raw, from: start, count: count))
      case "'<f8'": return unsafe .float64(Self.copy(raw, from: start, count: count))
      case "'<i4'":
        let numbers: [Int32] = unsafe Self.copy(raw, from: start, count: count)
        return .float64(numbers.map { Double($0) })
      default:
        let numbers: [Int64] = unsafe Self.copy(raw, from: start, count: count)
        return .float64(numbers.map { Double($0) })
      }
    }
  }

  private static func copy<Number: BitwiseCopyable>(
    _ raw: UnsafeRawBufferPointer, from start: Int, count: Int
  ) -> [Number] {
    unsafe [Number](unsafeUninitializedCapacity: count) { numbers, filled in
      unsafe UnsafeMutableRawBufferPointer(numbers).copyMemory(
        from: UnsafeRawBufferPointer(
          rebasing: raw[start..<start + count * MemoryLayout<Number>.size]))
      filled = count
    }
  }

  private static func header(
    of bytes: [UInt8]
  ) throws(ModelError) -> (text: String, end: Int) {
    guard bytes.count >= 12, bytes.starts(with: [0x93] + Array("NUMPY".utf8)) else {
      throw ModelError(code: .notAModel, context: "not a file in NumPy's format")
    }
    let isFirst = bytes[6] == 1
    let length =
      isFirst
      ? Int(bytes[8]) | Int(bytes[9]) << 8
      : Int(bytes[8]) | Int(bytes[9]) << 8 | Int(bytes[10]) << 16 | Int(bytes[11]) << 24
    let start = isFirst ? 10 : 12
    guard length <= 64 << 10, start + length <= bytes.count else {
      throw error("the header has \(length) bytes, the file \(bytes.count)", .truncated)
    }
    return (String(decoding: bytes[start..<start + length], as: UTF8.self), start + length)
  }

  /// The numbers between the parentheses after `'shape':`; one is a single row for each number.
  private static func shape(in header: String) throws(ModelError) -> (Int, Int) {
    let text = Array(header.utf8)
    guard let open = text.firstIndex(of: UInt8(ascii: "(")),
      let close = text[open...].firstIndex(of: UInt8(ascii: ")"))
    else { throw error("the header has no shape") }
    let parts = text[(open + 1)..<close].split(separator: UInt8(ascii: ","))
      .map { part in part.drop { $0 == UInt8(ascii: " ") } }
      .filter { !$0.isEmpty }
    let numbers = parts.compactMap { ByteText.integer($0) }
    guard numbers.count == parts.count, (1...2).contains(numbers.count),
      numbers.allSatisfy({ $0 >= 0 })
    else { throw error("the shape has not one or two dimensions", .unsupported) }
    return (numbers[0], numbers.count == 2 ? numbers[1] : 1)
  }

  private static func error(_ context: String, _ code: ModelError.Code = .malformed) -> ModelError {
    ModelError(code: code, context: "array: \(context)")
  }
}
