internal import Models

/// Operators of `ai.onnx.ml` that prepare features.
extension GraphCompiler {
  mutating func scale(_ node: ONNXNode) throws(ModelError) {
    let value = try floatRows(node)
    let width = value.columns.count
    let offset = try node.floats("offset")
    let factor = try node.floats("scale")
    guard [1, width].contains(offset.count) || offset.isEmpty,
      [1, width].contains(factor.count) || factor.isEmpty
    else {
      throw node.error(
        .malformed, "\(offset.count) offsets, \(factor.count) scales for \(width) columns")
    }
    let from = try cells(of: value)
    let to = try newCells(width, .float, node)
    let parts = from.indices.map { index in
      ScaleStep.Part(
        from: from[index], to: to[index],
        offset: offset.isEmpty ? 0 : offset[offset.count == 1 ? 0 : index],
        scale: factor.isEmpty ? 1 : factor[factor.count == 1 ? 0 : index])
    }
    append(ScaleStep(parts: parts))
    set(node, .float32, value.shape, cells: to)
  }

  mutating func impute(_ node: ONNXNode) throws(ModelError) {
    let value = try rows(node, 0)
    guard value.type == .float32 || value.type == .integer(.int64), let width = value.shape.last
    else { throw node.error(.unsupported, "\(value.type.name)") }
    let missing: Double
    let values: [Double]
    if value.type == .float32 {
      values = try node.floats("imputed_value_floats").map(Double.init)
      missing = Double(try node.float("replaced_value_float", 0))
    } else {
      values = try node.integers("imputed_value_int64s").map { Double($0) }
      missing = Double(try node.integer("replaced_value_int64", 0))
    }
    guard values.count == 1 || values.count == width, width > 0 else {
      throw node.error(.malformed, "\(values.count) values for \(width) columns")
    }
    let from = try cells(of: value)
    let to = try newCells(from.count, value.type.storage, node)
    let parts = from.indices.map { index in
      ReplaceStep.Part(
        from: from[index], to: to[index],
        replacement: values[values.count == 1 ? 0 : index % width])
    }
    append(ReplaceStep(storage: value.type.storage, missing: missing, parts: parts))
    set(node, value.type, value.shape, cells: to)
  }

  mutating func binarize(_ node: ONNXNode) throws(ModelError) {
    try unary(node, .threshold(Double(try node.float("threshold", 0))))
  }

  /// Inputs side by side, as floats.
  mutating func vectorize(_ node: ONNXNode) throws(ModelError) {
    var parts: [RowValue] = []
    for index in node.inputs.indices {
      var part = try convert(try rows(node, index), to: .float32, node)
      if part.shape.count == 1 { part.shape.append(1) }
      parts.append(part)
    }
    guard let first = parts.first, first.shape.count == 2 else {
      throw node.error(.unsupported, "inputs of other than two axes")
    }
    set(node, .rows(try joined(parts, 1, node)))
  }

  // MARK: Categories

  /// The codes of all columns of a value: the place of each element among some keys.
  private mutating func codes(
    _ value: RowValue, _ keys: KeyTable, _ other: Int32, _ node: ONNXNode
  ) throws(ModelError) -> [Cell] {
    let to = try newCells(value.columns.count, .code, node)
    if case .label(let texts) = value.type {
      // The texts are known: their codes are too.
      let places = texts.map { Int64(keys.find($0) ?? other) } + [Int64(other)]
      let from = try cells(of: value)
      append(
        RecodeStep(parts: Array(zip(from, to)).map { (from: $0.0, to: $0.1) }, codes: places))
      return to
    }
    let from = try cells(of: value)
    append(
      LookupStep(
        storage: value.type.storage,
        parts: Array(zip(from, to)).map { (from: $0.0, keys: keys, to: $0.1) }, other: other))
    return to
  }

  mutating func oneHotEncode(_ node: ONNXNode) throws(ModelError) {
    let value = try rows(node, 0)
    let texts = try node.texts("cats_strings")
    let integers = try node.integers("cats_int64s")
    let isText = value.type.storage == .text || value.type.isLabel
    guard isText ? !texts.isEmpty : !integers.isEmpty else {
      throw node.error(.malformed, "no categories of \(value.type.name)")
    }
    let count = isText ? texts.count : integers.count
    let keys =
      isText ? KeyTable(texts: texts) : KeyTable(integers: integers.map { Int64($0) })
    // Numbers lose their fraction before they are looked up.
    let whole = isText ? value : try convert(value, to: .integer(.int64), node)
    let other = try node.integer("zeros", 1) == 0 ? LookupStep.invalid : LookupStep.unknown
    let codes = try codes(whole, keys, other, node)
    try spend(codes.count * count, node)
    let columns = codes.flatMap { code in
      (0..<count).map { GraphColumn.indicator(code, code: Int32($0)) }
    }
    set(node, .float32, value.shape + [count], columns)
  }

