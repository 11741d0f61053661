import Jobs
import Models

/// One output of a model as results have it.
struct WrittenOutput: Sendable {
  let name: String
  let kind: ModelOutput.Kind
  let width: Int
  let elementNames: [String]
  /// Its first number among the model's.
  let start: Int
  /// Its best classes that are written; 0 where all numbers are.
  let bestCount: Int
  /// With best classes their names; none where they have none.
  let classes: [Label]
  /// The texts of a label output.
  let labels: [Label]
  /// The JSON spelling of its name and of its elements' names, colons included.
  let key: [UInt8]
  let elementKeys: [[UInt8]]

  /// A text and how JSON spells it.
  struct Label: Sendable {
    let text: String
    let bytes: [UInt8]
    let json: [UInt8]

    init(_ text: String) {
      self.text = text
      bytes = Array(text.utf8)
      json = TextBuffer.jsonString(text)
    }
  }

  private init(_ output: ModelOutput, start: Int, bestCount: Int = 0, classes: [String] = []) {
    name = output.name
    kind = output.kind
    width = output.width
    elementNames = output.elementNames
    self.start = start
    self.bestCount = bestCount
    self.classes = classes.map(Label.init)
    if case .label(let texts) = output.kind { labels = texts.map(Label.init) } else { labels = [] }
    key = TextBuffer.jsonKey(output.name)
    elementKeys = output.elementNames.map(TextBuffer.jsonKey)
  }

  // MARK: Which

  static func all(of outputs: [ModelOutput]) -> [WrittenOutput] {
    zip(outputs, starts(of: outputs)).map { WrittenOutput($0, start: $1) }
  }

  private static func starts(of outputs: [ModelOutput]) -> [Int] {
    var next = 0
    return outputs.map { output in
      defer { next += output.width }
      return next
    }
  }

  /// Those that a job asks for.
  static func chosen(
    of outputs: [ModelOutput], _ options: JobRequest.OutputConfig
  ) throws(TableError) -> [WrittenOutput] {
    // A job that fits a plan writes what it learned as lines of text.
    guard !outputs.isEmpty else {
      let format = options.predictionsFormat
      guard format != .parquet, format != .arrow else {
        throw TableError(
          code: .unsupported,
          context: "the model gives no predictions: \(format.rawValue) has nothing to hold; use "
            + "jsonl")
      }
      return []
    }
    let known = outputs.map(\.name).joined(separator: ", ")
    let fields = options.outputFields ?? outputs.map(\.name)
    if let unknown = fields.first(where: { name in !outputs.contains { $0.name == name } }) {
      throw TableError(
        code: .unsupported,
        context: "outputFields names the output \(unknown); the model's outputs are \(known)")
    }
    guard !fields.isEmpty else {
      throw TableError(
        code: .unsupported,
        context: "outputFields names no output; the model's outputs are \(known)")
    }
    let isRanked = options.topK != nil
    if isRanked, !outputs.contains(where: { $0.hasClasses && fields.contains($0.name) }) {
      throw TableError(
        code: .unsupported,
        context: "topK: no output that is written has a number for each class; the model's "
          + "outputs are \(known)")
    }
    return zip(outputs, starts(of: outputs)).filter { fields.contains($0.0.name) }.map {
      (output, start) in
      guard let count = options.topK, output.hasClasses else {
        return WrittenOutput(output, start: start)
      }
      return WrittenOutput(
        output, start: start, bestCount: min(max(1, count), output.width),
        classes: classes(of: output, among: outputs))
    }
  }

  /// The names of an output's classes: its own, or the texts of the label output beside it.
  private static func classes(of output: ModelOutput, among outputs: [ModelOutput]) -> [String] {
    guard output.elementNames.isEmpty else { return output.elementNames }
    for other in outputs {
      if case .label(let texts) = other.kind, texts.count == output.width { return texts }
    }
    return []
  }

  // MARK: Best classes

  /// The class with the largest number, the first of equal ones; nil where all are NaN.
  func firstBest(_ numbers: UnsafeBufferPointer<Double>) -> Int? {
    var best: Int?
    for index in 0..<width where unsafe !numbers[start + index].isNaN {
      guard let former = best else {
        best = index
        continue
      }
      if unsafe numbers[start + index] > numbers[start + former] { best = index }
    }
    return best
  }

  /// The class that comes after another in the order of falling numbers.
  func nextBest(_ numbers: UnsafeBufferPointer<Double>, after last: Int) -> Int? {
    let bound = unsafe numbers[start + last]
    var best: Int?
    for index in 0..<width {
      let number = unsafe numbers[start + index]
      guard number < bound || (number == bound && index > last) else { continue }
      guard let former = best else {
        best = index
        continue
      }
      if unsafe number > numbers[start + former] { best = index }
    }
    return best
  }
}

extension ModelOutput {
  /// Whether it has a number for each of several classes.
  fileprivate var hasClasses: Bool {
    guard width > 1 else { return false }
    return kind == .float64 || kind == .float32
  }
}

extension TextBuffer {
  /// A name as a member of a JSON object begins.
  static func jsonKey(_ name: String) -> [UInt8] { jsonString(name) + [UInt8(ascii: ":")] }

  /// A text as JSON has it.
  static func jsonString(_ value: String) -> [UInt8] {
    var text = TextBuffer(capacity: 64)
    text.appendJSONString(value)
    return text.copy()
  }
}
