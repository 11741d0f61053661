/// How JSON lines are to be read.
package struct JSONLOptions: Sendable {
  /// Length in bytes after which a line is an error, whatever is in it.
  package let recordByteLimit: Int
  /// Whether a line may be an array, its values those of the columns in order.
  ///
  /// Otherwise it is an error. Objects are read in either case.
  package let acceptsArrays: Bool

  /// Takes the options of a job.
  ///
  /// - Parameters:
  ///   - recordByteLimit: From `CSVOptions.lowestRecordByteLimit` to `highestRecordByteLimit`.
  ///   - acceptsArrays: Whether a line may be an array.
  /// - Throws: `TableError.unsupported` naming the option.
  package init(
    recordByteLimit: Int = CSVOptions.standardRecordByteLimit, acceptsArrays: Bool = false
  ) throws(TableError) {
    let allowed = CSVOptions.lowestRecordByteLimit...CSVOptions.highestRecordByteLimit
    guard allowed.contains(recordByteLimit) else {
      throw TableError(
        code: .unsupported, context: "recordByteLimit \(recordByteLimit): not in \(allowed)")
    }
    self.recordByteLimit = recordByteLimit
    self.acceptsArrays = acceptsArrays
  }
}
