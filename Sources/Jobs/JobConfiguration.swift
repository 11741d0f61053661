/// What a worker needs to know of a job besides its leases.
package struct JobConfiguration: Hashable, Sendable, Codable {
  package let request: JobRequest
  /// Names of the inputs' columns, in order.
  package let columns: [String]
  /// What their values are; `nil` where the job reads and writes text alone.
  package let types: [ColumnType]?

  package init(request: JobRequest, columns: [String], types: [ColumnType]? = nil) {
    self.request = request
    self.columns = columns
    self.types = types
  }
}
