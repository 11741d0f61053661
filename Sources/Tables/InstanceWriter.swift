import CKernels

/// Writes records, or some of their columns, back as text: the instance beside a prediction.
///
/// In JSON a field that is a JSON number and not in quotes stays as it is written, a null word
/// not in quotes is null, and everything else is a string. In CSV a field keeps its text, and
/// gets quotes only where it needs them.
@safe package struct InstanceWriter: ~Copyable {
  private let columns: [Int]
  private let nullWords: NullWords
  private let delimiter: UInt8
  /// For each column its name as a JSON key with the colon, after the first with a comma before.
  private let keys: [[UInt8]]
  private let names: [String]
  private var scratch = TextBuffer(capacity: 1_024)

  /// Prepares to write some columns.
  ///
  /// - Parameters:
  ///   - columns: Which fields, in this order.
  ///   - header: The names of all fields.
  ///   - nullWords: The words that mean "no value".
  ///   - delimiter: What is put between CSV fields.
  package init(
    columns: [Int], header: CSVHeader, nullWords: NullWords, delimiter: UInt8 = UInt8(ascii: ",")
  ) {
    precondition(columns.allSatisfy(header.names.indices.contains))
    self.columns = columns
    self.nullWords = nullWords
    self.delimiter = delimiter
    names = columns.map { header.names[$0] }
    keys = names.enumerated().map { index, name in
      var key = TextBuffer(capacity: 64)
      if index > 0 { key.append(UInt8(ascii: ",")) }
      key.appendJSONString(name)
      key.append(UInt8(ascii: ":"))
      return key.copy()
    }
  }

  /// Appends `{"name":value,…}`.
  package mutating func appendJSONObject(
    of record: Int, in tile: borrowing RecordTile, to output: inout TextBuffer
  ) {
    output.append(UInt8(ascii: "{"))
    for index in columns.indices {
      output.append(keys[index])
      unsafe appendJSON(tile.field(record, columns[index]), to: &output)
    }
    output.append(UInt8(ascii: "}"))
  }

  /// Appends `[value,…]`.
  package mutating func appendJSONArray(
    of record: Int, in tile: borrowing RecordTile, to output: inout TextBuffer
  ) {
    output.append(UInt8(ascii: "["))
    for index in columns.indices {
      if index > 0 { output.append(UInt8(ascii: ",")) }
      unsafe appendJSON(tile.field(record, columns[index]), to: &output)
    }
    output.append(UInt8(ascii: "]"))
  }

  /// Appends one field as a JSON value.
  package mutating func appendJSONValue(
    of record: Int, column: Int, in tile: borrowing RecordTile, to output: inout TextBuffer
  ) {
    unsafe appendJSON(tile.field(record, column), to: &output)
  }

  /// Appends the fields with delimiters between them, without a line end.
  package mutating func appendCSV(
    of record: Int, in tile: borrowing RecordTile, to output: inout TextBuffer
  ) {
    for index in columns.indices {
      if index > 0 { output.append(delimiter) }
      let field = unsafe tile.field(record, columns[index])
      // A null word in quotes is text; a lone empty field without quotes would be a blank line.
      let mustQuote =
        unsafe (field.isQuoted && nullWords.contains(field.bytes))
        || (columns.count == 1 && field.bytes.isEmpty)
      unsafe appendCSV(field.bytes, isDoubled: field.isQuoted, mustQuote: mustQuote, to: &output)
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

  private mutating func appendJSON(_ field: RecordTile.Field, to output: inout TextBuffer) {
    let bytes = unsafe field.bytes
    if unsafe !field.isQuoted {
      if let start = bytes.baseAddress, unsafe ns_is_json_number(start, bytes.count) == 1 {
        unsafe output.append(bytes)
        return
      }
      if unsafe nullWords.contains(bytes) {
        output.append("null")
        return
      }
    }
    guard unsafe field.hasEscapedQuotes else {
      unsafe output.appendJSONString(bytes)
      return
    }
    scratch.removeAll()
    unsafe scratch.appendConverted(bytes, growth: 1, ns_csv_single_quotes)
    unsafe scratch.withUnsafeBytes { text in
      unsafe output.appendJSONString(text.assumingMemoryBound(to: UInt8.self))
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
