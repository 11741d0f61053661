import CKernels
import Columnar
import Digests
import Jobs

/// Turns rows of batches into records of tiles: which columns are read, and as what.
@safe final class ColumnarTileColumns {
  /// One column that is read.
  struct Column {
    /// Its number in the table.
    let index: Int
    let isNumber: Bool
    let isText: Bool
    /// Its number among those that come as text; 0 for others.
    var textPlace = 0
  }

  /// The columns' numbers, in the order they are read.
  let read: [Int]
  /// Those whose text may come with a dictionary.
  let dictionaryColumns: Set<Int>
  let columns: [Column]
  /// Fields of a record; those of columns that do not come as text are empty.
  let fieldCount: Int
  private let recordByteLimit: Int
  private let movesFields: Bool
  private let typedNumbers: TypedNumbers
  private let textCodes: TextCodes
  private let instructions = ns_isa_best()
  private let window = TileWindow()
  /// Bytes of the window that the tile's records may take, by kind and length alone.
  private var reservedCount = 0
  private var lengths: [UInt32]
  /// A number for each text of the tile, column after column, `RecordTile.recordLimit` each.
  private let hashes: UnsafeMutablePointer<UInt64>
  /// The tile's fields as they were when all of them were emptied last.
  private var emptied: UnsafeMutablePointer<ns_csv_field>?
  /// Records whose text has to be looked at, because somewhere it is not UTF-8.
  private var suspects: [(column: Int, records: Range<Int>)] = []

  init(
    _ columns: [ColumnarColumn], types: [ColumnType]?, needs: ColumnNeeds, recordByteLimit: Int,
    movesFields: Bool
  ) {
    var textCount = 0
    self.columns = needs.all.map { index in
      let isText = types.map { $0[index] == .text } ?? false
      let isNumber = needs.numbers.contains(index) && columns[index].isNumeric && !isText
      var column = Column(
        index: index, isNumber: isNumber, isText: needs.texts.contains(index) || !isNumber)
      if column.isText {
        column.textPlace = textCount
        textCount += 1
      }
      return column
    }
    let hashCount = max(8, textCount * RecordTile.recordLimit)
    unsafe hashes = .allocate(capacity: hashCount)
    unsafe hashes.initialize(repeating: 0, count: hashCount)
    read = self.columns.map(\.index)
    let coded = self.columns.filter { $0.isText && columns[$0.index].type == .text }.map(\.index)
    dictionaryColumns = Set(coded)
    fieldCount = columns.count
    self.movesFields = movesFields
    self.recordByteLimit = recordByteLimit
    typedNumbers = TypedNumbers(
      columns: self.columns.filter(\.isNumber).map(\.index), columnCount: columns.count)
    textCodes = TextCodes(columns: coded, columnCount: columns.count)
    lengths = Array(repeating: 0, count: RecordTile.recordLimit)
  }

  deinit { unsafe hashes.deallocate() }

  /// Begins a tile of no records.
  func begin(_ tile: inout RecordTile, recordLimit: Int) {
    tile.recordCount = 0
    tile.isJSON = false
    tile.expectedFieldCount = fieldCount
    tile.typedNumbers = typedNumbers
    tile.textCodes = textCodes
    tile.recordPlaces.removeAll(keepingCapacity: true)
    tile.windowOffset = 0
    textCodes.begin()
    window.removeAll()
    reservedCount = 0
    suspects.removeAll(keepingCapacity: true)
    let needed = recordLimit * fieldCount
    while Int(tile.fieldCapacity) < needed { tile.growFields(keeping: 0) }
    guard unsafe movesFields || emptied != tile.fields else { return }
    unsafe tile.fields.update(repeating: ns_csv_field(), count: needed)
    unsafe emptied = tile.fields
  }

  /// Ends a tile: what is not UTF-8 becomes an error.
  func end(_ tile: inout RecordTile) {
    unsafe tile.window = UnsafePointer(window.start)
    for (column, records) in suspects {
      for record in records {
        let field = unsafe tile.fields[record * fieldCount + column]
        let length = Int(field.length_and_flags & NS_CSV_LENGTH_MASK)
        guard unsafe ns_is_utf8(window.start + Int(field.start), length) == 0 else { continue }
        unsafe tile.records[record].error = UInt32(NS_CSV_INVALID_UTF8)
      }
    }
  }

  /// Appends rows of a batch to a tile.
  ///
  /// - Parameters:
  ///   - batch: Where they are; moved on by what was taken.
  ///   - count: How many are wanted; the batch has them and the tile has room.
  ///   - firstRow: The first one's row in the file.
  ///   - tile: Gets them, or as many as its text leaves room for.
  /// - Returns: Whether the tile is full.
  func append(
    _ batch: ColumnarTileBatch, count: Int, firstRow: UInt64, to tile: inout RecordTile
  ) -> Bool {
    let start = tile.count
    batch.findCodes(count: count)
    let (fitCount, isTooLong) = reserve(batch, count: count, isFirst: start == 0)
    for record in start..<start + fitCount {
      unsafe tile.records[record] = ns_csv_record(
        start: 0, length: 0, first_field: UInt32(record * fieldCount),
        field_count: UInt32(tile.expectedFieldCount),
        error: UInt32(isTooLong ? NS_CSV_RECORD_TOO_LONG : NS_CSV_OK))
      tile.recordPlaces.append(firstRow + UInt64(record - start))
    }
    for (place, column) in columns.enumerated() where fitCount > 0 {
      guard !isTooLong else {
        unsafe typedNumbers.values(ofColumn: column.index)?[start] = .nan
        if column.isText {
          unsafe tile.fields[start * fieldCount + column.index] = ns_csv_field()
          unsafe hashes(of: column)[start] = 0
        }
        textCodes.giveUp(column: column.index)
        continue
      }
      if column.isNumber { appendNumbers(batch, place, column, at: start, count: fitCount) }
      if column.isText {
        appendText(batch, place, column, at: start, count: fitCount, to: &tile)
        appendCodes(batch, place, column, at: start, count: fitCount)
      }
    }
    tile.recordCount += UInt32(fitCount)
    batch.move(by: fitCount)
    return fitCount < count || isTooLong
  }

