import CKernels
import Columnar

/// A batch of a columnar file on its way into tiles, with what its dictionaries stand for.
@safe final class ColumnarTileBatch {
  private let batch: ColumnarBatch
  /// The row in the file of the next row.
  private(set) var position: UInt64
  /// Rows that were taken.
  private var taken = 0
  /// For each column of the selection its dictionary.
  private let dictionaries: [RenderedDictionary?]
  private let areUTF8: [Bool]
  /// For each column with a dictionary the codes of the next rows.
  private var codes: [[Int32]]

  init(_ batch: ColumnarBatch, position: UInt64, columns: ColumnarTileColumns) {
    self.batch = batch
    self.position = position
    let places = columns.columns.indices
    let dictionaries = places.map { place in
      unsafe batch.dictionary(ofColumn: place).map { values, count in
        unsafe RenderedDictionary(values, count: count, columns.columns[place])
      }
    }
    self.dictionaries = dictionaries
    areUTF8 = places.map { place in
      if let dictionary = dictionaries[place] { return dictionary.isUTF8 }
      guard columns.columns[place].isText else { return true }
      var values = unsafe batch.values(ofColumn: place)
      return unsafe ns_column_is_utf8(&values, UInt32(batch.rowCount)) != 0
    }
    codes = dictionaries.map { dictionary in
      dictionary == nil ? [] : Array(repeating: -1, count: RecordTile.recordLimit)
    }
  }

  /// Rows that are left.
  var leftCount: Int { batch.rowCount - taken }

  /// Takes rows off.
  func move(by count: Int) {
    taken += count
    position += UInt64(count)
  }

  /// Whether all text of a column is UTF-8.
  func isUTF8(_ place: Int) -> Bool { areUTF8[place] }

  private func values(_ place: Int) -> ns_column {
    var values = unsafe batch.values(ofColumn: place)
    unsafe values.first += Int64(taken)
    return unsafe values
  }

  /// Reads the codes of the next rows, before anything else is asked about them.
  func findCodes(count: Int) {
    precondition(count <= min(leftCount, RecordTile.recordLimit))
    for place in dictionaries.indices where dictionaries[place] != nil {
      var values = unsafe values(place)
      unsafe codes[place].withUnsafeMutableBufferPointer { codes in
        guard let start = codes.baseAddress else { return }
        unsafe ns_column_codes(&values, UInt32(count), start)
      }
    }
  }

  /// Most bytes that the next rows of a column take as text.
  func textLength(_ place: Int, count: Int) -> Int {
    guard let dictionary = dictionaries[place] else {
      var values = unsafe values(place)
      return unsafe Int(clamping: ns_column_length(&values, UInt32(count)))
    }
    return unsafe codes[place].withUnsafeBufferPointer { codes in
      guard let start = codes.baseAddress else { return 0 }
      return unsafe Int(
        clamping: ns_column_gather_length(start, UInt32(count), dictionary.fields))
    }
  }

  /// The same, row by row.
  func addTextLengths(_ place: Int, count: Int, to lengths: inout [UInt32]) {
    unsafe lengths.withUnsafeMutableBufferPointer { lengths in
      guard let lengths = lengths.baseAddress else { return }
      guard let dictionary = dictionaries[place] else {
        var values = unsafe values(place)
        return unsafe ns_column_add_lengths(&values, UInt32(count), lengths)
      }
      unsafe codes[place].withUnsafeBufferPointer { codes in
        guard let start = codes.baseAddress else { return }
        unsafe ns_column_gather_add_lengths(start, UInt32(count), dictionary.fields, lengths)
      }
    }
  }

  /// Reads the next rows of a column as numbers.
  func readNumbers(
    _ place: Int, count: Int, into output: UnsafeMutablePointer<Double>, _ isa: ns_isa
  ) {
    guard let dictionary = dictionaries[place] else {
      var values = unsafe values(place)
      return unsafe ns_column_numbers(&values, UInt32(count), output, 1, isa)
    }
    unsafe codes[place].withUnsafeBufferPointer { codes in
      unsafe dictionary.numbers.withUnsafeBufferPointer { numbers in
        guard let start = codes.baseAddress, let numbers = numbers.baseAddress else { return }
        unsafe ns_column_gather_numbers(start, UInt32(count), numbers, output, 1)
      }
    }
  }

