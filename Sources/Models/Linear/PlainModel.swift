/// A linear model, a k-means clustering or a PCA as a JSON object that its user writes.
///
/// The key `model` says which. Lists of lists may be written as one list where there is one row;
/// `features` names the inputs, `x0`, `x1`, … without it; keys not named here are left alone.
///
/// - `linear`: `coefficients` (a row for each output), `intercepts` (a number or a list; zeros
///   without it), `link` (`identity` or `exp`), `outputs` (a name for each output), `means` (of the
///   features, for explanations).
/// - `logistic`: the same and `classes` (texts, numbers or truth values), with `link` one of
///   `sigmoid` (one row for two classes; the default there), `softmax` (the default otherwise) and
///   `ovr` (a sigmoid of each class, divided by their sum).
/// - `kmeans`: `centers`, a row for each cluster.
/// - `pca`: `components` (a row for each), `mean`, `whiten` with `explained_variance`.
package struct PlainModel: Sendable {
  package let inputs: [ModelInput]
  package let content: Content
  package let objective: Objective
  /// What the outputs, or classes, are called; empty if they have no names.
  package let names: [String]

  package enum Content: Sendable {
    case linear(LinearModel)
    /// Scores of the classes.
    case classes(LinearModel)
    case clusters(ClusterModel)
    case components(ComponentModel)
  }

  /// Reads a model.
  ///
  /// - Throws: `ModelError` naming the path and the byte.
  package init(_ document: Document) throws(ModelError) {
    let root = document.root
    let field = try root.required("model")
    switch try field.string() {
    case "linear":
      let rows = try PlainRows(root, key: "coefficients")
      content = .linear(try Self.linear(root, rows))
      objective = try Self.linearObjective(root)
      names = try Self.texts(root, key: "outputs", count: rows.count)
    case "logistic":
      let rows = try PlainRows(root, key: "coefficients")
      let classes = try root.required("classes")
      names = try Self.classNames(classes)
      (content, objective) = try Self.logistic(root, rows, classes: classes)
    case "kmeans":
      content = .clusters(ClusterModel(centers: try PlainRows(root, key: "centers")))
      (objective, names) = (Objective(name: "kmeans", link: .identity), [])
    case "pca":
      content = .components(try ComponentModel(root))
      (objective, names) = (Objective(name: "pca", link: .identity), [])
    case let other:
      throw field.error(
        "\(other.prefix(32)) is none of linear, logistic, kmeans, pca", code: .unsupported)
    }
    inputs = try Self.inputs(root, count: content.featureCount)
  }

  private static func linear(
    _ root: DocumentValue, _ rows: PlainRows
  ) throws(ModelError) -> LinearModel {
    var model = LinearModel(featureCount: rows.width, outputCount: rows.count)
    model.coefficients = rows.numbers
    if let field = try root.optional("intercepts") {
      model.intercepts =
        field.kind == .number ? [try field.double()] : try field.doubles()
      guard model.intercepts.count == rows.count else {
        throw field.error("\(model.intercepts.count) numbers instead of \(rows.count)")
      }
      try PlainRows.checkFinite(model.intercepts, field)
    }
    if let field = try root.optional("means") {
      model.means = try field.doubles(count: rows.width)
      try PlainRows.checkFinite(model.means, field)
    }
    return model
  }

  private static func linearObjective(_ root: DocumentValue) throws(ModelError) -> Objective {
    guard let field = try root.optional("link") else {
      return Objective(name: "linear", link: .identity)
    }
    switch try field.string() {
    case "identity": return Objective(name: "linear", link: .identity)
    case "exp": return Objective(name: "linear", link: .exponential)
    case let other:
      throw field.error("\(other.prefix(32)) is none of identity, exp", code: .unsupported)
    }
  }

  private static func logistic(
    _ root: DocumentValue, _ rows: PlainRows, classes: DocumentValue
  ) throws(ModelError) -> (Content, Objective) {
    var model = try linear(root, rows)
    let isPair = rows.count == 1
    guard classes.count == (isPair ? 2 : rows.count) else {
      throw classes.error("\(classes.count) classes for \(rows.count) rows of coefficients")
    }
    let field = try root.optional("link")
    let name = try field?.string() ?? (isPair ? "sigmoid" : "softmax")
    let link: Objective.Link
    switch (name, isPair) {
    case ("sigmoid", true), ("ovr", true): link = .sigmoidPair
    case ("softmax", _): link = .softmax
    case ("ovr", false): link = .sigmoidShares
    default:
      throw (field ?? root).error(
        "\(name.prefix(32)) is none of sigmoid (of two classes), softmax, ovr", code: .unsupported)
    }
    if isPair { model = model.withOpposite }
    return (.classes(model), Objective(name: "logistic", link: link))
  }

  private static func inputs(
    _ root: DocumentValue, count: Int
  ) throws(ModelError) -> [ModelInput] {
    guard count <= ModelLimits.featureCount else {
      throw root.error("more than \(ModelLimits.featureCount) features", code: .limitExceeded)
    }
    var names = try texts(root, key: "features", count: count)
    if names.isEmpty { names = (0..<count).map { "x\($0)" } }
    return names.map { ModelInput(name: $0, kind: .numeric) }
  }

  /// A list of different texts; none if there is no such key.
  private static func texts(
    _ root: DocumentValue, key: String, count: Int
  ) throws(ModelError) -> [String] {
    guard let field = try root.optional(key) else { return [] }
    let texts = try field.elements().map { (text) throws(ModelError) in try text.string() }
    guard texts.count == count else {
      throw field.error("\(texts.count) names instead of \(count)")
    }
    guard Set(texts).count == count else { throw field.error("a name stands there twice") }
    return texts
  }

  /// Classes as texts; numbers without a fraction as integers.
  private static func classNames(_ field: DocumentValue) throws(ModelError) -> [String] {
    let names: [String]
    if field.isNumbers {
      names = try field.doubles().map { number in
        Int(exactly: number).map(String.init) ?? "\(number)"
      }
    } else {
      names = try field.elements().map { (name) throws(ModelError) in
        name.kind == .boolean ? (try name.boolean() ? "true" : "false") : try name.string()
      }
    }
    guard Set(names).count == names.count else { throw field.error("a class stands there twice") }
    return names
  }
}

extension PlainModel.Content {
  var featureCount: Int {
    switch self {
    case .linear(let model), .classes(let model): model.featureCount
    case .clusters(let model): model.featureCount
    case .components(let model): model.mean.count
    }
  }
}

extension LinearModel {
  /// Two outputs of one: its opposite, and itself.
  fileprivate var withOpposite: LinearModel {
    var model = LinearModel(featureCount: featureCount, outputCount: 2)
    model.coefficients = coefficients.map { -$0 } + coefficients
    model.intercepts = intercepts.map { -$0 } + intercepts
    model.means = means
    return model
  }
}