  // MARK: Room

  /// Makes room for the text of as many rows as fit into the tile.
  ///
  /// How many do follows from the rows alone, not from how batches divide them.
  private func reserve(
    _ batch: ColumnarTileBatch, count: Int, isFirst: Bool
  ) -> (count: Int, isTooLong: Bool) {
    let limit = ColumnarTileReader.textByteLimit
    var sum = 0
    for (place, column) in columns.enumerated() where column.isText {
      sum = min(1 << 40, sum + batch.textLength(place, count: count))
    }
    if reservedCount + sum <= limit {
      reservedCount += sum
      window.reserve(sum)
      return (count, false)
    }
    for index in 0..<count { lengths[index] = 0 }
    for (place, column) in columns.enumerated() where column.isText {
      batch.addTextLengths(place, count: count, to: &lengths)
    }
    var fitCount = 0
    sum = 0
    while fitCount < count, reservedCount + sum + Int(lengths[fitCount]) <= limit {
      sum += Int(lengths[fitCount])
      fitCount += 1
    }
    if fitCount == 0, isFirst {
      guard Int(lengths[0]) <= recordByteLimit else { return (1, true) }
      (sum, fitCount) = (Int(lengths[0]), 1)
    }
    reservedCount += sum
    window.reserve(sum)
    return (fitCount, false)
  }

  // MARK: Values

  private func appendNumbers(
    _ batch: ColumnarTileBatch, _ place: Int, _ column: Column, at start: Int, count: Int
  ) {
    guard let output = unsafe typedNumbers.values(ofColumn: column.index)?.baseAddress else {
      return
    }
    unsafe batch.readNumbers(place, count: count, into: output + start, instructions)
  }

  private func appendText(
    _ batch: ColumnarTileBatch, _ place: Int, _ column: Column, at start: Int, count: Int,
    to tile: inout RecordTile
  ) {
    let fields = unsafe tile.fields + start * fieldCount + column.index
    unsafe batch.render(place, count: count, into: window, fields, stride: fieldCount)
    unsafe batch.hash(
      place, count: count, window, fields, stride: fieldCount, into: hashes(of: column) + start)
    if !batch.isUTF8(place) { suspects.append((column.index, start..<start + count)) }
  }

  private func appendCodes(
    _ batch: ColumnarTileBatch, _ place: Int, _ column: Column, at start: Int, count: Int
  ) {
    guard
      batch.noteCodes(place, column: column.index, count: count, at: start, in: textCodes)
    else { return textCodes.giveUp(column: column.index) }
  }

  // MARK: Digest

  private func hashes(of column: Column) -> UnsafeMutablePointer<UInt64> {
    unsafe hashes + column.textPlace * RecordTile.recordLimit
  }

  /// Adds a tile's values to a digest: all of them, and how many there are.
  func hash(_ tile: borrowing RecordTile, into hasher: inout XXH3) {
    let count = UInt32(tile.count)
    var mixed = [UInt64](repeating: 0, count: 8)
    let add = { (values: UnsafePointer<Double>, hasher: inout XXH3) in
      unsafe mixed.withUnsafeMutableBufferPointer { mixed in
        guard let start = mixed.baseAddress else { return }
        unsafe ns_column_hash_numbers(values, count, start, self.instructions)
        unsafe hasher.update(UnsafeRawBufferPointer(mixed))
      }
    }
    for column in columns {
      if column.isNumber,
        let values = unsafe typedNumbers.values(ofColumn: column.index)?.baseAddress
      {
        unsafe add(values, &hasher)
      }
      guard column.isText else { continue }
      unsafe hashes(of: column).withMemoryRebound(to: Double.self, capacity: tile.count) {
        unsafe add($0, &hasher)
      }
    }
    let total = [UInt64(count).littleEndian]
    unsafe total.withUnsafeBytes { unsafe hasher.update($0) }
  }
}

/// The text of a tile's records, in no order.
@safe final class TileWindow {
  private(set) var start: UnsafeMutablePointer<UInt8>
  private(set) var count: UInt32 = 0
  private var capacity: Int

  init(capacity: Int = 1 << 20) {
    self.capacity = capacity
    unsafe start = .allocate(capacity: capacity + Int(NS_CSV_PADDING))
    unsafe start.initialize(repeating: 0, count: capacity + Int(NS_CSV_PADDING))
  }

  deinit { unsafe start.deallocate() }

  func removeAll() { count = 0 }

  /// Makes room for so many bytes more.
  func reserve(_ addedCount: Int) {
    let needed = Int(count) + addedCount
    guard needed > capacity else { return }
    let grown = max(2 * capacity, needed)
    let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: grown + Int(NS_CSV_PADDING))
    unsafe larger.initialize(repeating: 0, count: grown + Int(NS_CSV_PADDING))
    unsafe larger.update(from: start, count: Int(count))
    unsafe start.deallocate()
    unsafe start = larger
    capacity = grown
  }

  /// Lets a kernel write behind what is there; it answers the position after the last byte.
  func append(_ write: (UnsafeMutablePointer<UInt8>, UInt32) -> UInt32) {
    count = unsafe write(start, count)
    precondition(Int(count) <= capacity)
  }
}
