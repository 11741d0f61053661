import Columnar
import Jobs

/// A small table of every type, as rows of values, and what the encoder makes of it.
struct WriteTable {
  let columns: [ResultColumn]
  var rows: [[ColumnarValue]]

  static let allColumns = ColumnType.allCases.map { ResultColumn(name: "c_\($0)", type: $0) }

  /// Rows of random values and nulls; a third of the texts is not ASCII.
  static func random(rowCount: Int, seed: UInt64, nullPart: Int = 5) -> WriteTable {
    var generator = SeededNumbers(state: seed)
    let rows = (0..<rowCount).map { _ in
      allColumns.map { column in
        Int.random(in: 0..<nullPart, using: &generator) == 0
          ? .null : value(column.type, &generator)
      }
    }
    return WriteTable(columns: allColumns, rows: rows)
  }

  private static func value(
    _ type: ColumnType, _ generator: inout SeededNumbers
  ) -> ColumnarValue {
    let bits = generator.next()
    switch type {
    case .boolean: return .boolean(bits & 1 == 1)
    case .integer: return .integer(Int64(bitPattern: bits) >> (bits % 60))
    case .number:
      let number = Double(bitPattern: bits)
      return .number(number.isNaN ? -0.0 : number)
    case .float: return .float(Float(bits % 1_000_000) / 7)
    case .text:
      let pieces = ["", "x", "naïve", "東京", "a,\"b\"\n", "\u{0}", "😀"]
      return .text(Array((pieces[Int(bits % 7)] + String(bits % 100)).utf8))
    case .binary: return .binary((0..<Int(bits % 9)).map { UInt8(truncatingIfNeeded: bits >> $0) })
    case .date: return .date(Int32(bits % 60_000) - 20_000)
    case .timestamp: return .timestamp(Int64(bits % 4_000_000_000_000_000) - 1_000_000_000_000)
    }
  }

  /// Each run of rows as one block, its rows in batches of at most `batchRowCount`.
  func blocks(of rowCounts: [Int], batchRowCount: Int = .max) throws -> [[UInt8]] {
    var encoder = try ColumnarBlockEncoder(columns: columns)
    var blocks: [[UInt8]] = []
    var next = 0
    for rowCount in rowCounts {
      var bytes: [UInt8] = []
      var left = rowCount
      while left > 0 {
        let count = min(left, batchRowCount)
        let memory = WriteColumns(columns, rows[next..<next + count])
        try unsafe encoder.append(rowCount: count, memory.spans) { bytes += unsafe Array($0) }
        next += count
        left -= count
      }
      try unsafe encoder.endBlock { bytes += unsafe Array($0) }
      blocks.append(bytes)
    }
    return blocks
  }
}

/// SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
struct SeededNumbers: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}

/// Rows as columns in memory that spans point into.
@safe final class WriteColumns {
  private var taken: [UnsafeMutableRawPointer] = unsafe []
  private(set) var spans: [ColumnSpan] = unsafe []

  init(_ columns: [ResultColumn], _ rows: ArraySlice<[ColumnarValue]>) {
    for (index, column) in columns.enumerated() {
      let values = rows.map { $0[index] }
      let validity = bits(values.map { $0 != .null })
      let hasNulls = values.contains(.null)
      var offsets: UnsafePointer<Int32>?
      let bytes = unsafe bytes(of: values, column.type, &offsets)
      unsafe spans.append(
        ColumnSpan(
          validity: hasNulls ? keep(validity).assumingMemoryBound(to: UInt8.self) : nil,
          values: keep(bytes), offsets: offsets))
    }
  }

  deinit {
    for index in unsafe taken.indices { unsafe taken[index].deallocate() }
  }

  private func bytes(
    of values: [ColumnarValue], _ type: ColumnType, _ offsets: inout UnsafePointer<Int32>?
  ) -> [UInt8] {
    var bytes: [UInt8] = []
    var ends: [Int32] = [0]
    for value in values {
      switch value {
      case .boolean: break
      case .integer(let number), .timestamp(let number): bytes += Self.bytes(number)
      case .number(let number): bytes += Self.bytes(number.bitPattern)
      case .float(let number): bytes += Self.bytes(number.bitPattern)
      case .date(let days): bytes += Self.bytes(days)
      case .text(let text), .binary(let text): bytes += text
      case .null: bytes += [UInt8](repeating: 0, count: Self.width(of: type))
      }
      ends.append(Int32(bytes.count))
    }
    if type == .boolean { return bits(values.map { $0 == .boolean(true) }) }
    if type == .text || type == .binary {
      unsafe offsets = unsafe UnsafePointer(
        keep(ends.flatMap { Self.bytes($0) }).assumingMemoryBound(to: Int32.self))
    }
    return bytes
  }

  private static func width(of type: ColumnType) -> Int {
    switch type {
    case .boolean, .text, .binary: 0
    case .integer, .number, .timestamp: 8
    case .float, .date: 4
    }
  }

  private static func bytes(_ number: some FixedWidthInteger) -> [UInt8] {
    unsafe withUnsafeBytes(of: number.littleEndian) { unsafe Array($0) }
  }

  private func bits(_ flags: [Bool]) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: (flags.count + 7) / 8)
    for (index, flag) in flags.enumerated() where flag { bytes[index / 8] |= 1 << (index % 8) }
    return bytes
  }

  private func keep(_ bytes: [UInt8]) -> UnsafeMutableRawPointer {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes.count + 8, alignment: 8)
    unsafe memory.initializeMemory(as: UInt8.self, repeating: 0, count: bytes.count + 8)
    for (index, byte) in bytes.enumerated() {
      unsafe memory.storeBytes(of: byte, toByteOffset: index, as: UInt8.self)
    }
    unsafe taken.append(memory)
    return unsafe memory
  }
}

/// Writes a file from blocks, their bytes in pieces.
func writeFile(
  _ format: ColumnarFileFormat, _ blocks: [[UInt8]], columns: [ResultColumn],
  pieceByteCount: Int = .max, isCompressed: Bool = true, rowCountPerGroup: Int = 300
) throws -> [UInt8] {
  final class Output {
    var bytes: [UInt8] = []
  }
  let output = Output()
  let writer = try unsafe ColumnarFileWriter(
    columns: columns, format: format, isCompressed: isCompressed, version: "0.0.0",
    properties: [("nightshift.job", "17")], rowCountPerGroup: rowCountPerGroup
  ) { bytes in
    output.bytes += unsafe Array(bytes)
    return true
  }
  for block in blocks {
    var start = 0
    while start < block.count {
      let end = start + min(pieceByteCount, block.count - start)
      try writer.append(Array(block[start..<end]))
      start = end
    }
    _ = try writer.endBlock()
  }
  try writer.finish()
  return output.bytes
}