  /// Writes the next rows of a column as text; the window has room.
  func render(
    _ place: Int, count: Int, into window: TileWindow, _ fields: UnsafeMutablePointer<ns_csv_field>,
    stride: Int
  ) {
    guard let dictionary = dictionaries[place] else {
      var values = unsafe values(place)
      return unsafe window.append { start, position in
        unsafe ns_column_render(&values, UInt32(count), start, position, fields, stride)
      }
    }
    unsafe codes[place].withUnsafeBufferPointer { codes in
      guard let codes = codes.baseAddress else { return }
      unsafe window.append { start, position in
        unsafe ns_column_gather(
          codes, UInt32(count), dictionary.fields, dictionary.texts.start, start, position, fields,
          stride)
      }
    }
  }

  /// Gives each text of the next rows a number that follows from it alone.
  func hash(
    _ place: Int, count: Int, _ window: TileWindow, _ fields: UnsafePointer<ns_csv_field>,
    stride: Int, into hashes: UnsafeMutablePointer<UInt64>
  ) {
    guard let dictionary = dictionaries[place] else {
      return unsafe ns_column_hash_fields(fields, stride, UInt32(count), window.start, hashes)
    }
    unsafe codes[place].withUnsafeBufferPointer { codes in
      unsafe dictionary.hashes.withUnsafeBufferPointer { known in
        guard let codes = codes.baseAddress, let known = known.baseAddress else { return }
        unsafe ns_column_gather_hashes(
          codes, UInt32(count), known, known[dictionary.count], hashes)
      }
    }
  }

  /// Notes the next rows' codes, for whoever asks for them.
  ///
  /// - Returns: false where the column has no dictionary.
  func noteCodes(
    _ place: Int, column: Int, count: Int, at start: Int, in textCodes: TextCodes
  ) -> Bool {
    guard let dictionary = dictionaries[place] else { return false }
    unsafe codes[place].withUnsafeBufferPointer { codes in
      guard let codes = codes.baseAddress else { return }
      unsafe textCodes.note(
        codes, of: dictionary, column: column, records: start..<start + count)
    }
    return true
  }
}

/// The values of a dictionary as text and as numbers.
@safe final class RenderedDictionary {
  let isUTF8: Bool
  /// Number of values.
  let count: Int
  /// One for each value, and an empty one.
  let fields: UnsafeMutablePointer<ns_csv_field>
  let texts: TileWindow
  let numbers: [Double]
  /// What `ns_column_hash_fields` gives for each field.
  let hashes: [UInt64]
  private var codes: [Int32]?
  /// What `codes` are codes of; another reader may take over.
  private var mappedTexts: CodedTexts?

  init(_ values: ns_column, count: Int, _ column: ColumnarTileColumns.Column) {
    var values = unsafe values
    self.count = count
    let rows = UInt32(count)
    isUTF8 = unsafe ns_column_is_utf8(&values, rows) != 0
    let fields = UnsafeMutablePointer<ns_csv_field>.allocate(capacity: count + 1)
    unsafe fields.initialize(repeating: ns_csv_field(), count: count + 1)
    unsafe self.fields = unsafe fields
    let texts = TileWindow(capacity: 0)
    self.texts = texts
    if column.isText {
      unsafe texts.reserve(Int(clamping: ns_column_length(&values, rows)))
      unsafe texts.append { start, position in
        unsafe ns_column_render(&values, rows, start, position, fields, 1)
      }
    }
    var numbers = Array(repeating: Double.nan, count: column.isNumber ? max(1, count) : 0)
    unsafe numbers.withUnsafeMutableBufferPointer { numbers in
      guard let start = numbers.baseAddress, column.isNumber else { return }
      unsafe ns_column_numbers(&values, rows, start, 1, ns_isa_portable)
    }
    self.numbers = numbers
    var hashes = [UInt64](repeating: 0, count: count + 1)
    unsafe hashes.withUnsafeMutableBufferPointer { hashes in
      guard let start = hashes.baseAddress else { return }
      unsafe ns_column_hash_fields(fields, 1, rows + 1, texts.start, start)
    }
    self.hashes = hashes
  }

  deinit { unsafe fields.deallocate() }

  /// What codes its values have among all texts; nil where they are too many.
  func map(to coded: CodedTexts) -> [Int32]? {
    guard mappedTexts !== coded else { return codes }
    mappedTexts = coded
    codes = nil
    var map: [Int32] = []
    map.reserveCapacity(max(1, count))
    for index in 0..<count {
      let field = unsafe fields[index]
      // A value that is missing in the dictionary is a missing value.
      guard field.length_and_flags & NS_CSV_QUOTED != 0 else {
        map.append(-1)
        continue
      }
      let text = unsafe UnsafeBufferPointer(
        start: texts.start + Int(field.start),
        count: Int(field.length_and_flags & NS_CSV_LENGTH_MASK))
      guard let code = unsafe coded.code(of: Array(text)) else { return nil }
      map.append(code)
    }
    if map.isEmpty { map.append(-1) }
    codes = map
    return map
  }
}
