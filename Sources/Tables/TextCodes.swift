/// The texts that a column's values are codes of, in the order they were met; grows as its reader
/// reads on.
package final class CodedTexts {
  /// Most texts that are given codes; beyond, a column comes as text alone.
  package static let limit = 65_536

  /// The text of each code.
  package private(set) var texts: [[UInt8]] = []
  private var codes: [[UInt8]: Int32] = [:]

  package init() {}

  /// The code of a text, a new one where it has none yet; nil where there are too many.
  package func code(of text: [UInt8]) -> Int32? {
    if let code = codes[text] { return code }
    guard texts.count < Self.limit else { return nil }
    let code = Int32(texts.count)
    codes[text] = code
    texts.append(text)
    return code
  }
}

/// Columns of a tile whose texts come with codes, so that whoever looks texts up does so once for
/// each of them and not for each record.
///
/// Belongs to a reader, which refills it with each tile.
@safe package final class TextCodes {
  /// For each column of the table its place here, or -1.
  private let places: [Int]
  private let texts: [CodedTexts]
  private let codes: UnsafeMutableBufferPointer<Int32>
  /// Whether all records of the tile have a code or no value.
  private var isCoded: [Bool]

  /// Makes room for a tile.
  ///
  /// - Parameters:
  ///   - columns: Which columns, none twice.
  ///   - columnCount: Columns of the table.
  package init(columns: [Int], columnCount: Int) {
    var places = Array(repeating: -1, count: columnCount)
    for (place, column) in columns.enumerated() { places[column] = place }
    self.places = places
    texts = columns.map { _ in CodedTexts() }
    isCoded = Array(repeating: false, count: columns.count)
    unsafe codes = .allocate(capacity: max(1, columns.count) * RecordTile.recordLimit)
    unsafe codes.initialize(repeating: -1)
  }

  deinit { unsafe codes.deallocate() }

  /// The codes of a column, record after record, -1 for no value, and the texts they stand for;
  /// nil where the column comes as text alone.
  package func values(
    ofColumn column: Int
  ) -> (codes: UnsafeBufferPointer<Int32>, texts: CodedTexts)? {
    let place = places[column]
    guard place >= 0, isCoded[place] else { return nil }
    return unsafe (UnsafeBufferPointer(slots(place)), texts[place])
  }

  /// Begins a tile.
  func begin() {
    for place in isCoded.indices { isCoded[place] = true }
  }

  /// Notes that a column comes as text alone in this tile.
  func giveUp(column: Int) {
    if places[column] >= 0 { isCoded[places[column]] = false }
  }

  /// Where the codes of a column are written, and the texts that have codes; nil for a column that
  /// has none.
  func room(
    ofColumn column: Int
  ) -> (codes: UnsafeMutableBufferPointer<Int32>, texts: CodedTexts)? {
    let place = places[column]
    return place < 0 ? nil : unsafe (slots(place), texts[place])
  }

  private func slots(_ place: Int) -> UnsafeMutableBufferPointer<Int32> {
    let start = place * RecordTile.recordLimit
    return unsafe UnsafeMutableBufferPointer(
      rebasing: codes[start..<start + RecordTile.recordLimit])
  }
}

extension RecordTile {
  /// The codes of a column of text, record after record, -1 for no value, and the texts they stand
  /// for; nil where the column comes as text alone.
  ///
  /// The texts are the same object for all tiles of a reader.
  package func codes(
    ofColumn column: Int
  ) -> (codes: UnsafeBufferPointer<Int32>, texts: CodedTexts)? {
    unsafe textCodes?.values(ofColumn: column)
  }
}
