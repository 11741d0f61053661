import Yams

/// Walks the nodes of a YAML file, and notes each mistake with its line.
protocol NodeReader {
  /// The file's, for what is said.
  var name: String { get }

  mutating func refuse(_ problem: String)
}

extension NodeReader {
  /// Calls `read` for each known key that has a value; notes the others.
  mutating func each(
    _ node: Node, at path: String, known: [String], refusal: (String) -> String,
    _ read: (inout Self, String, Node) -> Void
  ) {
    guard let mapping = node.mapping else {
      return refuse("\(at(node, path)): a mapping of keys is expected")
    }
    for (key, value) in mapping {
      let keyText = key.string ?? ""
      guard known.contains(keyText) else {
        refuse(place(key) + refusal(keyText))
        continue
      }
      guard !isNull(value) else { continue }  // `keyField:` with nothing behind it
      read(&self, keyText, value)
    }
  }

  /// YAML's null, written as a plain scalar; a quoted "null" is a text.
  private func isNull(_ node: Node) -> Bool {
    node.scalar?.style != .doubleQuoted && node.scalar?.style != .singleQuoted && node.null != nil
  }

  mutating func text(_ node: Node, _ path: String) -> String? {
    if let scalar = node.scalar { return scalar.string }
    refuse("\(at(node, path)): one text is expected")
    return nil
  }

  /// A list of texts; a single one stands for a list of one.
  mutating func texts(_ node: Node, _ path: String) -> [String]? {
    if let scalar = node.scalar { return [scalar.string] }
    guard let sequence = node.sequence else {
      refuse("\(at(node, path)): a list of texts is expected")
      return nil
    }
    return sequence.compactMap { text($0, path) }
  }

  mutating func number(_ node: Node, _ path: String) -> Int64? {
    if let number = node.int { return Int64(number) }
    refuse("\(at(node, path)): a whole number is expected")
    return nil
  }

  mutating func number(_ node: Node, _ path: String, in range: ClosedRange<Int>) -> Int? {
    guard let number = number(node, path) else { return nil }
    if let number = Int(exactly: number), range.contains(number) { return number }
    refuse("\(at(node, path)): from \(range.lowerBound) to \(range.upperBound), not \(number)")
    return nil
  }

  /// A finite number with or without decimals.
  mutating func decimal(_ node: Node, _ path: String) -> Double? {
    if let number = node.float, number.isFinite { return number }
    if let number = node.int { return Double(number) }
    refuse("\(at(node, path)): a number is expected")
    return nil
  }

  /// True, or nil for false: what is off is not part of what is read.
  mutating func flag(_ node: Node, _ path: String) -> Bool? {
    guard let flag = node.bool else {
      refuse("\(at(node, path)): true or false is expected")
      return nil
    }
    return flag ? true : nil
  }

  /// "job.yaml:3: " where the line is known.
  func place(_ node: Node) -> String {
    node.mark.map { "\(name):\($0.line): " } ?? "\(name): "
  }

  func at(_ node: Node, _ path: String) -> String { place(node) + path }
}
