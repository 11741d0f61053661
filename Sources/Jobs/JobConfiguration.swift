/// What a worker needs to know of a job besides its leases.
package struct JobConfiguration: Hashable, Sendable, Codable {
  package let request: JobRequest
  /// Names of the inputs' columns, in order.
  package let columns: [String]

  package init(request: JobRequest, columns: [String]) {
    self.request = request
    self.columns = columns
  }
}
