/// What a bundle wants to be given and what it gives.
///
/// In JSON: `{"version": 1, "inputs": [{"name": "age", "type": "number"}], "outputs":
/// [{"name": "prediction", "type": "float64", "width": 1}]}`, and `columns`, the names of the
/// model's own inputs in order where the model file has none.
package struct Signature: Equatable, Sendable {
  package let inputs: [Input]
  package let outputs: [Output]
  /// Names for the model's inputs; nil to take its own.
  package let columns: [String]?

  /// A column of the table.
  package struct Input: Equatable, Sendable {
    package let name: String
    package let type: InputType

    package init(name: String, type: InputType) {
      self.name = name
      self.type = type
    }
  }

  package enum InputType: String, CaseIterable, Sendable {
    case number, category, text
  }

  /// A result for each row.
  package struct Output: Equatable, Sendable {
    package let name: String
    package let type: OutputType
    package let width: Int

    package init(name: String, type: OutputType, width: Int) {
      self.name = name
      self.type = type
      self.width = width
    }
  }

  package enum OutputType: String, CaseIterable, Sendable {
    case float64, float32, integer, label
  }

  /// Says what a model of these inputs and outputs is.
  package init(inputs: [ModelInput], outputs: [ModelOutput], columns: [String]? = nil) {
    self.inputs = inputs.map { input in
      let type: InputType =
        switch input.kind {
        case .numeric: .number
        case .categorical: .category
        case .text: .text
        }
      return Input(name: input.name, type: type)
    }
    self.outputs = outputs.map { output in
      let type: OutputType =
        switch output.kind {
        case .float64: .float64
        case .float32: .float32
        case .integer: .integer
        case .label: .label
        }
      return Output(name: output.name, type: type, width: output.width)
    }
    self.columns = columns
  }

  /// Reads a signature.
  ///
  /// - Throws: `ModelError` naming the path in it.
  package init(_ bytes: [UInt8]) throws(ModelError) {
    let root = try Document(bytes, encoding: .json).root
    _ = try root.required("version").integer(in: 1...1)
    inputs = try root.required("inputs").elements().map { (value) throws(ModelError) in
      Input(
        name: try value.required("name").string(),
        type: try Self.word(value.required("type")))
    }
    outputs = try root.required("outputs").elements().map { (value) throws(ModelError) in
      Output(
        name: try value.required("name").string(),
        type: try Self.word(value.required("type")),
        width: try value.required("width").integer(in: 1...ModelLimits.outputCount))
    }
    columns = try root.optional("columns")?.elements().map { (value) throws(ModelError) in
      try value.string()
    }
    for member in try root.members()
    where !["version", "inputs", "outputs", "columns"].contains(member.key) {
      throw member.value.error("this key means nothing here")
    }
  }

  private static func word<Word: RawRepresentable & CaseIterable>(
    _ value: DocumentValue
  ) throws(ModelError) -> Word where Word.RawValue == String {
    guard let word = Word(rawValue: try value.string()) else {
      let words = Word.allCases.map(\.rawValue).joined(separator: ", ")
      throw value.error("expected one of \(words)")
    }
    return word
  }

  /// The signature as JSON.
  package var bytes: [UInt8] {
    var text = JSONText()
    text.beginObject()
    text.key("version")
    text.integer(1)
    text.key("inputs")
    text.beginArray()
    for input in inputs {
      text.beginObject()
      text.key("name")
      text.text(input.name.utf8)
      text.key("type")
      text.text(input.type.rawValue.utf8)
      text.endObject()
    }
    text.endArray()
    text.key("outputs")
    text.beginArray()
    for output in outputs {
      text.beginObject()
      text.key("name")
      text.text(output.name.utf8)
      text.key("type")
      text.text(output.type.rawValue.utf8)
      text.key("width")
      text.integer(output.width)
      text.endObject()
    }
    text.endArray()
    if let columns {
      text.key("columns")
      text.beginArray()
      for column in columns { text.text(column.utf8) }
      text.endArray()
    }
    text.endObject()
    return text.bytes
  }
}
