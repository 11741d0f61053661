/// One of the results that a model gives for a row.
package struct ModelOutput: Equatable, Sendable {
  /// Its name in the model; `prediction` where the format has none.
  package let name: String

  /// What its numbers mean.
  package let kind: Kind

  /// How many numbers it has for a row.
  package let width: Int

  /// A name for each of the numbers, which makes it an object; empty for an array.
  package let elementNames: [String]

  /// Whether a number may be missing.
  ///
  /// It is NaN then, and written as null; else such a record is an error. Labels may always be
  /// missing.
  package let isOptional: Bool

  package enum Kind: Equatable, Sendable {
    case float64
    /// Written with the digits that a float needs.
    case float32
    /// Whole numbers, exact up to 2⁵³.
    case integer
    /// Indices in a list of texts; NaN is null.
    case label([String])
  }

  package var isLabel: Bool {
    if case .label = kind { true } else { false }
  }

  package init(
    name: String, kind: Kind, width: Int = 1, elementNames: [String] = [], isOptional: Bool = false
  ) {
    precondition(elementNames.isEmpty || elementNames.count == width)
    self.name = name
    self.kind = kind
    self.width = width
    self.elementNames = elementNames
    self.isOptional = isOptional
  }
}