  mutating func encodeLabels(_ node: ONNXNode) throws(ModelError) {
    let value = try rows(node, 0)
    let (keys, keyCount) = try encoderKeys(node, value)
    let codes = try codes(value, keys, LookupStep.unknown, node)
    let (type, values, valueCount) = try encoderValues(node, value)
    guard keyCount == valueCount else {
      throw node.error(.malformed, "\(keyCount) keys and \(valueCount) values")
    }
    let to = try newCells(codes.count, type.storage, node)
    append(
      TableStep(
        parts: Array(zip(codes, to)).map { (codes: $0.0, to: $0.1) }, values: values,
        isIndexed: false))
    set(node, type, value.shape, cells: to)
  }

  private func encoderKeys(
    _ node: ONNXNode, _ value: RowValue
  ) throws(ModelError) -> (KeyTable, Int) {
    let tensor = try node.tensor("keys_tensor")
    if value.type.storage == .text || value.type.isLabel {
      let texts =
        if let tensor {
          tensor.texts ?? []
        } else {
          try node.texts(
            node.attributes["keys_strings"] == nil ? "classes_strings" : "keys_strings")
        }
      return (KeyTable(texts: texts), texts.count)
    }
    if case .integer = value.type {
      if let classes = node.attributes["classes_strings"], case .texts(let texts) = classes {
        return (KeyTable(integers: texts.indices.map { Int64($0) }), texts.count)
      }
      let integers =
        if let tensor { tensor.integers ?? [] } else {
          try node.integers("keys_int64s").map { Int64($0) }
        }
      return (KeyTable(integers: integers), integers.count)
    }
    guard value.type.isNumber else { throw node.error(.unsupported, "keys of \(value.type.name)") }
    let numbers = if let tensor { tensor.numbers ?? [] } else { try node.numbers("keys_floats") }
    // Before version 4 NaN is not equal to NaN.
    let missingMatches = (versions["ai.onnx.ml"] ?? 1) >= 4
    return (KeyTable(numbers: numbers, missingMatches: missingMatches), numbers.count)
  }

  /// What keys become, with the value of what is not there at the end.
  private func encoderValues(
    _ node: ONNXNode, _ value: RowValue
  ) throws(ModelError) -> (GraphType, TableStep.Values, Int) {
    let other = try node.tensor("default_tensor")
    if let tensor = try node.tensor("values_tensor") {
      switch tensor.values {
      case .floats(let values):
        let last = other?.floats?.first ?? -0.0
        return (.float32, .floats(values + [last]), values.count)
      case .doubles(let values):
        let last = other?.numbers?.first ?? -0.0
        return (.float64, .doubles(values + [last]), values.count)
      case .integers(let values):
        let last = other?.integers?.first ?? -1
        return (GraphType(tensor.type), .integers(values + [last]), values.count)
      case .texts(let values): return labels(values, other?.texts?.first ?? "_Unused")
      }
    }
    if node.attributes["values_floats"] != nil {
      let values = try node.floats("values_floats")
      let last = try node.float("default_float", -0.0)
      return (.float32, .floats(values + [last]), values.count)
    }
    if node.attributes["values_int64s"] != nil {
      let values = try node.integers("values_int64s").map { Int64($0) }
      let last = Int64(try node.integer("default_int64", -1))
      return (.integer(.int64), .integers(values + [last]), values.count)
    }
    if node.attributes["values_strings"] != nil {
      return labels(
        try node.texts("values_strings"), try node.text("default_string", "_Unused"))
    }
    // The first version: texts to their places or back.
    let classes = try node.texts("classes_strings")
    guard !classes.isEmpty else { throw node.error(.unsupported, "values of this kind") }
    if case .integer = value.type {
      return labels(classes, try node.text("default_string", "_Unused"))
    }
    let places = classes.indices.map { Int64($0) }
    let last = Int64(try node.integer("default_int64", -1))
    return (.integer(.int64), .integers(places + [last]), places.count)
  }

  private func labels(_ texts: [String], _ other: String) -> (GraphType, TableStep.Values, Int) {
    let places = (0...texts.count).map { Int64($0) }
    return (.label(texts + [other]), .integers(places), texts.count)
  }

