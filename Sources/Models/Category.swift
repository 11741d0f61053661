/// One category of a column, as the model's training table held it.
package enum Category: Equatable, Sendable {
  case text(String)
  /// A number, as spelled in the model.
  case number(String)
  case boolean(Bool)

  /// How it is shown, and matched first.
  package var spelling: String {
    switch self {
    case .text(let text): text
    case .number(let literal): literal
    case .boolean(let flag): flag ? "True" : "False"
    }
  }
}
