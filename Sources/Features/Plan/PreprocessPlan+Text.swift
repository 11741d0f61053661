internal import Models

extension PreprocessPlan {
  /// The document with the member `fitted` of some steps replaced.
  func text(fitted: [Int: FittedValue]) throws(ModelError) -> [UInt8] {
    var text = JSONText()
    text.beginObject()
    for member in try document.root.members() {
      text.key(member.key)
      guard member.key == "steps" else {
        try text.copy(member.value)
        continue
      }
      text.beginArray()
      for (index, step) in try member.value.elements().enumerated() {
        try text.copy(step, fitted: fitted[index])
      }
      text.endArray()
    }
    text.endObject()
    return text.bytes
  }
}

extension JSONText {
  fileprivate mutating func copy(
    _ step: DocumentValue, fitted: FittedValue?
  ) throws(ModelError) {
    beginObject()
    for member in try step.members() where fitted == nil || member.key != "fitted" {
      key(member.key)
      try copy(member.value)
    }
    if let fitted {
      key("fitted")
      value(fitted)
    }
    endObject()
  }

  /// A value that fitting found.
  fileprivate mutating func value(_ value: FittedValue) {
    switch value {
    case .number(let number): self.number(number)
    case .integer(let number): integer(number)
    case .text(let text): self.text(text.utf8)
    case .numbers(let numbers): self.numbers(numbers)
    case .array(let values):
      beginArray()
      for value in values { self.value(value) }
      endArray()
    case .object(let members):
      beginObject()
      for member in members {
        key(member.key)
        self.value(member.value)
      }
      endObject()
    }
  }
}
