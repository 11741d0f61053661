/// What stands after the trees of a model: training parameters and the categories of pandas.
struct LightGBMTrailer {
  /// The features that were named categorical when the model was trained.
  private(set) var categoricalFeatures: Set<Int> = []

  /// For each column that was a pandas category, its categories.
  private(set) var categories: [[Category]] = []

  /// Reads to the end of the text.
  ///
  /// - Parameters:
  ///   - text: what is left of the model after its trees.
  ///   - featureNames: the model's, in order.
  /// - Throws: `ModelError` naming the line and key.
  init(_ text: inout LightGBMText, featureNames: [String]) throws(ModelError) {
    var hasEnd = false
    var isInParameters = false
    var last: (line: ArraySlice<UInt8>, number: Int)?
    while let line = text.nextLine() {
      guard !line.isEmpty else { continue }
      last = (line, text.lineNumber)
      if Self.ends.contains(where: { line.elementsEqual($0.utf8) }) {
        hasEnd = true
      } else if line.elementsEqual("parameters:".utf8) {
        isInParameters = true
      } else if line.elementsEqual("end of parameters".utf8) {
        isInParameters = false
      } else if isInParameters, line.starts(with: Self.categoricalKey.utf8) {
        try readCategorical(
          line.dropFirst(Self.categoricalKey.utf8.count).dropLast(), featureNames: featureNames,
          lineNumber: text.lineNumber)
      }
    }
    guard hasEnd, !isInParameters else {
      throw ModelError(code: .truncated, context: "line \(text.lineNumber): the model ends early")
    }
    guard let last else { return }
    let key = Array(LightGBMCategories.key.utf8)
    if last.line.starts(with: key) {
      categories = try LightGBMCategories.read(
        last.line.dropFirst(key.count), lineNumber: last.number)
    } else if key.starts(with: last.line) {
      throw ModelError(code: .truncated, context: "line \(last.number): the model ends early")
    }
  }

  /// What follows the last tree, in the spellings of versions 2 to 4.
  private static let ends = ["end of trees", "feature importances:", "feature_importances:"]
  private static let categoricalKey = "[categorical_feature: "

  /// Reads `6,8,9`, or `name:dest,origin` from LightGBM's command line.
  private mutating func readCategorical(
    _ list: ArraySlice<UInt8>, featureNames: [String], lineNumber: Int
  ) throws(ModelError) {
    let prefix = Array("name:".utf8)
    let isNames = list.starts(with: prefix)
    let words = (isNames ? list.dropFirst(prefix.count) : list).split(separator: UInt8(ascii: ","))
    var indices: [String: Int] = [:]
    if isNames {
      indices = Dictionary(uniqueKeysWithValues: zip(featureNames, featureNames.indices))
    }
    for word in words {
      let index =
        isNames ? indices[String(decoding: word, as: UTF8.self)] : ByteText.integer(word)
      guard let index, featureNames.indices.contains(index) else {
        throw ModelError(
          code: .malformed,
          context: """
            line \(lineNumber), key categorical_feature: not one of the \(featureNames.count) \
            features
            """)
      }
      categoricalFeatures.insert(index)
    }
  }
}
