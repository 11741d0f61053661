import CColumnar
package import CKernels

/// What a reader reads of a file.
package struct ColumnarSelection: Hashable, Sendable {
  /// Which row groups.
  package var groups: Range<Int>
  /// Rows of the first of them that are passed over.
  package var skippedRowCount: UInt64 = 0
  /// Which columns, none twice; none at all tells the numbers of rows.
  package var columns: [Int]
  /// Those of them whose text may come with a dictionary.
  package var dictionaryColumns: Set<Int> = []
  /// Most rows of a batch; 0 takes as many as fit some megabytes, a multiple of 1,024.
  package var batchRowLimit = 0

  package init(groups: Range<Int>, columns: [Int]) {
    self.groups = groups
    self.columns = columns
  }
}

/// Reads rows of a columnar file, batch after batch; used by one thread.
@safe package final class ColumnarReader {
  private let file: ColumnarFile
  private let columns: [Int]
  private let raw: OpaquePointer

  /// Prepares to read.
  ///
  /// - Throws: `ColumnarReadError` naming a column that is not read, or what the file's bytes
  ///   fail with.
  package init(_ file: ColumnarFile, _ selection: ColumnarSelection) throws {
    precondition(selection.groups.lowerBound >= 0)
    precondition(selection.columns.allSatisfy { file.columns.indices.contains($0) })
    self.file = file
    columns = selection.columns
    let numbers = selection.columns.map { UInt32($0) }
    let dictionaries = selection.columns.map { column -> UInt8 in
      selection.dictionaryColumns.contains(column) ? 1 : 0
    }
    var error = ns_columnar_error()
    let opened = unsafe numbers.withUnsafeBufferPointer { numbers in
      unsafe dictionaries.withUnsafeBufferPointer { dictionaries in
        var wanted = unsafe ns_columnar_selection(
          first_group: UInt32(selection.groups.lowerBound),
          end_group: UInt32(selection.groups.upperBound),
          skipped_row_count: Int64(clamping: selection.skippedRowCount),
          columns: numbers.baseAddress, column_count: UInt32(numbers.count),
          takes_dictionary: dictionaries.baseAddress,
          batch_row_limit: UInt32(selection.batchRowLimit))
        return unsafe ns_columnar_read(file.raw, &wanted, &error)
      }
    }
    guard let opened = unsafe opened else { throw file.failure(error) }
    unsafe raw = opened
  }

  deinit { unsafe ns_columnar_end(raw) }

  /// The most bytes that decoding of its file has held at once.
  package var memoryPeak: Int { file.memoryPeak }

  /// Reads the next rows.
  ///
  /// - Returns: The rows, or nil at the end.
  /// - Throws: `ColumnarReadError` naming row group and column, or what the file's bytes fail
  ///   with. The reader is then of no more use.
  package func next() throws -> ColumnarBatch? {
    var error = ns_columnar_error()
    var batch = ns_columnar_batch()
    let arrays = UnsafeMutableBufferPointer<ArrowArray>.allocate(capacity: max(1, columns.count))
    unsafe arrays.initialize(repeating: ArrowArray())
    guard let start = arrays.baseAddress else { fatalError("no arrays") }
    let status = unsafe ns_columnar_next(raw, start, &batch, &error)
    guard status == 1 else {
      unsafe arrays.deallocate()
      if status == 0 { return nil }
      throw file.failure(error)
    }
    return unsafe ColumnarBatch(
      batch, arrays: arrays, count: columns.count,
      layouts: columns.map { file.columns[$0].layout })
  }
}

/// Some rows of one row group; its memory lives as long as it does.
@safe package final class ColumnarBatch {
  /// The row group.
  package let group: Int
  /// The number of the first row in it.
  package let firstRow: UInt64
  package let rowCount: Int
  private let arrays: UnsafeMutableBufferPointer<ArrowArray>
  private let count: Int
  private let layouts: [ColumnarLayout]

  init(
    _ batch: ns_columnar_batch, arrays: UnsafeMutableBufferPointer<ArrowArray>, count: Int,
    layouts: [ColumnarLayout]
  ) {
    group = Int(batch.group)
    firstRow = UInt64(batch.first_row)
    rowCount = Int(batch.row_count)
    unsafe self.arrays = unsafe arrays
    self.count = count
    self.layouts = layouts
  }

  deinit {
    for index in 0..<count {
      guard let array = unsafe arrays.baseAddress.map({ unsafe $0 + index }) else { continue }
      unsafe array.pointee.release?(array)
    }
    unsafe arrays.deallocate()
  }

  /// The values of the column that is at a place in the selection, from the batch's first row on;
  /// where `dictionary(ofColumn:)` has one, they are indices of it.
  package func values(ofColumn place: Int) -> ns_column {
    precondition(place < count)
    let array = unsafe arrays[place]
    guard unsafe array.dictionary != nil else { return unsafe view(array, layouts[place]) }
    var column = unsafe view(array, layouts[place])
    unsafe column.kind = layouts[place].indexKind
    return unsafe column
  }

  /// The dictionary of a column and the number of its values; nil where the column has none.
  package func dictionary(ofColumn place: Int) -> (values: ns_column, count: Int)? {
    precondition(place < count)
    guard let dictionary = unsafe arrays[place].dictionary else { return nil }
    let array = unsafe dictionary.pointee
    return unsafe (view(array, layouts[place]), Int(array.length))
  }

  private func view(_ array: ArrowArray, _ layout: ColumnarLayout) -> ns_column {
    let buffer = { (index: Int64) -> UnsafeRawPointer? in
      unsafe index < array.n_buffers ? unsafe array.buffers?[Int(index)] : nil
    }
    let validity = unsafe array.null_count == 0 ? nil : unsafe buffer(0)
    return unsafe ns_column(
      kind: layout.kind, width: layout.width, scale: layout.scale,
      unit_digits: layout.unitDigits, has_zone: layout.hasZone,
      validity: validity?.assumingMemoryBound(to: UInt8.self), values: buffer(1),
      bytes: buffer(2)?.assumingMemoryBound(to: UInt8.self), first: array.offset)
  }
}
