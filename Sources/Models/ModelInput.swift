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
    /// Text as it stands in the table.
    case text
  }

  package var isText: Bool {
    if case .text = kind { true } else { false }
  }

  package init(name: String, kind: Kind, isUsed: Bool = true) {
    self.name = name
    self.kind = kind
    self.isUsed = isUsed
  }
}

extension ModelInput: CustomStringConvertible {
  /// The name, followed by `(categorical)` if it is.
  package var description: String {
    switch kind {
    case .numeric: name
    case .text: "\(name) (text)"
    case .categorical: "\(name) (categorical)"
    }
  }
}
