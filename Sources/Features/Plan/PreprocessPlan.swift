package import Models

/// What is done to the columns of a table before a model sees them.
///
/// A JSON document: `{"version": 1, "steps": […], "features": […]}`. Steps are carried out in
/// order; each has an `op`, `inputs` and mostly `outputs`, without which it replaces its inputs for
/// the steps after it. `features` names the columns that the model gets, in its order; without it
/// they are found by the model's own names. What fitting found out stands in the same document, as
/// `fitted` in each step.
package struct PreprocessPlan: Sendable {
  let document: Document
  let steps: [Step]
  let features: [String]?
  /// Kinds that the document declares for columns of the table.
  let kinds: [String: ColumnKind]

  /// One step and what it is called with.
  struct Step: Sendable {
    let names: StepNames
    let operation: any Operation
  }

  /// Reads a document.
  ///
  /// - Throws: `ModelError` naming the path in the document.
  package init(_ bytes: [UInt8]) throws(ModelError) {
    document = try Document(bytes, encoding: .json)
    var fields = try StepFields(document.root)
    _ = try fields.required("version").integer(in: 1...1)
    features = try fields.names("features")
    kinds = try Self.kinds(fields.optional("inputs"))
    let list = try fields.required("steps")
    guard list.kind == .array, !list.isNumbers || list.count == 0 else {
      throw list.error("expected an array of steps")
    }
    guard list.count <= PlanLimits.stepCount else {
      throw list.error(
        "\(list.count) steps, the limit is \(PlanLimits.stepCount)", code: .limitExceeded)
    }
    try fields.finish()
    steps =
      list.count == 0
      ? [] : try list.elements().map { (value) throws(ModelError) in try Self.step(value) }
  }

  /// Whether every step can be applied as the document stands.
  package var isFitted: Bool { steps.allSatisfy(\.operation.isFitted) }

  private static func kinds(
    _ value: DocumentValue?
  ) throws(ModelError) -> [String: ColumnKind] {
    guard let value else { return [:] }
    var kinds: [String: ColumnKind] = [:]
    for member in try value.members() {
      guard let kind = ColumnKind(rawValue: try member.value.string()) else {
        throw member.value.error("expected one of number, text")
      }
      kinds[member.key] = kind
    }
    return kinds
  }

  private static func step(_ value: DocumentValue) throws(ModelError) -> Step {
    var fields = try StepFields(value)
    let name = try fields.required("op")
    let inputs = try fields.required("inputs").strings()
    guard !inputs.isEmpty, inputs.count <= PlanLimits.columnCount else {
      throw value.error("\(inputs.count) inputs; there must be 1 to \(PlanLimits.columnCount)")
    }
    let outputs = try fields.names("outputs")
    let text = try name.string()
    guard let kind = OperationName(rawValue: text) else {
      let known = OperationName.allCases.map(\.rawValue).joined(separator: ", ")
      throw name.error("there is no such step; those that there are: \(known)", code: .unsupported)
    }
    let expected = kind.makesOneOfAll ? 1 : inputs.count
    guard outputs == nil || outputs?.count == expected else {
      throw value.error("\(outputs?.count ?? 0) outputs instead of \(expected)")
    }
    let operation = try kind.read(&fields, inputCount: inputs.count)
    try fields.finish()
    let joined = inputs.joined(separator: "_")
    return Step(
      names: StepNames(
        place: value, operation: text, inputs: inputs,
        outputs: outputs ?? (kind.makesOneOfAll ? [joined] : inputs)),
      operation: operation)
  }
}

/// The words that `op` may say.
enum OperationName: String, CaseIterable {
  case impute, scale, clip, log, power, bucketize
  case oneHot = "one_hot"
  case ordinal, frequency, target, hash
  case dateParts = "date_parts"
  case cross, lowercase
  case hashText = "hash_text"
  case tfidf

  /// Whether the step has one output, whatever the number of its inputs.
  var makesOneOfAll: Bool { self == .cross || self == .hash }

  func read(
    _ fields: inout StepFields, inputCount: Int
  ) throws(ModelError) -> any Operation {
    switch self {
    case .impute: try Impute(&fields, inputCount: inputCount)
    case .scale: try Scale(&fields, inputCount: inputCount)
    case .clip: try Clip(&fields)
    case .log: try Logarithm(&fields)
    case .power: try Power(&fields, inputCount: inputCount)
    case .bucketize: try Bucketize(&fields, inputCount: inputCount)
    case .oneHot: try OneHot(&fields, inputCount: inputCount)
    case .ordinal: try Ordinal(&fields, inputCount: inputCount)
    case .frequency: try Frequency(&fields, inputCount: inputCount)
    case .target: try TargetMean(&fields, inputCount: inputCount)
    case .hash: try HashColumns(&fields)
    case .dateParts: try DateParts(&fields)
    case .cross: try Cross(&fields)
    case .lowercase: Lowercase()
    case .hashText: try HashText(&fields)
    case .tfidf: try TermWeights(&fields, inputCount: inputCount)
    }
  }
}
