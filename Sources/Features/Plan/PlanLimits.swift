internal import Models

/// The largest preprocessing plan that is read, and the most that fitting remembers.
package enum PlanLimits {
  /// Steps of one plan; each is at least one pass over a column.
  package static let stepCount = 4_096

  /// Inputs and outputs of one step, and columns of a table that a plan looks at.
  package static let columnCount = 1 << 16

  /// Columns that all steps together may make; as many as a model may have features.
  package static let featureCount = ModelLimits.featureCount

  /// Rows that fitting takes, all states together: counts and weights then fit an `Int`.
  package static let rowCount = 1 << 48

  /// Units of the longest n-gram: a row has as many n-grams of each length as it has units.
  package static let ngramLength = 8

  /// Distinct categories or terms that fitting counts for one column.
  package static let categoryCount = 1 << 20

  /// Bytes of text of all of them.
  package static let categoryByteCount = 64 << 20
}
