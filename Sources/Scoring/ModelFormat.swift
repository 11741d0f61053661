package import Models

/// The formats that are read, and how a file of each is told.
package enum ModelFormat: CaseIterable, Sendable {
  case lightGBM
  case xgboostJSON
  case xgboostUBJSON
  case catboostJSON
  case onnx
  case plainJSON
  case factors

  package var name: String {
    switch self {
    case .lightGBM: "LightGBM text"
    case .xgboostJSON: "XGBoost JSON"
    case .xgboostUBJSON: "XGBoost UBJSON"
    case .catboostJSON: "CatBoost JSON"
    case .onnx: "ONNX"
    case .plainJSON: "plain JSON (linear, logistic, kmeans, pca)"
    case .factors: "factors (an archive with \(FactorModel.descriptionName))"
    }
  }

  /// How the bytes of a file are to be taken apart.
  package enum Encoding: Sendable { case lightGBM, json, ubjson, onnx, archive }

  /// Tells the encoding from the first bytes.
  ///
  /// - Throws: `ModelError` with the code `notAModel` that lists what is read, or with
  ///   `unsupported` for files that are known but not read.
  package static func encoding(of bytes: [UInt8]) throws(ModelError) -> Encoding {
    let start = bytes.prefix(512)
    if start.starts(with: "tree\n".utf8) || start.starts(with: "tree\r".utf8) { return .lightGBM }
    if start.starts(with: "{".utf8), let second = start.dropFirst().first,
      "LlIiU#}".utf8.contains(second)
    {
      // A UBJSON key begins with the type of its length; in JSON a quote or a blank would follow.
      return second == UInt8(ascii: "}") ? .json : .ubjson
    }
    if Archive.isArchive(bytes) { return .archive }
    if ONNXModel.isLikely(bytes) { return .onnx }
    let text = start.drop { " \n\r\t".utf8.contains($0) }
    if text.first == UInt8(ascii: "{") { return .json }
    for (mark, advice) in refusals where contains(Array(text), Array(mark.utf8)) {
      throw ModelError(code: .unsupported, context: advice)
    }
    throw unknown(bytes.isEmpty ? "an empty file" : "byte 0")
  }

  /// Tells the format from the keys of a document.
  package init(_ document: Document) throws(ModelError) {
    let root = document.root
    guard root.kind == .object else { throw Self.unknown("a document without keys") }
    if try root.optional("learner") != nil {
      self = document.encoding == .json ? .xgboostJSON : .xgboostUBJSON
      return
    }
    var trees = try root.optional("oblivious_trees")
    if trees == nil { trees = try root.optional("trees") }
    if trees != nil, try root.optional("features_info") != nil {
      self = .catboostJSON
      return
    }
    if try root.optional("model") != nil {
      self = .plainJSON
      return
    }
    let keys = try root.members().prefix(8).map { String($0.key.prefix(32)) }
    throw Self.unknown("a document with the keys \(keys.joined(separator: ", "))")
  }

  /// An error that lists what is read.
  static func unknown(_ place: String) -> ModelError {
    let names = allCases.map { $0.name }.joined(separator: ", ")
    return ModelError(code: .notAModel, context: "\(place): not a model; what is read is \(names)")
  }

  /// Words near the beginning of files that can be told but are not read, and what to do.
  private static let refusals = [
    (
      "gbtree",
      """
      XGBoost's old binary format is not read; \
      convert it: booster.load_model("m.bin"); booster.save_model("m.json")
      """
    ),
    (
      "gblinear",
      """
      XGBoost's old binary format is not read; \
      convert it: booster.load_model("m.bin"); booster.save_model("m.json")
      """
    ),
    (
      "binf", "XGBoost's old binary format is not read; convert it: booster.save_model(\"m.json\")"
    ),
    (
      "CBM1",
      "CatBoost's binary format is not read; save it as JSON: save_model(\"m.json\", \"json\")"
    ),
    (
      "\"nodeid\"",
      "a dump of XGBoost's trees is not a whole model; save it: booster.save_model(\"m.json\")"
    ),
  ]

  private static func contains(_ text: [UInt8], _ word: [UInt8]) -> Bool {
    text.indices.contains { text[$0...].starts(with: word) }
  }
}
