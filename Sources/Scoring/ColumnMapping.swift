package import Models

/// Which column of a table feeds which input of a model.
package struct ColumnMapping: Equatable, Sendable {
  /// For each input, in the model's order, the index of its column in the table.
  package let columnIndices: [Int]

  /// Matches inputs with columns by name.
  ///
  /// A name matches itself; if no column has it, it matches the one column whose name becomes it
  /// when blanks become underscores, as LightGBM spells the names it is trained with. The order of
  /// columns does not matter, and the table may have more.
  ///
  /// - Throws: `ModelError` with the code `columnsDiffer` that lists the model's inputs and the
  ///   table's columns.
  package init(inputs: [ModelInput], columns: [String]) throws(ModelError) {
    let exact = Dictionary(grouping: columns.indices) { columns[$0] }
    let spelled = Dictionary(grouping: columns.indices) { Self.spelling(columns[$0]) }
    var indices: [Int] = []
    var missing: [String] = []
    var ambiguous: [String] = []
    for input in inputs {
      let matches = exact[input.name] ?? spelled[input.name] ?? []
      if matches.isEmpty { missing.append(input.name) }
      if matches.count > 1 { ambiguous.append(input.name) }
      indices.append(matches.first ?? 0)
    }
    guard missing.isEmpty, ambiguous.isEmpty else {
      var problems: [String] = []
      if !missing.isEmpty { problems.append("the table lacks \(Self.list(missing))") }
      if !ambiguous.isEmpty { problems.append("the table has twice \(Self.list(ambiguous))") }
      let wanted = inputs.map { $0.description }
      throw ModelError(
        code: .columnsDiffer,
        context: """
          \(problems.joined(separator: "; ")); \
          the model's inputs are \(Self.list(wanted)); \
          the table's columns are \(Self.list(columns))
          """)
    }
    columnIndices = indices
  }

  private static func spelling(_ name: String) -> String {
    String(String.UnicodeScalarView(name.unicodeScalars.map { $0 == " " ? "_" : $0 }))
  }

  private static func list(_ names: [String]) -> String {
    guard !names.isEmpty else { return "(none)" }
    let shown = names.prefix(ModelLimits.shownNameCount).joined(separator: ", ")
    let hidden = names.count - ModelLimits.shownNameCount
    return hidden > 0 ? "\(shown) and \(hidden) more" : shown
  }
}
