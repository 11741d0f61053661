package import Jobs

/// The requests of jobs that were deleted lately and have their partials in an object store: a
/// worker that was at one of them may still put some there.
package struct DeletedRequests {
  /// As many as are kept: a worker that reports later than so many deletions leaves its partials to
  /// `nightshift sweep`.
  package static let limit = 256

  private var entries: [(id: JobID, request: JobRequest)] = []

  package init() {}

  /// The last one of that id.
  package subscript(id: JobID) -> JobRequest? { entries.last { $0.id == id }?.request }

  package mutating func append(_ id: JobID, _ request: JobRequest) {
    entries.removeAll { $0.id == id }
    entries.append((id, request))
    if entries.count > Self.limit { entries.removeFirst() }
  }
}
