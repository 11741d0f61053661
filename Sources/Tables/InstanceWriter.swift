import CKernels

/// Writes records, or some of their columns, back as text: the instance beside a prediction.
///
/// In JSON a field that is a JSON number and not in quotes stays as it is written, a null word
/// not in quotes is null, and everything else is a string. In CSV a field keeps its text, and
/// gets quotes only where it needs them.
@safe package struct InstanceWriter: ~Copyable {
  let columns: [Int]
  private let names: [String]
  private let nullWords: NullWords
  private let delimiter: UInt8
  private let columnNumbers: UnsafeMutableBufferPointer<UInt32>
  private let keys: UnsafeMutableBufferPointer<UInt8>
  private let keyEnds: UnsafeMutableBufferPointer<UInt32>
  private let keyByteCount: Int
  private let copiesWholeRecords: Bool
  /// The kernel's view of the three buffers and the null words.
  private var layout: ns_csv_layout

  /// Prepares to write some columns.
  ///
  /// - Parameters:
  ///   - columns: Which fields, in this order, none twice.
  ///   - header: The names of all fields.
  ///   - nullWords: The words that mean "no value".
  ///   - delimiter: What is put between CSV fields.
  ///   - copiesWholeRecords: Whether a JSON object is the line it was read from, where it was: with
  ///     members that are no columns too.
  package init(
    columns: [Int], header: CSVHeader, nullWords: NullWords, delimiter: UInt8 = UInt8(ascii: ","),
    copiesWholeRecords: Bool = false
  ) {
    precondition(columns.allSatisfy(header.names.indices.contains))
    // The room set aside for a record counts each of its bytes once.
    precondition(Set(columns).count == columns.count)
    self.columns = columns
    self.nullWords = nullWords
    self.delimiter = delimiter
    self.copiesWholeRecords = copiesWholeRecords
    names = columns.map { header.names[$0] }
    var text = TextBuffer(capacity: 1_024)
    var ends: [UInt32] = []
    for (index, name) in names.enumerated() {
      if index > 0 { text.append(UInt8(ascii: ",")) }
      text.appendJSONString(name)
      text.append(UInt8(ascii: ":"))
      ends.append(UInt32(text.count))
    }
    keyByteCount = text.count
    let padding = [UInt8](repeating: 0, count: Int(NS_CSV_PADDING))
    unsafe keys = allocated(text.copy() + padding)
    unsafe keyEnds = allocated(ends)
    unsafe columnNumbers = allocated(columns.map(UInt32.init))
    unsafe layout = ns_csv_layout(
      columns: columnNumbers.baseAddress, column_count: UInt32(columns.count),
      keys: keys.baseAddress, key_ends: keyEnds.baseAddress, nulls: nullWords.raw)
  }

  deinit {
    unsafe keys.deallocate()
    unsafe keyEnds.deallocate()
    unsafe columnNumbers.deallocate()
  }

  /// Appends `{"name":value,…}`; the record has no error.
  package mutating func appendJSONObject(
    of record: Int, in tile: borrowing RecordTile, to output: inout TextBuffer
  ) {
    guard copiesRecords(of: tile) else {
      return appendJSON(of: record, in: tile, isObject: true, to: &output)
    }
    precondition(tile.error(of: record) == nil)
    unsafe output.append(trimmed(tile.text(of: record)))
  }

  /// Appends `[value,…]`; the record has no error.
  package mutating func appendJSONArray(
    of record: Int, in tile: borrowing RecordTile, to output: inout TextBuffer
  ) {
    appendJSON(of: record, in: tile, isObject: false, to: &output)
  }

  /// Appends the fields with delimiters between them, without a line end.
  package mutating func appendCSV(
    of record: Int, in tile: borrowing RecordTile, to output: inout TextBuffer
  ) {
    for index in columns.indices {
      if index > 0 { output.append(delimiter) }
      let field = unsafe tile.field(record, columns[index])
      if unsafe field.isJSON {
        unsafe appendJSONValue(field, to: &output)
        continue
      }
      // A null word in quotes is text; a lone empty field without quotes would be a blank line.
      let mustQuote =
        unsafe (field.isQuoted && nullWords.contains(field.bytes))
        || (columns.count == 1 && field.bytes.isEmpty)
      // Texts of columnar files and databases are quoted too, but their quotes stand once.
      unsafe appendCSV(
        field.bytes, isDoubled: field.hasEscapedQuotes, mustQuote: mustQuote, to: &output)
    }
  }

  /// Appends the columns' names as a CSV header, without a line end.
  package func appendCSVHeader(to output: inout TextBuffer) {
    for index in names.indices {
      if index > 0 { output.append(delimiter) }
      var name = names[index]
      name.withUTF8 { bytes in
        unsafe appendCSV(
          bytes, isDoubled: false, mustQuote: names.count == 1 && bytes.isEmpty, to: &output)
      }
    }
  }

  /// Whether a record is copied as it stands in the input.
  func copiesRecords(of tile: borrowing RecordTile) -> Bool { tile.isJSON && copiesWholeRecords }

  /// Room for a record's fields as text, whatever its form, beside 6 bytes for each of
  /// `tile.byteCount(of: columns, record)`.
  func room(in tile: borrowing RecordTile) -> Int {
    precondition(columns.allSatisfy { $0 < tile.expectedFieldCount })
    return 6 * tile.addedByteCount + 8 * columns.count + keyByteCount + Int(NS_CSV_PADDING)
  }

  /// Gives a kernel what it has to know of the columns.
  mutating func withLayout(_ body: (UnsafePointer<ns_csv_layout>) -> Void) {
    unsafe withUnsafePointer(to: &layout) { unsafe body($0) }
  }

  private mutating func appendJSON(
    of record: Int, in tile: borrowing RecordTile, isObject: Bool, to output: inout TextBuffer
  ) {
    precondition(tile.error(of: record) == nil)
    guard let window = unsafe tile.window else { return }
    let span = unsafe tile.records + record
    let bound = 6 * tile.byteCount(of: columns, record) + room(in: tile)
    unsafe output.append(bound: bound) { target in
      tile.isJSON
        ? unsafe ns_json_write(window, span, tile.fields, &layout, isObject ? 1 : 0, target)
        : unsafe ns_csv_write_json(window, span, tile.fields, &layout, isObject ? 1 : 0, target)
    }
  }

  /// Appends a value of a JSON line as a CSV field.
  private func appendJSONValue(_ field: RecordTile.Field, to output: inout TextBuffer) {
    let mustQuote = unsafe field.bytes.isEmpty && (field.isQuoted || columns.count == 1)
    guard unsafe field.hasBackslashes else {
      return unsafe appendCSV(field.bytes, isDoubled: false, mustQuote: mustQuote, to: &output)
    }
    var unescaped = unsafe TextBuffer(capacity: field.bytes.count)
    unsafe unescaped.append(text: field)
    unsafe unescaped.withUnsafeBytes { text in
      unsafe appendCSV(
        text.assumingMemoryBound(to: UInt8.self), isDoubled: false, mustQuote: mustQuote,
        to: &output)
    }
  }

  /// Appends one CSV field; `isDoubled` says that quotes in it stand twice already.
  private func appendCSV(
    _ text: UnsafeBufferPointer<UInt8>, isDoubled: Bool, mustQuote: Bool,
    to output: inout TextBuffer
  ) {
    let needsQuotes: Bool
    if mustQuote {
      needsQuotes = true
    } else if let start = text.baseAddress {
      needsQuotes = unsafe ns_csv_needs_quotes(start, text.count, delimiter) == 1
    } else {
      needsQuotes = false
    }
    guard needsQuotes else {
      unsafe output.append(text)
      return
    }
    output.append(UInt8(ascii: "\""))
    if isDoubled {
      unsafe output.append(text)
    } else {
      unsafe output.appendConverted(text, growth: 2, ns_csv_double_quotes)
    }
    output.append(UInt8(ascii: "\""))
  }
}

/// JSON without the space around it.
private func trimmed(_ text: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8> {
  func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0D }
  let first = unsafe text.firstIndex { !isSpace($0) } ?? 0
  let last = unsafe text.lastIndex { !isSpace($0) } ?? -1
  return unsafe UnsafeBufferPointer(rebasing: text[first..<last + 1])
}

/// A copy of elements that is not moved; whoever gets it frees it.
func allocated<Element>(_ elements: [Element]) -> UnsafeMutableBufferPointer<Element> {
  let buffer = UnsafeMutableBufferPointer<Element>.allocate(capacity: max(elements.count, 1))
  _ = unsafe buffer.initialize(from: elements)
  return unsafe buffer
}