  /// The category mapper of `ai.onnx.ml`: texts to whole numbers or back.
  mutating func mapCategories(_ node: ONNXNode) throws(ModelError) {
    let value = try rows(node, 0)
    let texts = try node.texts("cats_strings")
    let integers = try node.integers("cats_int64s").map { Int64($0) }
    guard texts.count == integers.count else {
      throw node.error(.malformed, "\(texts.count) texts and \(integers.count) numbers")
    }
    let isText = value.type.storage == .text || value.type.isLabel
    guard isText || value.type == .integer(.int64) else {
      throw node.error(.unsupported, "categories of \(value.type.name)")
    }
    let keys = isText ? KeyTable(texts: texts) : KeyTable(integers: integers)
    let codes = try codes(value, keys, LookupStep.unknown, node)
    let to = try newCells(codes.count, .integer, node)
    let (type, values): (GraphType, TableStep.Values)
    if isText {
      let other = Int64(try node.integer("default_int64", -1))
      (type, values) = (.integer(.int64), .integers(integers + [other]))
    } else {
      let list = labels(texts, try node.text("default_string", "_Unused"))
      (type, values) = (list.0, list.1)
    }
    append(
      TableStep(
        parts: Array(zip(codes, to)).map { (codes: $0.0, to: $0.1) }, values: values,
        isIndexed: false))
    set(node, type, value.shape, cells: to)
  }

  /// The standard one-hot operator, at the last axis.
  mutating func oneHot(_ node: ONNXNode) throws(ModelError) {
    let value = try rows(node, 0)
    let depth = try constant(node, 1).numbers?.first ?? 0
    let pair = try constant(node, 2)
    guard let values = pair.numbers, values == [0, 1], depth >= 1,
      depth <= 65_536
    else {
      throw node.error(.unsupported, "values other than 0 and 1, or a depth of \(depth)")
    }
    let count = Int(depth)
    let axis = try node.integer("axis", -1)
    guard axis == -1 || axis == value.shape.count else {
      throw node.error(.unsupported, "axis \(axis)")
    }
    // Indices below zero count from the last.
    let keys = KeyTable(integers: (0..<count).map { Int64($0) } + (-count..<0).map { Int64($0) })
    let whole = try convert(value, to: .integer(.int64), node)
    let raw = try codes(whole, keys, LookupStep.unknown, node)
    let codes = try newCells(raw.count, .code, node)
    append(
      FoldStep(parts: Array(zip(raw, codes)).map { (from: $0.0, to: $0.1) }, count: Int32(count)))
    try spend(codes.count * count, node)
    let columns = codes.flatMap { code in
      (0..<count).map { GraphColumn.indicator(code, code: Int32($0)) }
    }
    set(node, GraphType(pair.type), value.shape + [count], columns)
  }

  /// Numbers of a row under the names of classes.
  mutating func zipMap(_ node: ONNXNode) throws(ModelError) {
    let value = try rows(node, 0)
    let names: [String] =
      switch try ClassLabels(node) {
      case .texts(let texts): texts
      case .integers(let integers): integers.map(String.init)
      }
    guard value.shape == [RowValue.batch, names.count] else {
      throw node.error(
        .malformed, "\(names.count) names for \(GraphShape.text(value.shape))")
    }
    set(node, .named(value, names))
  }
}

extension GraphType {
  /// Whether it is one of some texts.
  var isLabel: Bool {
    if case .label = self { true } else { false }
  }
}

/// Turns places in one list into codes of another.
struct RecodeStep: GraphStep {
  let parts: [(from: Cell, to: Cell)]
  /// The code of each place; the last one is for places out of range.
  let codes: [Int64]

  var reads: [Cell] { parts.map(\.from) }
  var writes: [Cell] { parts.map(\.to) }
  var name: String { "recode \(parts.count) columns" }

  func run(_ frame: GraphFrame, scratch: inout ScoringScratch) {
    let last = codes.count - 1
    for part in parts {
      let (from, to) = unsafe (frame.integers(part.from), frame.codes(part.to))
      for row in 0..<(unsafe frame.rowCount) {
        let place = unsafe from[row]
        let index = place >= 0 && place < Int64(last) ? Int(place) : last
        unsafe to[row] = Int32(codes[index])
      }
    }
  }
}

/// Takes codes from a count on back to the beginning.
struct FoldStep: GraphStep {
  let parts: [(from: Cell, to: Cell)]
  let count: Int32

  var reads: [Cell] { parts.map(\.from) }
  var writes: [Cell] { parts.map(\.to) }
  var name: String { "fold \(parts.count) columns" }

  func run(_ frame: GraphFrame, scratch: inout ScoringScratch) {
    for part in parts {
      let (from, to) = unsafe (frame.codes(part.from), frame.codes(part.to))
      for row in 0..<(unsafe frame.rowCount) {
        let code = unsafe from[row]
        unsafe to[row] = code >= count ? code - count : code
      }
    }
  }
}
