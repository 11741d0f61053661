/// Why a model, or a table for it, was refused.
package struct ModelError: Error, Equatable {
  package let code: Code

  /// Line, tree and key in the model, and the numbers that did not fit; never values of rows.
  package let context: String

  package enum Code: Equatable, Sendable {
    /// The bytes are not a model in any format that is read here.
    case notAModel
    /// The model breaks the rules of its own format.
    case malformed
    /// The model ends too early.
    case truncated
    /// The model is sound, as far as can be seen, but not one that can be scored here.
    case unsupported
    /// The model is larger than a limit in `ModelLimits`.
    case limitExceeded
    /// The table lacks columns that the model needs, or has one of them twice.
    case columnsDiffer
  }

  package init(code: Code, context: String) {
    self.code = code
    self.context = context
  }
}
