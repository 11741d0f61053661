internal import Models

/// What a step does: one of these for each word that `op` may say.
protocol Operation: Sendable {
  /// Whether all numbers and categories that it needs are there.
  var isFitted: Bool { get }

  /// What has to be gathered about each input to fit it; nil if nothing ever is.
  var gathering: Gathering? { get }

  /// Whether its inputs are read as numbers or as text where the table has them.
  var rawKind: ColumnKind { get }

  /// Adds what it does to a program.
  ///
  /// Only called once it is fitted.
  ///
  /// - Throws: `ModelError` if an input is of the wrong kind.
  func emit(_ step: StepNames, into builder: inout ProgramBuilder) throws(ModelError)

  /// What gathering found out, as the member `fitted` of the step.
  ///
  /// - Parameters:
  ///   - statistics: one for each input.
  ///   - step: the step's names, for errors.
  /// - Returns: an object.
  /// - Throws: `ModelError` if nothing can be made of it.
  func fitted(
    from statistics: [ColumnStatistics], _ step: StepNames
  ) throws(ModelError) -> FittedValue
}

extension Operation {
  var isFitted: Bool { true }
  var gathering: Gathering? { nil }

  func fitted(
    from statistics: [ColumnStatistics], _ step: StepNames
  ) throws(ModelError) -> FittedValue { .object([]) }
}

/// What columns hold.
package enum ColumnKind: String, Sendable, CaseIterable {
  case number, text
}

/// What a step is called with, and where it stands.
struct StepNames: Sendable {
  let place: DocumentValue
  let operation: String
  let inputs: [String]
  /// One for each input, but for steps that make one of all.
  let outputs: [String]

  func error(_ message: String, code: ModelError.Code = .malformed) -> ModelError {
    place.error("\(operation): \(message)", code: code)
  }
}

/// What has to be known of a column's values before a step can be applied.
enum Gathering: Equatable, Sendable {
  /// Count, mean, variance, extremes.
  case moments
  /// The same and the values themselves, as exactly as a sketch keeps them.
  case quantiles
  /// How often each category occurs.
  case categories
  /// The same, and the sum of a target over the rows of each.
  case target(column: String)
  /// In how many rows each n-gram occurs and how often in all.
  case terms(NGramCutter)
}

/// JSON that fitting writes.
indirect enum FittedValue: Sendable {
  case number(Double)
  case integer(Int)
  case text(String)
  case numbers([Double])
  case array([FittedValue])
  case object([(key: String, value: FittedValue)])
}
