import CKernels

/// Writes lines whose predictions are all numbers, many records at a call.
@safe struct RowLines: ~Copyable {
  private let form: ns_row_form
  private let delimiter: UInt8
  private let pieces: UnsafeMutableBufferPointer<UInt8>
  private let pieceEnds: UnsafeMutableBufferPointer<UInt32>
  private let places: UnsafeMutableBufferPointer<UInt32>
  private let kinds: UnsafeMutableBufferPointer<UInt8>
  private let predictionWidth: Int
  private let explanationWidth: Int
  /// Room for a record beside its text and what the instance adds.
  private let room: Int

  /// Records of one call: room is made for as many.
  private static let callLimit = 64

  init(_ pieces: RowPieces, form: ns_row_form, delimiter: UInt8, prediction: PredictionFormat) {
    self.form = form
    self.delimiter = delimiter
    unsafe self.pieces = allocated(
      pieces.text + [UInt8](repeating: 0, count: Int(NS_CSV_PADDING)))
    unsafe pieceEnds = allocated(pieces.ends)
    unsafe places = allocated(pieces.places)
    unsafe kinds = allocated(pieces.kinds)
    predictionWidth = prediction.width
    explanationWidth = prediction.explanationWidth
    room =
      pieces.text.count + Int(NS_DOUBLE_TEXT_LIMIT) * pieces.kinds.count
      + 2 * Int(NS_CSV_PADDING)
  }

  deinit {
    unsafe pieces.deallocate()
    unsafe pieceEnds.deallocate()
    unsafe places.deallocate()
    unsafe kinds.deallocate()
  }

  /// Whether the kernel knows how a tile's fields are written.
  func suits(_ tile: borrowing RecordTile) -> Bool { !tile.isJSON || form != ns_row_csv }

  /// Appends the lines of neighbouring records, none of which is an error.
  ///
  /// - Parameters:
  ///   - records: Which.
  ///   - tile: Theirs.
  ///   - instance: How their fields are written.
  ///   - predictions: Of all the tile's records.
  ///   - explanations: Of all the tile's records.
  ///   - output: Gets the lines.
  func append(
    _ records: Range<Int>, of tile: borrowing RecordTile, instance: inout InstanceWriter,
    predictions: UnsafeBufferPointer<Double>, explanations: UnsafeBufferPointer<Double>,
    to output: inout TextBuffer
  ) {
    precondition(records.lowerBound >= 0 && records.upperBound <= tile.count)
    precondition(records.upperBound * predictionWidth <= predictions.count)
    precondition(records.upperBound * explanationWidth <= explanations.count)
    let (room, isJSON) = (self.room + instance.room(in: tile), tile.isJSON)
    let columns = instance.columns
    guard let window = unsafe tile.window, let predictions = predictions.baseAddress,
      let pieces = unsafe self.pieces.baseAddress, let ends = unsafe pieceEnds.baseAddress,
      let places = unsafe self.places.baseAddress, let kinds = unsafe self.kinds.baseAddress
    else { return }
    let explanations = unsafe explanations.baseAddress ?? predictions
    unsafe instance.withLayout { fields in
      var layout = unsafe ns_row_layout(
        form: form, delimiter: delimiter, fields: fields, pieces: pieces, piece_ends: ends,
        places: places, kinds: kinds, number_count: UInt32(self.kinds.count),
        prediction_width: UInt32(predictionWidth), explanation_width: UInt32(explanationWidth))
      for first in stride(from: records.lowerBound, to: records.upperBound, by: Self.callLimit) {
        let end = min(first + Self.callLimit, records.upperBound)
        let spans = unsafe tile.records + first
        var bound = room * (end - first)
        for record in 0..<end - first {
          precondition(unsafe Int(spans[record].error) == NS_CSV_OK)
          bound += 6 * tile.byteCount(of: columns, first + record)
        }
        unsafe output.append(bound: bound) { target in
          unsafe ns_write_rows(
            window, spans, UInt32(end - first), tile.fields, isJSON ? 1 : 0, &layout,
            predictions + first * predictionWidth, explanations + first * explanationWidth, target)
        }
      }
    }
  }
}
