import CoordinatorCore
import Digests
import Foundation
import Jobs
package import ObjectStore
import Partials
import Synchronization

/// Publishes a job's output below a fresh prefix of an object store.
///
/// `ObjectPublication` has the order: the claim says whose the prefix is; the data objects go to
/// their final names in parts; the claim is sealed; the manifest, put on the condition that there
/// is none, is the publication; `_SUCCESS` follows, and the claim goes. Readers that wait for
/// `_SUCCESS` or the manifest see all or nothing. What a crash left is taken up again by the job's
/// next life, or swept. A store without conditions is published to as well, with a warning: there
/// two coordinators with the same job are told apart by the claim alone.
package final class ObjectDestination: Destination {
  private let input: MergeInput
  private let store: ObjectStore
  private let prefix: ObjectURI
  /// The order of this life of the destination.
  private let order: ObjectPublication
  private let merged = Mutex<ObjectManifest?>(nil)

  /// What the manifest and the receipt say where the store has no conditions.
  package static let warning =
    "the store does not heed If-None-Match, so it could not make sure that no other job publishes "
    + "below the same prefix at the same moment"

  /// Prepares a publication; nothing is asked of the store yet.
  ///
  /// - Parameters:
  ///   - input: What is merged.
  ///   - store: Where to.
  /// - Throws: `DestinationError` where the output's URI is none of an object store.
  package init(_ input: MergeInput, in store: ObjectStore = .shared) throws(DestinationError) {
    self.input = input
    self.store = store
    prefix = try inStore { () throws(ObjectError) in
      let uri = try ObjectURI(input.destination)
      guard !uri.scheme.isPlainHTTP else {
        throw ObjectError(
          code: .unsupported,
          context: "\(uri.nameForMessages): nothing can be published over \(uri.scheme)://")
      }
      return uri.appending(
        OutputName.folder(model: input.modelName, createdNanoseconds: input.createdNanoseconds))
    }
    let life = randomBytes(count: 16).map { String($0, radix: 16) }.joined()
    order = ObjectPublication(
      job: input.job.description, folder: input.stager, life: life)
  }

  /// Asks the store of a destination whether it answers, and lets its objects be listed.
  ///
  /// - Parameters:
  ///   - uri: Where a job is to publish.
  ///   - store: The store.
  /// - Throws: `DestinationError` in the store's words.
  package static func check(
    _ uri: String, in store: ObjectStore = .shared
  ) throws(DestinationError) {
    try inStore { () throws(ObjectError) in
      var pages = store.pages(of: try ObjectURI(uri).appending(".nightshift-"))
      _ = try pages.next()
    }
  }

  /// What a user should know of the publication; a sentence each.
  package var warnings: [String] {
    merged.withLock(\.self)?.isConditional == false ? [Self.warning] : []
  }

  /// The prefix, if this job has published, or had begun to.
  package func existingPublication() throws(DestinationError) -> String? {
    var objects = PrefixObjects(prefix, in: store, isConditional: true)
    return try inStore { () throws(ObjectError) in try order.find(in: &objects) }
      ? prefix.description : nil
  }

  // MARK: Merging

  /// Writes the data objects under their final names, whatever an earlier try left there.
  ///
  /// - Parameter next: Gives the committed blocks in the order of the plan, then `nil`.
  /// - Returns: The `prediction.*` files by name.
  /// - Throws: `damaged` with every damaged partial's blocks, `exists` where the prefix is another
  ///   job's, and what the store or `next` fails with. What was written is written over by the
  ///   next try, or goes with `discard`.
  package func merge(
    _ next: () throws(DestinationError) -> PlacedBlocks?
  ) throws(DestinationError) -> [OutputEntry] {
    let isConditional = try inStore { () throws(ObjectError) in
      // Beside the prefix: what a crash leaves of the question does not make the prefix another's.
      try store.honoursConditions(below: ObjectURI(input.destination))
    }
    var objects = PrefixObjects(prefix, in: store, isConditional: isConditional)
    let outcome = try inStore { () throws(ObjectError) in try order.take(in: &objects) }
    // Another life of this job was quicker: `publish` finds its manifest.
    if outcome == .published { return [] }
    guard outcome == .claimed else { throw obstacle(outcome) }
    let place = ObjectPlace(objects, order)
    let errorsPlace = try ErrorsPlace.place(of: input, in: store)
    var errors: (any OutputPlace)?
    do throws(DestinationError) {
      errors = try errorsPlace?.begin()
      var input = input
      if !isConditional { input.execution.add(warning: Self.warning) }
      var merger = try Merger(input, in: place, errorsIn: errors)
      while let placed = try next() { try merger.append(placed) }
      let (outputs, receipt) = try merger.finishAll(input)
      let manifest = ObjectManifest(
        job: input.job,
        outputs: outputs.filter { errors == nil || !OutputName.isOfErrors($0.name) } + [receipt],
        versions: place.versions,
        isConditional: isConditional, warning: isConditional ? nil : Self.warning)
      merged.withLock { $0 = manifest }
      return outputs
    } catch {
      place.abandon()
      errorsPlace?.abandon(errors)
      // What stays is taken up or swept; the first error counts.
      do throws(ObjectError) { try order.abandon(in: &objects) } catch {}
      throw error
    }
  }

  /// What stops a publication, in words.
  private func obstacle(_ outcome: ObjectPublication.Outcome) -> DestinationError {
    let reason =
      switch outcome {
      case .taken(let job): "is \(job.map { "job \($0)'s" } ?? "there"): move it away"
      case .superseded: "another coordinator took it; is a second one running with this job?"
      case .claimed, .published: "published before anything was merged"
      }
    return DestinationError(code: .exists, context: "\(prefix) \(reason)")
  }

  // MARK: Publishing

  /// Puts the manifest, then `_SUCCESS`, and removes the claim.
  ///
  /// - Returns: The prefix.
  /// - Throws: `exists` where another job or another life of this one has the prefix.
  package func publish() throws(DestinationError) -> String {
    let errors = try ErrorsPlace.place(of: input, in: store)
    if try existingPublication() != nil {
      errors?.removeStaging()
      return prefix.description
    }
    guard let manifest = merged.withLock(\.self) else {
      throw DestinationError(
        code: .inconsistent, context: "\(prefix): published before anything was merged")
    }
    try errors?.publish()
    var objects = PrefixObjects(prefix, in: store, isConditional: manifest.isConditional)
    let outcome = try inStore { () throws(ObjectError) in
      try order.publish(manifest.text, in: &objects)
    }
    guard outcome == .published else { throw obstacle(outcome) }
    return prefix.description
  }

  // MARK: Ending without a publication

  /// Deletes what was written below the prefix, unless it is published or another job's, and the
  /// errors that went elsewhere.
  ///
  /// - Throws: `DestinationError` where the store does not answer.
  package func discard() throws(DestinationError) {
    var objects = PrefixObjects(prefix, in: store, isConditional: true)
    let outcome = try inStore { () throws(ObjectError) in try order.discard(in: &objects) }
    if outcome != .published { try ErrorsPlace.place(of: input, in: store)?.discard() }
  }
}

extension JSONValue {
  /// Adds a warning to the members of an object.
  fileprivate mutating func add(warning: String) {
    guard case .object(let members) = self else { return }
    self = .object(members + [Member("warning", .string(warning))])
  }
}
