import CKernels
import Digests
import Jobs

/// Adds to the records of a file the columns that its path's folders stand for.
///
/// A tile's text is copied and the values are put behind it, so that they are fields like others:
/// an integer as it is, any other value in quotes, and what is missing an empty field without.
@safe final class PartitionTileReader: TileReader {
  private let base: any TileReader
  private let fileColumnCount: Int
  /// The values as fields of CSV and as fields of JSON lines.
  private let delimited: AddedFields
  private let json: AddedFields
  private var text: UnsafeMutableBufferPointer<UInt8>

  /// - Parameters:
  ///   - base: Reads the file.
  ///   - partitions: The columns and their values.
  ///   - fileColumnCount: Columns of the file.
  init(_ base: any TileReader, _ partitions: HivePartitions, fileColumnCount: Int) {
    self.base = base
    self.fileColumnCount = fileColumnCount
    delimited = AddedFields(partitions, isJSON: false)
    json = AddedFields(partitions, isJSON: true)
    unsafe text = .allocate(capacity: 1 << 20)
  }

  deinit { unsafe text.deallocate() }

  /// See the file's reader.
  var boundStates: [RangeState] { base.boundStates }

  /// See the file's reader.
  func inputDigest(ofBlock index: Int) -> Digest128 { base.inputDigest(ofBlock: index) }

  /// See the file's reader.
  func prunedCount(ofBlock index: Int) -> UInt64 { base.prunedCount(ofBlock: index) }

  /// Reads the file's next tile and adds the columns.
  func readTile(into tile: inout RecordTile) throws -> Bool {
    tile.addedColumnCount = 0
    tile.addedByteCount = 0
    guard try base.readTile(into: &tile) else { return false }
    precondition(tile.expectedFieldCount == fileColumnCount)
    let fields = tile.isJSON ? json : delimited
    addFields(fields, to: &tile, valuesStart: copyText(of: &tile, and: fields.values))
    tile.expectedFieldCount += fields.spans.count
    tile.addedColumnCount = fields.spans.count
    tile.addedByteCount = fields.values.count
    return true
  }

  /// Moves the tile's text to a window of our own, the values behind it.
  ///
  /// - Returns: Where the values begin, counted as the tile's spans are.
  private func copyText(of tile: inout RecordTile, and values: [UInt8]) -> Int {
    var (begin, end) = (Int.max, 0)
    for record in 0..<tile.count {
      let span = unsafe tile.records[record]
      begin = min(begin, Int(span.start))
      end = max(end, Int(span.start) + Int(span.length))
      // Fields of columnar files may lie anywhere in the window.
      guard Int(span.error) == NS_CSV_OK || Int(span.error) == NS_CSV_INVALID_UTF8 else { continue }
      for index in 0..<fileColumnCount {
        let field = unsafe tile.fields[Int(span.first_field) + index]
        begin = min(begin, Int(field.start))
        end = max(end, Int(field.start) + Int(field.length_and_flags & NS_CSV_LENGTH_MASK))
      }
    }
    let (count, padding) = (end - begin, Int(NS_CSV_PADDING))
    // Numbers are read with the bytes before them, so the text is padded in front too.
    let needed = padding + count + padding + values.count + padding
    if unsafe text.count < needed {
      unsafe text.deallocate()
      unsafe text = .allocate(capacity: max(needed, 2 * text.count))
    }
    guard let window = unsafe tile.window, let start = unsafe text.baseAddress else { return 0 }
    unsafe start.update(repeating: 0, count: padding)
    let output = unsafe start + padding
    unsafe output.update(from: window + begin, count: count)
    unsafe (output + count).update(repeating: 0, count: padding)
    unsafe values.withUnsafeBufferPointer { values in
      guard let first = values.baseAddress else { return }
      unsafe (output + count + padding).update(from: first, count: values.count)
    }
    unsafe (start + needed - padding).update(repeating: 0, count: padding)
    // Kernels may load the window's first bytes for nothing, so it has to begin where text does.
    unsafe tile.window = UnsafePointer(start)
    let shift = UInt32(truncatingIfNeeded: begin - padding)
    moveSpans(of: tile, by: shift)
    tile.windowOffset &+= UInt64(bitPattern: Int64(begin - padding))
    return padding + count + padding
  }

  /// Lowers all positions in the tile.
  private func moveSpans(of tile: borrowing RecordTile, by shift: UInt32) {
    for record in 0..<tile.count {
      unsafe tile.records[record].start &-= shift
      let span = unsafe tile.records[record]
      for index in 0..<fieldCount(of: span) {
        unsafe tile.fields[Int(span.first_field) + index].start &-= shift
      }
    }
  }

  /// Puts the new fields behind those of each record, the last record first.
  private func addFields(
    _ fields: AddedFields, to tile: inout RecordTile, valuesStart: Int
  ) {
    let added = fields.spans.count
    var oldEnd = 0
    for record in 0..<tile.count {
      let span = unsafe tile.records[record]
      oldEnd = max(oldEnd, Int(span.first_field) + fieldCount(of: span))
    }
    let newCount = oldEnd + added * tile.count
    while Int(tile.fieldCapacity) < newCount { tile.growFields(keeping: oldEnd) }
    for record in (0..<tile.count).reversed() {
      let span = unsafe tile.records[record]
      let (old, count) = (Int(span.first_field), fieldCount(of: span))
      let new = old + added * record
      unsafe (tile.fields + new).update(from: tile.fields + old, count: count)
      unsafe tile.records[record].first_field = UInt32(new)
      guard count == fileColumnCount else { continue }
      for (index, value) in fields.spans.enumerated() {
        unsafe tile.fields[new + count + index] = ns_csv_field(
          start: UInt32(valuesStart + value.start),
          length_and_flags: UInt32(value.length) | value.flags)
      }
    }
  }

  /// How many fields of a record there are in the tile.
  private func fieldCount(of span: ns_csv_record) -> Int {
    let hasFields = Int(span.error) == NS_CSV_OK || Int(span.error) == NS_CSV_INVALID_UTF8
    return hasFields ? fileColumnCount : 0
  }
}

/// Values in the form that a tile has fields in.
private struct AddedFields {
  /// The values one after the other, and where each stands.
  private(set) var values: [UInt8] = []
  private(set) var spans: [(start: Int, length: Int, flags: UInt32)] = []

  init(_ partitions: HivePartitions, isJSON: Bool) {
    for column in partitions.columns {
      let (start, value) = (values.count, column.value ?? "")
      let isPlain = column.value == nil || Int64(value)?.description == value
      values += isJSON ? Self.escaped(value) : Array(value.replacing("\"", with: "\"\"").utf8)
      let length = values.count - start
      let isEscaped = length != value.utf8.count
      let mark = isJSON ? NS_CSV_JSON_ESCAPED : NS_CSV_ESCAPED
      spans.append((start, length, (isPlain ? 0 : NS_CSV_QUOTED) | (isEscaped ? mark : 0)))
    }
  }

  /// The inside of a JSON string.
  private static func escaped(_ text: String) -> [UInt8] {
    var buffer = TextBuffer()
    buffer.appendJSONString(text)
    return Array(buffer.copy().dropFirst().dropLast())
  }
}
