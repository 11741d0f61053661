import CKernels

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
/// Belongs to a reader, which refills it with each tile. What is noted are indices of the batch's
/// dictionary; they become codes of all texts when they are asked for, because nobody may.
@safe package final class TextCodes {
  /// For each column of the table its place here, or -1.
  private let places: [Int]
  private let texts: [CodedTexts]
  private let codes: UnsafeMutableBufferPointer<Int32>
  /// For each column what the codes of the tile's records are indices of; they are codes of all
  /// texts before `mappedCount`.
  private var parts: [[Part]]
  private var mappedCounts: [Int]
  /// Whether all records of the tile have an index or no value.
  private var isCoded: [Bool]

  private struct Part {
    let dictionary: RenderedDictionary
    let records: Range<Int>
  }

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
    parts = Array(repeating: [], count: columns.count)
    mappedCounts = Array(repeating: 0, count: columns.count)
    unsafe codes = .allocate(capacity: max(1, columns.count) * RecordTile.recordLimit)
    unsafe codes.initialize(repeating: -1)
  }

  deinit { unsafe codes.deallocate() }

  /// The codes of a column, record after record, -1 for no value, and the texts they stand for;
  /// nil where the column comes as text alone.
  package func values(
    ofColumn column: Int
  ) -> (codes: UnsafeBufferPointer<Int32>, texts: CodedTexts)? {
    // Columns beyond the reader's own are those of partitions.
    guard column < places.count, places[column] >= 0 else { return nil }
    let place = places[column]
    map(place)
    guard isCoded[place] else { return nil }
    return unsafe (UnsafeBufferPointer(slots(place)), texts[place])
  }

  /// Makes indices that were noted codes of all texts.
  private func map(_ place: Int) {
    while isCoded[place], mappedCounts[place] < parts[place].count {
      let part = parts[place][mappedCounts[place]]
      guard let map = part.dictionary.map(to: texts[place]) else {
        isCoded[place] = false
        return
      }
      unsafe map.withUnsafeBufferPointer { map in
        guard let map = map.baseAddress, let start = unsafe slots(place).baseAddress
        else { return }
        let output = unsafe start + part.records.lowerBound
        unsafe ns_column_map_codes(output, UInt32(part.records.count), map, output)
      }
      mappedCounts[place] += 1
    }
  }

  /// Begins a tile.
  func begin() {
    for place in isCoded.indices {
      isCoded[place] = true
      parts[place].removeAll(keepingCapacity: true)
      mappedCounts[place] = 0
    }
  }

  /// Notes that a column comes as text alone in this tile.
  func giveUp(column: Int) {
    if places[column] >= 0 { isCoded[places[column]] = false }
  }

  /// Notes indices of a dictionary, -1 for no value, for records of the tile.
  func note(
    _ indices: UnsafePointer<Int32>, of dictionary: RenderedDictionary, column: Int,
    records: Range<Int>
  ) {
    guard places[column] >= 0, let slots = unsafe slots(places[column]).baseAddress else { return }
    unsafe (slots + records.lowerBound).update(from: indices, count: records.count)
    parts[places[column]].append(Part(dictionary: dictionary, records: records))
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
