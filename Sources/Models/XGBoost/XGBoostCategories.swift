/// The sets of categories that the splits of one tree test for.
struct XGBoostNodeSets {
  private let field: DocumentValue
  /// 1 for a categorical split.
  private let types: [Int]
  private let categories: [Int]
  private var segments: [Int: Range<Int>] = [:]

  /// Floats count whole numbers up to here: `OutOfRangeCat` of src/common/categorical.h.
  static let categoryLimit = 1 << 24

  init(_ field: DocumentValue, nodeCount: Int) throws(ModelError) {
    self.field = field
    guard let types = try field.optional("split_type") else {
      (self.types, categories) = ([], [])
      return
    }
    self.types = try types.integers(count: nodeCount, in: 0...1)
    categories = try field.required("categories").integers(in: 0...(Self.categoryLimit - 1))
    let nodes = try field.required("categories_nodes").integers(in: 0...(nodeCount - 1))
    let starts = try field.required("categories_segments")
    let sizes = try field.required("categories_sizes")
    let limits = 0...categories.count
    let bounds = zip(
      try starts.integers(count: nodes.count, in: limits),
      try sizes.integers(count: nodes.count, in: limits))
    for (node, (start, size)) in zip(nodes, bounds) {
      guard size > 0, start + size <= categories.count else {
        throw sizes.error("node \(node) has \(size) of \(categories.count) categories at \(start)")
      }
      segments[node] = start..<start + size
    }
  }

  /// The words of a node's set; nil if its split is not categorical.
  func words(of node: Int) throws(ModelError) -> [UInt32]? {
    guard node < types.count, types[node] == 1 else { return nil }
    guard let segment = segments[node] else {
      throw field.error("node \(node) is categorical and has no categories")
    }
    let set = categories[segment]
    var words = Array(repeating: UInt32(0), count: (set.max() ?? 0) / 32 + 1)
    for category in set { words[category / 32] |= 1 << UInt32(category % 32) }
    return words
  }
}

/// The names of categories, which XGBoost 3.1 and later keep of the frames they were trained with.
enum XGBoostCategories {
  /// For each feature its categories; nil where it has none, nothing if the model has none at all.
  static func read(
    _ model: DocumentValue, featureCount: Int
  ) throws(ModelError) -> [CategoryTable?] {
    guard let encodings = try model.optional("cats")?.optional("enc") else { return [] }
    let features = try encodings.elements()
    guard features.isEmpty || features.count == featureCount else {
      throw encodings.error("\(features.count) features instead of \(featureCount)")
    }
    return try features.map { (feature) throws(ModelError) in
      let categories =
        try feature.optional("offsets") == nil ? try numbers(feature) : try texts(feature)
      return categories.isEmpty ? nil : CategoryTable(categories)
    }
  }

  private static func numbers(_ feature: DocumentValue) throws(ModelError) -> [Category] {
    try feature.required("values").integers(in: Int.min...Int.max).map { .number("\($0)") }
  }

  /// Texts one after the other as signed bytes, and where each begins.
  private static func texts(_ feature: DocumentValue) throws(ModelError) -> [Category] {
    let values = try feature.required("values")
    let bytes = try values.integers(in: -128...255).map { UInt8(truncatingIfNeeded: $0) }
    let field = try feature.required("offsets")
    let offsets = try field.integers(in: 0...bytes.count)
    var categories: [Category] = []
    for (place, (start, end)) in zip(offsets, offsets.dropFirst()).enumerated() {
      guard start <= end else { throw field.error("element \(place + 1) is below the one before") }
      guard let text = String(validating: bytes[start..<end], as: UTF8.self) else {
        // Seen with XGBoost 3.2.0 and pandas, where lengths are counted in characters.
        throw values.error("category \(place) is not UTF-8; train with names in ASCII")
      }
      categories.append(.text(text))
    }
    return categories
  }
}
