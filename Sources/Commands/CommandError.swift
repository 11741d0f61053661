/// Why a command could not do what it was asked: what, where, and what to do next.
///
/// Ends the process with code 1; mistakes in the arguments themselves are the argument parser's
/// `ValidationError`, code 64.
package struct CommandError: Error, Equatable, CustomStringConvertible {
  package let context: String

  package init(_ context: String) {
    self.context = context
  }

  package var description: String { context }
}
