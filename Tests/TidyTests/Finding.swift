/// One place that breaks a rule of the house style.
struct Finding: Hashable, CustomStringConvertible {
  /// Path from the top of the repository.
  let path: String
  /// From 1.
  let line: Int
  let problem: String
  /// What to write in its place.
  let replacement: String

  var description: String { "\(path):\(line): \(problem); \(replacement)" }
}
