/// One of the inputs of a model.
package struct ModelInput: Sendable {
  /// The column that it was trained on.
  package let name: String

  /// What its values mean.
  package let kind: Kind

  /// Whether any split or leaf looks at it; the values of others may be anything.
  package let isUsed: Bool

  package enum Kind: Sendable {
    /// A number; NaN if missing.
    case numeric
    /// The code of a category, NaN if missing or unseen.
    ///
    /// With a table, text becomes codes through it; without one, the text is the code.
    case categorical(CategoryTable?)
  }

  package init(name: String, kind: Kind, isUsed: Bool = true) {
    self.name = name
    self.kind = kind
    self.isUsed = isUsed
  }
}
