package import Jobs
import Models

/// Predictions as columns.
extension PredictionFormat {
  /// The columns of a prediction, as the header of a CSV file names them.
  package var resultColumns: [ResultColumn] {
    var columns = outputs.flatMap { $0.columns(name: hasOneOutput ? "prediction" : $0.name) }
    guard !explained.isEmpty else { return columns }
    for number in 0..<width {
      let prefix = width == 1 ? "attribution" : "attribution_\(number)"
      columns += (explained + ["baseline"]).map {
        ResultColumn(name: "\(prefix)_\($0)", type: .number)
      }
    }
    return columns
  }

  /// Appends the predictions of some records to their columns.
  ///
  /// - Parameters:
  ///   - records: Which.
  ///   - predictions: Records × `width`.
  ///   - explanations: Records × `explanationWidth`; empty where none are asked for.
  ///   - buffers: One for each of `resultColumns`.
  func append(
    _ records: UnsafeBufferPointer<UInt16>, predictions: UnsafeBufferPointer<Double>,
    explanations: UnsafeBufferPointer<Double>, to buffers: ArraySlice<ColumnBuffer>
  ) {
    var next = buffers.startIndex
    for output in outputs {
      let end = next + output.columnCount
      unsafe output.append(records, predictions, stride: width, to: buffers[next..<end])
      next = end
    }
    guard explanationWidth > 0, let start = explanations.baseAddress else { return }
    for number in 0..<explanationWidth {
      unsafe buffers[next + number].append(
        start + number, stride: explanationWidth, records: records)
    }
  }
}

extension WrittenOutput {
  var columnCount: Int { bestCount > 0 ? 2 * bestCount : width }

  fileprivate func columns(name: String) -> [ResultColumn] {
    if bestCount > 0 {
      return (1...bestCount).flatMap { rank in
        [
          ResultColumn(
            name: "\(name)_class_\(rank)", type: classes.isEmpty ? .integer : .text),
          ResultColumn(name: "\(name)_score_\(rank)", type: columnType),
        ]
      }
    }
    return (0..<width).map { element in
      let suffix = elementNames.isEmpty ? "\(element)" : elementNames[element]
      let isAlone = width == 1 && elementNames.isEmpty
      return ResultColumn(name: isAlone ? name : "\(name)_\(suffix)", type: columnType)
    }
  }

  /// What its values are in a table.
  private var columnType: ColumnType {
    switch kind {
    case .float64: .number
    case .float32: .float
    case .integer: .integer
    case .label: .text
    }
  }

  fileprivate func append(
    _ records: UnsafeBufferPointer<UInt16>, _ predictions: UnsafeBufferPointer<Double>,
    stride: Int, to buffers: ArraySlice<ColumnBuffer>
  ) {
    if bestCount > 0 {
      return unsafe appendBest(records, predictions, stride: stride, to: buffers)
    }
    guard let base = predictions.baseAddress else { return }
    for element in 0..<width {
      let numbers = unsafe base + (start + element)
      let buffer = buffers[buffers.startIndex + element]
      switch kind {
      case .float64, .float32: unsafe buffer.append(numbers, stride: stride, records: records)
      case .integer:
        for index in records.indices {
          buffer.append(unsafe Int64(exactly: numbers[Int(records[index]) * stride]))
        }
      case .label:
        for index in records.indices {
          append(label: unsafe Int(exactly: numbers[Int(records[index]) * stride]), to: buffer)
        }
      }
    }
  }

  private func append(label: Int?, to buffer: ColumnBuffer) {
    guard let label, labels.indices.contains(label) else { return buffer.appendNullText() }
    unsafe labels[label].bytes.withUnsafeBufferPointer { unsafe buffer.append($0) }
  }

  private func appendBest(
    _ records: UnsafeBufferPointer<UInt16>, _ predictions: UnsafeBufferPointer<Double>,
    stride: Int, to buffers: ArraySlice<ColumnBuffer>
  ) {
    for index in records.indices {
      let own = unsafe Int(records[index]) * stride
      let numbers = unsafe UnsafeBufferPointer(rebasing: predictions[own..<own + stride])
      var best = unsafe firstBest(numbers)
      for rank in 0..<bestCount {
        let first = buffers.startIndex + 2 * rank
        append(best: best, to: buffers[first])
        let number = best.map { unsafe numbers[start + $0] } ?? .nan
        buffers[first + 1].append(number)
        if let last = best { best = unsafe nextBest(numbers, after: last) }
      }
    }
  }

  private func append(best: Int?, to buffer: ColumnBuffer) {
    if classes.isEmpty { return buffer.append(best.map { Int64($0) }) }
    guard let best else { return buffer.appendNullText() }
    unsafe classes[best].bytes.withUnsafeBufferPointer { unsafe buffer.append($0) }
  }
}
