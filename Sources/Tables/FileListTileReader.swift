import CKernels
import Digests
package import Jobs

/// File lists: each input is one record of two columns, its path and its bytes.
package enum FileList {
  package static let columns = ["path", "bytes"]
  package static let types = [ColumnType.text, .binary]
  static let bytesColumn = 1

  /// The plan's inputs and columns: a file is a shard of one record, however large it is.
  static func survey(_ files: [InputFile]) -> SurveyedTable {
    let inputs = files.map { file in
      PlannedInput(
        path: file.path, byteCount: file.byteCount,
        modifiedNanoseconds: file.modificationNanoseconds, inode: file.inode, compression: .none,
        version: file.version,
        cuts: [InputCut(offset: 0, place: 0), InputCut(offset: 1, place: 1)])
    }
    return SurveyedTable(columns: columns, types: types, inputs: inputs)
  }

  /// Refuses what cannot use the bytes of files.
  ///
  /// - Parameter needs: What the model and the output read.
  /// - Throws: `TableError.unsupported` where that is more than the path.
  package static func requireReadable(_ needs: ColumnNeeds) throws(TableError) {
    guard needs.numbers.isEmpty, !needs.texts.contains(bytesColumn) else {
      throw TableError(
        code: .unsupported,
        context: "instancesFormat files gives each file's path, as text, and its bytes; models "
          + "that take images or documents are not there yet: name a model that reads the path "
          + "alone, and \"path\" as instanceConfig.keyField")
    }
  }
}

/// Reads one file as one record.
///
/// The bytes are those of the file, not text: no quotes are doubled in them. Its place in the input
/// is 0. A file above the record limit is an error record.
@safe final class FileListTileReader: TileReader {
  private let range: LeaseRange
  private let needs: ColumnNeeds
  private let byteLimit: Int
  private var source: (any ByteSource)?
  private let window: UnsafeMutableBufferPointer<UInt8>
  private var hasher = XXH3()
  private var digest: Digest128?

  /// Takes the file; nothing is read yet.
  ///
  /// - Parameters:
  ///   - source: Its bytes.
  ///   - range: The record 0, or nothing.
  ///   - needs: Whether the bytes are read at all.
  ///   - byteLimit: Longest file that is a record.
  init(_ source: any ByteSource, range: LeaseRange, needs: ColumnNeeds, byteLimit: Int) {
    self.range = range
    self.needs = needs
    self.byteLimit = byteLimit
    self.source = range.begin < range.end ? source : nil
    let size = Int(min(source.byteCount ?? UInt64(byteLimit), UInt64(byteLimit))) + 1
    let bytesCount = needs.all.contains(FileList.bytesColumn) ? size : 0
    let count = 2 * range.path.utf8.count + 2 + bytesCount + Int(NS_CSV_PADDING)
    unsafe window = .allocate(capacity: count)
    unsafe window.initialize(repeating: 0)
  }

  deinit { unsafe window.deallocate() }

  var boundStates: [RangeState] { Array(repeating: .recordStart, count: range.blockCount + 1) }

  func inputDigest(ofBlock index: Int) -> Digest128 {
    if let digest { return digest }
    let digest = exchange(&hasher, with: XXH3()).finish()
    self.digest = digest
    return digest
  }

  func readTile(into tile: inout RecordTile) throws -> Bool {
    tile.recordCount = 0
    tile.recordPlaces = [0]
    tile.typedNumbers = nil
    tile.expectedFieldCount = FileList.columns.count
    guard var source = source.take() else { return false }
    let path = writePath()
    var length = 0
    var isTooLong = source.byteCount.map { $0 > UInt64(byteLimit) } ?? false
    if needs.all.contains(FileList.bytesColumn), !isTooLong {
      length = try readBytes(of: &source, from: path.recordLength)
      isTooLong = length > byteLimit
    }
    unsafe tile.window = UnsafePointer(window.baseAddress)
    tile.windowOffset = 0
    (tile.blockIndex, tile.firstOrdinal) = (0, 0)
    unsafe tile.fields[0] = path.field
    unsafe tile.fields[1] = ns_csv_field(
      start: UInt32(path.recordLength),
      length_and_flags: UInt32(isTooLong ? 0 : length) | NS_CSV_QUOTED)
    unsafe tile.records[0] = ns_csv_record(
      start: 0, length: UInt32(path.recordLength), first_field: 0, field_count: 2,
      error: UInt32(isTooLong ? NS_CSV_RECORD_TOO_LONG : NS_CSV_OK))
    tile.recordCount = 1
    return true
  }

  /// Writes the path in quotes, as a line of CSV has it.
  private func writePath() -> (field: ns_csv_field, recordLength: Int) {
    var count = 0
    var flags = NS_CSV_QUOTED
    func append(_ byte: UInt8) {
      unsafe window[count] = byte
      count += 1
    }
    let quote = UInt8(ascii: "\"")
    append(quote)
    for byte in range.path.utf8 {
      if byte == quote {
        append(quote)
        flags |= NS_CSV_ESCAPED
      }
      append(byte)
    }
    let field = ns_csv_field(start: 1, length_and_flags: UInt32(count - 1) | flags)
    append(quote)
    return (field, count)
  }

  /// Reads the file to its end, or one byte past the limit.
  ///
  /// - Returns: How many bytes.
  private func readBytes(of source: inout any ByteSource, from start: Int) throws -> Int {
    var length = 0
    while length <= byteLimit {
      let room = unsafe window.count - Int(NS_CSV_PADDING) - start - length
      guard room > 0 else { break }
      let target = unsafe UnsafeMutableRawBufferPointer(
        UnsafeMutableBufferPointer(rebasing: window[start + length..<start + length + room]))
      let count = try unsafe source.read(at: UInt64(length), into: target)
      guard count > 0 else { break }
      unsafe hasher.update(
        UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(target)[..<count]))
      length += count
    }
    return length
  }
}
