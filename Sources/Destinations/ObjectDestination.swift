import Digests
import Foundation
import Jobs
package import ObjectStore
import Partials
import Synchronization

/// Publishes a job's output below a fresh prefix of an object store.
///
/// In this order: the claim says whose the prefix is; the data objects go to their final names in
/// parts; the manifest, put on the condition that there is none, is the publication; `_SUCCESS`
/// follows, and the claim goes. Readers that wait for `_SUCCESS` or the manifest see all or
/// nothing. What a crash left is taken up again by the job's next life, or swept. A store without
/// conditions is published to as well, with a warning: there two coordinators with the same job
/// are told apart by the claim alone.
package final class ObjectDestination: Destination {
  private let input: MergeInput
  private let store: ObjectStore
  private let prefix: ObjectURI
  /// Of this life of the destination.
  private let claim: ObjectClaim
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
    claim = ObjectClaim(job: input.job, life: life)
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

  private var manifestURI: ObjectURI { prefix.appending(ObjectManifest.name) }
  private var claimURI: ObjectURI { prefix.appending(ObjectClaim.name) }

  /// The prefix, if this job has published.
  package func existingPublication() throws(DestinationError) -> String? {
    try publishedManifest()?.job == claim.job ? prefix.description : nil
  }

  private func publishedManifest() throws(DestinationError) -> ObjectManifest? {
    try contents(of: manifestURI).flatMap(ObjectManifest.init)
  }

  /// An object's bytes; nil where there is none.
  private func contents(of uri: ObjectURI) throws(DestinationError) -> [UInt8]? {
    do throws(ObjectError) {
      return try store.contents(of: uri)
    } catch {
      if error.code == .missing { return nil }
      throw DestinationError(FileError(error))
    }
  }

  // MARK: Merging

  /// Writes the data objects under their final names, whatever an earlier try left there.
  ///
  /// - Parameter next: Gives the committed blocks in the order of the plan, then `nil`.
  /// - Returns: The `prediction.*` files by name.
  /// - Throws: `damaged` with every damaged partial's blocks, `exists` where the prefix is another
  ///   job's, and what the store or `next` fails with. What was written is then deleted.
  package func merge(
    _ next: () throws(DestinationError) -> PlacedBlocks?
  ) throws(DestinationError) -> [OutputEntry] {
    let isConditional = try inStore { () throws(ObjectError) in
      // Beside the prefix: what a crash leaves of the question does not make the prefix another's.
      try store.honoursConditions(below: ObjectURI(input.destination))
    }
    try takeClaim(isConditional: isConditional)
    let place = ObjectPlace(prefix, in: store)
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
      try? clearIfOurs()  // what stays is taken up or swept; the first error counts
      throw error
    }
  }

  /// Makes the prefix this life's and empty, unless it is another job's.
  private func takeClaim(isConditional: Bool) throws(DestinationError) {
    if let manifest = try contents(of: manifestURI) {
      throw taken(by: ObjectManifest(manifest)?.job)
    }
    if try putClaim(isConditional: isConditional) {
      // A fresh claim: what is there is not ours, and an earlier owner may just have published.
      let isEmpty = try inStore { () throws(ObjectError) in
        try ObjectSweep.isEmpty(prefix, in: store)
      }
      guard isEmpty else {
        try inStore { () throws(ObjectError) in try store.delete(claimURI) }
        throw taken(by: try publishedManifest()?.job)
      }
    } else {
      try replaceClaim()
      try clear(withClaim: false)
    }
  }

  /// Writes the claim where there is none; false where there is one.
  private func putClaim(isConditional: Bool) throws(DestinationError) -> Bool {
    do throws(ObjectError) {
      if !isConditional, try isThere(claimURI) { return false }
      try store.put(claim.text, to: claimURI, condition: isConditional ? .absent : .none)
      return true
    } catch {
      guard error.code == .refusedByCondition else { throw DestinationError(FileError(error)) }
      return false
    }
  }

  /// Takes the claim over from an earlier life of the same job.
  private func replaceClaim() throws(DestinationError) {
    let other = try inStore { () throws(ObjectError) -> String? in
      guard let (other, version) = try currentClaim() else { return nil }
      if other.job == claim.job {
        try store.put(claim.text, to: claimURI, condition: version.map { .matches($0) } ?? .none)
      }
      return other.job
    }
    guard other == claim.job else { throw taken(by: other) }
  }

  private func taken(by job: String?) -> DestinationError {
    DestinationError(
      code: .exists,
      context: "\(prefix) is \(job.map { "job \($0)'s" } ?? "there"): move it away")
  }

  private func currentClaim() throws(ObjectError) -> (ObjectClaim, ObjectVersion?)? {
    do throws(ObjectError) {
      let status = try store.status(of: claimURI)
      return ObjectClaim(try store.contents(of: claimURI)).map { ($0, status.version) }
    } catch {
      if error.code == .missing { return nil }
      throw error
    }
  }

  // MARK: Publishing

  /// Puts the manifest, then `_SUCCESS`, and removes the claim.
  ///
  /// - Returns: The prefix.
  /// - Throws: `exists` where another job or another life of this one has the prefix.
  package func publish() throws(DestinationError) -> String {
    let errors = try ErrorsPlace.place(of: input, in: store)
    if let manifest = try publishedManifest(), manifest.job == claim.job {
      try end(manifest)
      errors?.removeStaging()
      return prefix.description
    }
    guard let manifest = merged.withLock(\.self) else {
      throw DestinationError(
        code: .inconsistent, context: "\(prefix): published before anything was merged")
    }
    let current = try inStore { () throws(ObjectError) in try currentClaim()?.0 }
    guard current == claim else {
      throw DestinationError(
        code: .exists,
        context:
          "\(prefix): \(current == nil ? "the claim is gone" : "another coordinator took it")"
          + "; is a second one running with this job?")
    }
    try errors?.publish()
    do throws(ObjectError) {
      if !manifest.isConditional, try isThere(manifestURI) {
        throw ObjectError(code: .refusedByCondition, context: "\(manifestURI)")
      }
      try store.put(
        manifest.text, to: manifestURI, condition: manifest.isConditional ? .absent : .none)
    } catch {
      guard error.code == .refusedByCondition else { throw DestinationError(FileError(error)) }
      let winner = try publishedManifest()
      guard winner?.job == claim.job else { throw taken(by: winner?.job) }
    }
    try end(manifest)
    return prefix.description
  }

  private func isThere(_ uri: ObjectURI) throws(ObjectError) -> Bool {
    do throws(ObjectError) {
      _ = try store.status(of: uri)
      return true
    } catch {
      if error.code == .missing { return false }
      throw error
    }
  }

  /// What follows the manifest: `_SUCCESS`, no open uploads, no claim.
  private func end(_ manifest: ObjectManifest) throws(DestinationError) {
    try inStore { () throws(ObjectError) in
      if let text = manifest.successText {
        try store.put(text, to: prefix.appending(OutputName.success))
      }
      try store.abortUploads(below: prefix.appending(""))
      try store.delete(claimURI)
    }
  }

  // MARK: Ending without a publication

  /// Deletes what was written below the prefix, unless it is published or another job's, and the
  /// errors that went elsewhere.
  ///
  /// - Throws: `DestinationError` where the store does not answer.
  package func discard() throws(DestinationError) {
    if let manifest = try publishedManifest(), manifest.job == claim.job {
      return try end(manifest)
    }
    // They have a place of the job's own: whoever has the prefix, nobody reads them.
    try ErrorsPlace.place(of: input, in: store)?.discard()
    let current = try inStore { () throws(ObjectError) in try currentClaim()?.0 }
    if current?.job == claim.job { try clear(withClaim: true) }
  }

  /// The same, unless another life of this job has taken over.
  private func clearIfOurs() throws(DestinationError) {
    let current = try inStore { () throws(ObjectError) in try currentClaim()?.0 }
    if current == claim { try clear(withClaim: true) }
  }

  /// Deletes the objects and ends the uploads below the prefix, which this job has claimed.
  private func clear(withClaim: Bool) throws(DestinationError) {
    try inStore { () throws(ObjectError) in
      try ObjectSweep.clear(prefix, in: store, withClaim: withClaim)
    }
  }
}

extension JSONValue {
  /// Adds a warning to the members of an object.
  fileprivate mutating func add(warning: String) {
    guard case .object(let members) = self else { return }
    self = .object(members + [Member("warning", .string(warning))])
  }
}
