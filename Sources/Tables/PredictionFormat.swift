package import Jobs
package import Models

/// How the numbers that a model gives for a record become text and columns.
package struct PredictionFormat: Sendable {
  /// Those that are written, in the model's order.
  let outputs: [WrittenOutput]
  /// How many numbers a record's prediction has, written or not.
  package let width: Int
  /// Whether the model has one output, which is then written without its name.
  let hasOneOutput: Bool
  /// Names of the inputs that contributions are written of; none if none are asked for.
  let explained: [String]
  private let isOneNumber: Bool
  let explainedKeys: [[UInt8]]

  /// Writes all outputs.
  ///
  /// - Parameters:
  ///   - outputs: the model's.
  ///   - explained: the names of the model's inputs if contributions are wanted, else none.
  package init(outputs: [ModelOutput], explained: [String] = []) {
    self.init(WrittenOutput.all(of: outputs), of: outputs, explained: explained)
  }

  /// Writes what a job asks for.
  ///
  /// - Parameters:
  ///   - outputs: the model's.
  ///   - explained: the names of the model's inputs if contributions are wanted, else none.
  ///   - options: `outputFields` names the outputs that are written, in the model's order. With
  ///     `topK` an output of several numbers, one for each class, is written as the classes with
  ///     the largest numbers, the largest first (of equal ones the first), and these numbers:
  ///     `{"classes":[…],"scores":[…]}`, or columns `…_class_1`, `…_score_1` and so on. A class is
  ///     the name that the model has for it, else its number from 0.
  /// - Throws: `TableError.unsupported` naming what is not among the model's outputs, and those.
  package init(
    outputs: [ModelOutput], explained: [String] = [], options: JobRequest.OutputConfig
  ) throws(TableError) {
    self.init(
      try WrittenOutput.chosen(of: outputs, options), of: outputs, explained: explained)
  }

  private init(_ written: [WrittenOutput], of outputs: [ModelOutput], explained: [String]) {
    self.outputs = written
    self.explained = explained
    width = outputs.reduce(0) { $0 + $1.width }
    hasOneOutput = outputs.count == 1
    isOneNumber =
      outputs.count == 1 && outputs[0].width == 1 && outputs[0].kind == .float64
      && outputs[0].elementNames.isEmpty
    explainedKeys = explained.map(TextBuffer.jsonKey)
  }

  /// How many numbers explain a record.
  package var explanationWidth: Int { explained.isEmpty ? 0 : width * (explained.count + 1) }

  // MARK: JSON

  /// Appends a prediction: a number, an array or an object for one output, an object by the
  /// outputs' names for several.
  @inline(__always)
  package func appendJSON(_ numbers: UnsafeBufferPointer<Double>, to text: inout TextBuffer) {
    if isOneNumber { return text.append(unsafe numbers[0]) }
    unsafe appendOutputs(numbers, to: &text)
  }

  private func appendOutputs(
    _ numbers: UnsafeBufferPointer<Double>, to text: inout TextBuffer
  ) {
    guard !hasOneOutput else { return unsafe append(outputs[0], numbers, to: &text) }
    for (index, output) in outputs.enumerated() {
      text.append(UInt8(ascii: index == 0 ? "{" : ","))
      text.append(output.key)
      unsafe append(output, numbers, to: &text)
    }
    text.append(UInt8(ascii: "}"))
  }

  private func append(
    _ output: WrittenOutput, _ numbers: UnsafeBufferPointer<Double>, to text: inout TextBuffer
  ) {
    if output.bestCount > 0 { return unsafe appendBest(of: output, numbers, to: &text) }
    let names = output.elementKeys
    if names.isEmpty, output.width == 1 {
      return unsafe append(numbers[output.start], of: output, to: &text)
    }
    text.append(UInt8(ascii: names.isEmpty ? "[" : "{"))
    for element in 0..<output.width {
      if element > 0 { text.append(UInt8(ascii: ",")) }
      if !names.isEmpty { text.append(names[element]) }
      unsafe append(numbers[output.start + element], of: output, to: &text)
    }
    text.append(UInt8(ascii: names.isEmpty ? "]" : "}"))
  }

  private func append(_ number: Double, of output: WrittenOutput, to text: inout TextBuffer) {
    switch output.kind {
    case .float64: text.append(number)
    case .float32: text.append(Float(number))
    case .integer:
      if let whole = Int(exactly: number) { text.append(whole) } else { text.append("null") }
    case .label:
      guard let label = Int(exactly: number), output.labels.indices.contains(label) else {
        return text.append("null")
      }
      text.append(output.labels[label].json)
    }
  }

  /// Appends `{"classes":[…],"scores":[…]}`, as many as are wanted and have a number.
  private func appendBest(
    of output: WrittenOutput, _ numbers: UnsafeBufferPointer<Double>, to text: inout TextBuffer
  ) {
    text.append("{\"classes\":[")
    var best = unsafe output.firstBest(numbers)
    for rank in 0..<output.bestCount {
      guard let index = best else { break }
      if rank > 0 { text.append(UInt8(ascii: ",")) }
      if output.classes.isEmpty {
        text.append(index)
      } else {
        text.append(output.classes[index].json)
      }
      best = unsafe output.nextBest(numbers, after: index)
    }
    text.append("],\"scores\":[")
    best = unsafe output.firstBest(numbers)
    for rank in 0..<output.bestCount {
      guard let index = best else { break }
      if rank > 0 { text.append(UInt8(ascii: ",")) }
      unsafe append(numbers[output.start + index], of: output, to: &text)
      best = unsafe output.nextBest(numbers, after: index)
    }
    text.append("]}")
  }

  /// Appends contributions: `{"baseline":…,"attributions":{…}}`, an array of them for several
  /// numbers.
  package func appendExplanation(_ numbers: UnsafeBufferPointer<Double>, to text: inout TextBuffer)
  {
    let count = explained.count + 1
    if width > 1 { text.append(UInt8(ascii: "[")) }
    for number in 0..<width {
      text.append(number > 0 ? ",{\"baseline\":" : "{\"baseline\":")
      text.append(unsafe numbers[number * count + count - 1])
      text.append(",\"attributions\":{")
      for index in explained.indices {
        if index > 0 { text.append(UInt8(ascii: ",")) }
        text.append(explainedKeys[index])
        text.append(unsafe numbers[number * count + index])
      }
      text.append("}}")
    }
    if width > 1 { text.append(UInt8(ascii: "]")) }
  }

  // MARK: CSV

  /// The names of the columns: `prediction` for one number, numbered for several; with the
  /// output's name before them where there are several outputs.
  package func appendCSVHeader(delimiter: UInt8, to text: inout TextBuffer) {
    for column in resultColumns {
      text.append(delimiter)
      appendCSV(column.name, delimiter: delimiter, to: &text)
    }
  }

  /// Appends the numbers, a delimiter before each.
  package func appendCSV(
    _ numbers: UnsafeBufferPointer<Double>, explanation: UnsafeBufferPointer<Double>,
    delimiter: UInt8, to text: inout TextBuffer
  ) {
    if isOneNumber, explanation.isEmpty {
      text.append(delimiter)
      return text.append(unsafe numbers[0])
    }
    for output in outputs {
      if output.bestCount > 0 {
        unsafe appendBestCSV(of: output, numbers, delimiter, to: &text)
        continue
      }
      for element in 0..<output.width {
        text.append(delimiter)
        let number = unsafe numbers[output.start + element]
        if case .label = output.kind {
          // A label that is missing is an empty field.
          guard let label = Int(exactly: number), output.labels.indices.contains(label) else {
            continue
          }
          appendCSV(output.labels[label].text, delimiter: delimiter, to: &text)
        } else {
          append(number, of: output, to: &text)
        }
      }
    }
    for index in explanation.indices {
      text.append(delimiter)
      text.append(unsafe explanation[index])
    }
  }

  /// Class and number of each rank; empty fields where there are fewer.
  private func appendBestCSV(
    of output: WrittenOutput, _ numbers: UnsafeBufferPointer<Double>, _ delimiter: UInt8,
    to text: inout TextBuffer
  ) {
    var best = unsafe output.firstBest(numbers)
    for _ in 0..<output.bestCount {
      text.append(delimiter)
      if let index = best {
        if output.classes.isEmpty {
          text.append(index)
        } else {
          appendCSV(output.classes[index].text, delimiter: delimiter, to: &text)
        }
      }
      text.append(delimiter)
      guard let index = best else { continue }
      unsafe append(numbers[output.start + index], of: output, to: &text)
      best = unsafe output.nextBest(numbers, after: index)
    }
  }

  /// A field, in quotes where it needs them.
  private func appendCSV(_ field: String, delimiter: UInt8, to text: inout TextBuffer) {
    let special = [UInt8(ascii: "\""), UInt8(ascii: "\n"), UInt8(ascii: "\r"), delimiter]
    guard field.utf8.contains(where: special.contains) else {
      return text.append(Array(field.utf8))
    }
    text.append(UInt8(ascii: "\""))
    for byte in field.utf8 {
      if byte == UInt8(ascii: "\"") { text.append(byte) }
      text.append(byte)
    }
    text.append(UInt8(ascii: "\""))
  }
}
