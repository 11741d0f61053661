import Database
import Jobs

/// Where a job's output is published, once.
///
/// All calls block. Each may be repeated by a later life of the coordinator, whatever the former
/// one left half done.
package protocol Destination: Sendable {
  /// The published folder, table or prefix, if this job has published: after a crash before that
  /// was journaled.
  func existingPublication() throws(DestinationError) -> String?

  /// Writes the whole output where nobody looks for it yet, whatever an earlier try left there.
  ///
  /// - Parameter next: Gives the committed blocks in the order of the plan, then `nil`.
  /// - Returns: The `prediction.*` files by name.
  /// - Throws: `damaged` with every damaged partial's blocks, and what stops the destination or
  ///   `next`.
  func merge(
    _ next: () throws(DestinationError) -> PlacedBlocks?
  ) throws(DestinationError) -> [OutputEntry]

  /// Makes the merged output appear, or finds that it has.
  ///
  /// - Returns: What was published, for people: a folder, a prefix or a table.
  func publish() throws(DestinationError) -> String

  /// Removes what was merged and not published, for a job that ends without a publication; what is
  /// published stays.
  func discard() throws(DestinationError)

  /// What a user should know of what was merged; a sentence each.
  var warnings: [String] { get }
}

extension Destination {
  /// Nothing: what was merged goes with the connection that has it.
  package func discard() throws(DestinationError) {}

  /// None.
  package var warnings: [String] { [] }
}

extension MergeInput {
  /// The destination that the job's output URI names.
  package func makeDestination() throws(DestinationError) -> any Destination {
    let uri = request.outputConfig.uri
    if ConnectionTarget.isOne(uri) { return try PostgresDestination(self) }
    if SQLiteTarget.isOne(uri) { return try SQLiteDestination(self) }
    guard let end = uri.firstRange(of: "://") else { return PosixDestination(self) }
    switch uri[..<end.lowerBound] {
    case "s3", "gs": return try ObjectDestination(self)
    default:
      throw DestinationError(
        code: .inconsistent, context: "\(uri): nothing is published to \(uri[..<end.lowerBound])")
    }
  }
}
