package import Jobs
package import Models

extension JobConfiguration {
  /// The same, where text that a model reads as numbers is numbers.
  ///
  /// One wrong value among the records that types are inferred from makes a column text; the record
  /// is an error, and the column of the results need not be text for it. Types that the job or the
  /// file says stay as they are.
  ///
  /// - Parameters:
  ///   - inputs: The model's.
  ///   - columns: For each of them the column that feeds it.
  /// - Returns: The configuration with those types.
  package func readingNumbers(of inputs: [ModelInput], columns: [Int]) -> JobConfiguration {
    let format = request.inputConfig.instancesFormat
    guard var types, format == .csv || format == .jsonl else { return self }
    let given = request.inputConfig.schema ?? [:]
    for (input, column) in zip(inputs, columns) where input.isUsed {
      switch input.kind {
      case .numeric, .categorical(nil): break
      case .categorical(.some), .text: continue
      }
      if types[column] == .text, given[self.columns[column]] == nil { types[column] = .number }
    }
    return JobConfiguration(request: request, columns: self.columns, types: types)
  }
}
