package import Jobs
package import Models

/// How the numbers that a model gives for a record become text.
package struct PredictionFormat: Sendable {
  private let outputs: [ModelOutput]
  /// Names of the inputs that contributions are written of; none if none are asked for.
  private let explained: [String]
  private let isOneNumber: Bool
  /// For each output the JSON spelling of its name and of its elements' names, colons included.
  private let keys: [(name: [UInt8], elements: [[UInt8]])]
  private let explainedKeys: [[UInt8]]
  /// For each output the JSON spelling of its labels.
  private let labels: [[[UInt8]]]

  /// - Parameters:
  ///   - outputs: the model's.
  ///   - explained: the names of the model's inputs if contributions are wanted, else none.
  package init(outputs: [ModelOutput], explained: [String] = []) {
    self.outputs = outputs
    self.explained = explained
    isOneNumber =
      outputs.count == 1 && outputs[0].width == 1 && outputs[0].kind == .float64
      && outputs[0].elementNames.isEmpty
    keys = outputs.map { output in
      (Self.key(output.name), output.elementNames.map(Self.key))
    }
    explainedKeys = explained.map(Self.key)
    labels = outputs.map { output in
      guard case .label(let texts) = output.kind else { return [] }
      return texts.map(Self.string)
    }
  }

  /// How many numbers a record's prediction has.
  package var width: Int { outputs.reduce(0) { $0 + $1.width } }

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
    guard outputs.count > 1 else { return unsafe append(0, numbers, start: 0, to: &text) }
    var start = 0
    for index in outputs.indices {
      text.append(UInt8(ascii: index == 0 ? "{" : ","))
      text.append(keys[index].name)
      unsafe append(index, numbers, start: start, to: &text)
      start += outputs[index].width
    }
    text.append(UInt8(ascii: "}"))
  }

  private func append(
    _ index: Int, _ numbers: UnsafeBufferPointer<Double>, start: Int, to text: inout TextBuffer
  ) {
    let output = outputs[index]
    let names = keys[index].elements
    if names.isEmpty, output.width == 1 {
      return unsafe append(numbers[start], of: index, to: &text)
    }
    text.append(UInt8(ascii: names.isEmpty ? "[" : "{"))
    for element in 0..<output.width {
      if element > 0 { text.append(UInt8(ascii: ",")) }
      if !names.isEmpty { text.append(names[element]) }
      unsafe append(numbers[start + element], of: index, to: &text)
    }
    text.append(UInt8(ascii: names.isEmpty ? "]" : "}"))
  }

  private func append(_ number: Double, of index: Int, to text: inout TextBuffer) {
    switch outputs[index].kind {
    case .float64: text.append(number)
    case .float32: text.append(Float(number))
    case .integer:
      if let whole = Int(exactly: number) { text.append(whole) } else { text.append("null") }
    case .label:
      guard let label = Int(exactly: number), labels[index].indices.contains(label) else {
        return text.append("null")
      }
      text.append(labels[index][label])
    }
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

  /// The columns of a prediction, as the header of a CSV file names them.
  package var resultColumns: [ResultColumn] {
    var columns: [ResultColumn] = []
    for output in outputs {
      let name = outputs.count == 1 ? "prediction" : output.name
      for element in 0..<output.width {
        let suffix = output.elementNames.isEmpty ? "\(element)" : output.elementNames[element]
        let isAlone = output.width == 1 && output.elementNames.isEmpty
        columns.append(
          ResultColumn(name: isAlone ? name : "\(name)_\(suffix)", type: output.columnType))
      }
    }
    guard !explained.isEmpty else { return columns }
    for number in 0..<width {
      let prefix = width == 1 ? "attribution" : "attribution_\(number)"
      columns += (explained + ["baseline"]).map {
        ResultColumn(name: "\(prefix)_\($0)", type: .number)
      }
    }
    return columns
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
    var start = 0
    for (index, output) in outputs.enumerated() {
      for element in 0..<output.width {
        text.append(delimiter)
        let number = unsafe numbers[start + element]
        if case .label(let texts) = output.kind {
          // A label that is missing is an empty field.
          guard let label = Int(exactly: number), texts.indices.contains(label) else { continue }
          appendCSV(texts[label], delimiter: delimiter, to: &text)
        } else {
          append(number, of: index, to: &text)
        }
      }
      start += output.width
    }
    for index in explanation.indices {
      text.append(delimiter)
      text.append(unsafe explanation[index])
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

  private static func key(_ name: String) -> [UInt8] { string(name) + [UInt8(ascii: ":")] }

  private static func string(_ value: String) -> [UInt8] {
    var text = TextBuffer(capacity: 64)
    text.appendJSONString(value)
    return text.copy()
  }
}

extension ModelOutput {
  /// What its values are in a table.
  fileprivate var columnType: ColumnType {
    switch kind {
    case .float64: .number
    case .float32: .float
    case .integer: .integer
    case .label: .text
    }
  }
}
