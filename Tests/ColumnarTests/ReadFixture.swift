import CKernels
import Columnar
import Foundation
import Jobs

/// What has to be read of the columns of one table.
struct ExpectedColumn: Decodable {
  let name: String
  /// `ColumnType`'s raw value.
  let type: String
  /// Bits of doubles, 16 hexadecimal digits each; nil for no value.
  let numbers: [String?]
  let texts: [String?]

  /// The columns of the tables of `make_columnar.py`.
  static let tables: [String: [ExpectedColumn]] = {
    do {
      return try JSONDecoder().decode(
        [String: [ExpectedColumn]].self, from: Data(ReadFixture.bytes("expected.json")))
    } catch {
      fatalError("expected.json: \(error)")
    }
  }()
}

/// One value as it was read.
struct ReadValue: Hashable {
  /// nil for NaN: no value and NaN are the same.
  var number: UInt64?
  /// nil for an empty field without quotes.
  var text: [UInt8]?
}

enum ReadFixture {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "Fixtures")

  static func bytes(_ name: String) throws -> [UInt8] {
    try [UInt8](Data(contentsOf: folder.appending(path: name)))
  }

  static func format(of name: String) -> ColumnarFormat {
    name.hasSuffix(".orc") ? .orc : name.hasSuffix(".arrow") ? .arrow : .parquet
  }

  /// Opens bytes as a file.
  static func open(
    _ bytes: [UInt8], _ format: ColumnarFormat, memoryLimit: Int = 64 << 20
  ) throws -> ColumnarFile {
    try unsafe ColumnarFile(
      format, name: "file", byteCount: UInt64(bytes.count), memoryLimit: memoryLimit
    ) { offset, buffer in
      unsafe bytes.withUnsafeBytes { bytes in
        let range = Int(offset)..<Int(offset) + buffer.count
        unsafe buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[range]))
      }
    }
  }

  static func open(_ name: String) throws -> ColumnarFile {
    try open(bytes(name), format(of: name))
  }

  /// Reads all rows of columns: for each column its values.
  static func read(
    _ file: ColumnarFile, _ selection: ColumnarSelection, isa: ns_isa = ns_isa_best()
  ) throws -> [[ReadValue]] {
    let reader = try ColumnarReader(file, selection)
    var values: [[ReadValue]] = selection.columns.map { _ in [] }
    while let batch = try reader.next() {
      for place in selection.columns.indices {
        values[place] += read(batch, place, isa)
      }
    }
    return values
  }

  private static func read(
    _ batch: ColumnarBatch, _ place: Int, _ isa: ns_isa
  ) -> [ReadValue] {
    let column = unsafe batch.values(ofColumn: place)
    guard let dictionary = unsafe batch.dictionary(ofColumn: place) else {
      return unsafe read(column, count: batch.rowCount, isa)
    }
    let known = unsafe read(dictionary.values, count: dictionary.count, isa)
    var codes = [Int32](repeating: 0, count: batch.rowCount)
    var indices = unsafe column
    unsafe ns_column_codes(&indices, UInt32(batch.rowCount), &codes)
    return codes.map { $0 < 0 ? ReadValue() : known[Int($0)] }
  }

  private static func read(_ column: ns_column, count: Int, _ isa: ns_isa) -> [ReadValue] {
    var column = unsafe column
    var numbers = [Double](repeating: 1, count: count + 1)
    unsafe ns_column_numbers(&column, UInt32(count), &numbers, 1, isa)
    let room = unsafe Int(ns_column_length(&column, UInt32(count))) + Int(NS_CSV_PADDING)
    var window = [UInt8](repeating: 0, count: room)
    var fields = [ns_csv_field](repeating: ns_csv_field(), count: count + 1)
    _ = unsafe ns_column_is_utf8(&column, UInt32(count))
    let end = unsafe ns_column_render(&column, UInt32(count), &window, 0, &fields, 1)
    precondition(Int(end) + Int(NS_CSV_PADDING) <= room)
    return (0..<count).map { row in
      let length = Int(fields[row].length_and_flags & NS_CSV_LENGTH_MASK)
      let start = Int(fields[row].start)
      let isText = fields[row].length_and_flags & NS_CSV_QUOTED != 0 || length > 0
      return ReadValue(
        number: numbers[row].isNaN ? nil : numbers[row].bitPattern,
        text: isText ? Array(window[start..<start + length]) : nil)
    }
  }
}

extension ExpectedColumn {
  /// The values as they have to be read.
  var values: [ReadValue] {
    zip(numbers, texts).map { number, text in
      let bits = number.flatMap { UInt64($0, radix: 16) }
      let isNaN = bits.map { Double(bitPattern: $0).isNaN } ?? true
      return ReadValue(number: isNaN ? nil : bits, text: text.map { Array($0.utf8) })
    }
  }
}
