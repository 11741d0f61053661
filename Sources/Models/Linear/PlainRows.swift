/// A list of lists of finite numbers, all of the same length.
package struct PlainRows: Sendable {
  /// Row after row.
  package let numbers: [Double]
  /// How many rows there are, at least 1.
  package let count: Int
  /// How many numbers a row has, at least 1.
  package let width: Int

  /// Reads a list of rows, or one row.
  init(_ root: DocumentValue, key: String) throws(ModelError) {
    let field = try root.required(key)
    let rows = field.isNumbers ? [field] : try field.elements()
    var numbers: [Double] = []
    guard let first = rows.first, first.count > 0 else { throw field.error("no numbers") }
    guard rows.count <= ModelLimits.outputCount else {
      throw field.error("more than \(ModelLimits.outputCount) rows", code: .limitExceeded)
    }
    for row in rows {
      let values = try row.doubles(count: first.count)
      try Self.checkFinite(values, row)
      numbers += values
    }
    self.numbers = numbers
    count = rows.count
    width = first.count
  }

  static func checkFinite(_ values: [Double], _ field: DocumentValue) throws(ModelError) {
    guard let place = values.firstIndex(where: { !$0.isFinite }) else { return }
    throw field.error("element \(place) is not a finite number")
  }
}

/// Centers of clusters, as k-means gives them.
package struct ClusterModel: Sendable {
  package let featureCount: Int
  package let clusterCount: Int
  /// Center after center.
  package let centers: [Double]

  init(centers: PlainRows) {
    featureCount = centers.width
    clusterCount = centers.count
    self.centers = centers.numbers
  }
}

/// Directions that inputs are projected on, as PCA gives them.
package struct ComponentModel: Sendable {
  /// What is taken off the inputs first.
  package let mean: [Double]
  package let componentCount: Int
  /// Component after component.
  package let components: [Double]
  /// What each projection is divided by; ones if they are not whitened.
  package let scales: [Double]

  init(_ root: DocumentValue) throws(ModelError) {
    let rows = try PlainRows(root, key: "components")
    components = rows.numbers
    componentCount = rows.count
    if let field = try root.optional("mean"), !field.isNull {
      mean = try field.doubles(count: rows.width)
      try PlainRows.checkFinite(mean, field)
    } else {
      mean = Array(repeating: 0, count: rows.width)
    }
    guard try root.optional("whiten")?.boolean() == true else {
      scales = Array(repeating: 1, count: rows.count)
      return
    }
    let field = try root.required("explained_variance")
    let variances = try field.doubles(count: rows.count)
    guard variances.allSatisfy({ $0 > 0 && $0.isFinite }) else {
      throw field.error("a variance is not above zero")
    }
    // scikit-learn keeps tiny divisors from blowing rounding errors up.
    scales = variances.map { max($0.squareRoot(), .ulpOfOne) }
  }
}
