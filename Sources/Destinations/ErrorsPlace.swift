import Foundation
import Jobs
import ObjectStore
import Partials

/// Where a job's error records go when they do not go beside its predictions.
///
/// A folder or prefix with the job's id in its name is the job's alone, so that nothing can be in
/// the way there and a later life of the coordinator may write it again. The errors are complete
/// under their final name before the output is published, and the output's publication decides:
/// errors whose output is not there are those of a job that has not ended, or did not succeed.
final class ErrorsPlace: Sendable {
  /// The final folder, or the URI of the final prefix.
  let folder: String
  private let name: String
  private let kind: Kind

  private enum Kind: Sendable {
    /// Written in a folder beside the final one.
    case local(staging: String)
    /// An object appears under its final name once it is whole.
    case objects(ObjectURI, ObjectStore)
  }

  /// Where a job's errors go.
  ///
  /// - Returns: `nil` where they go beside the predictions.
  /// - Throws: `inconsistent` where they can go to no such place.
  static func place(
    of input: MergeInput, in store: ObjectStore = .shared
  ) throws(DestinationError) -> ErrorsPlace? {
    guard let parent = input.request.outputConfig.errorsUri else { return nil }
    return try ErrorsPlace(input, below: parent, in: store)
  }

  private init(
    _ input: MergeInput, below parent: String, in store: ObjectStore
  ) throws(DestinationError) {
    name = OutputName.errors(input.request.outputConfig)
    let own =
      OutputName.folder(model: input.modelName, createdNanoseconds: input.createdNanoseconds)
      + "-\(input.job)"
    if ObjectURI.isURI(parent) {
      let prefix = try inStore { () throws(ObjectError) in
        let uri = try ObjectURI(parent)
        guard !uri.scheme.isPlainHTTP else {
          throw ObjectError(
            code: .unsupported,
            context: "\(uri.nameForMessages): nothing can be published over \(uri.scheme)://")
        }
        return uri.appending(own)
      }
      folder = prefix.description
      kind = .objects(prefix, store)
    } else {
      guard !parent.contains("://") else {
        throw DestinationError(
          code: .inconsistent,
          context: "outputConfig.errorsUri: \(parent) is no folder and no prefix of a store")
      }
      folder = "\(parent)/\(own)"
      kind = .local(staging: "\(parent)/.nightshift-\(input.job)-errors")
    }
  }

  /// Makes the place where the errors are written, without what an earlier try left there.
  func begin() throws(DestinationError) -> any OutputPlace {
    switch kind {
    case .local(let staging):
      try? FileManager.default.removeItem(atPath: staging)  // there is none, usually
      do {
        try FileManager.default.createDirectory(
          atPath: staging, withIntermediateDirectories: true)
      } catch {
        throw DestinationError(FileError("create", staging))
      }
      return LocalFolder(path: staging)
    case .objects(let prefix, let store):
      try inStore { () throws(ObjectError) in
        try store.abortUploads(below: prefix.appending(""))
      }
      return ObjectPlace(prefix, in: store)
    }
  }

  /// Gives up what was begun, so that neither files nor uploads stay; errors that are complete in a
  /// store stay until `discard`.
  func abandon(_ place: (any OutputPlace)?) {
    (place as? ObjectPlace)?.abandon()
    removeStaging()
  }

  /// Gives the errors their final name, before the output is published; the same again does no
  /// harm.
  func publish() throws(DestinationError) {
    guard case .local(let staging) = kind else { return }
    let parent = URL(fileURLWithPath: folder).deletingLastPathComponent().path
    // A publication that was stopped by something in the output's way is tried again.
    let isDone = !FileManager.default.fileExists(atPath: "\(staging)/\(name)")
    guard !isDone || !FileManager.default.fileExists(atPath: "\(folder)/\(name)") else { return }
    try onDisk { () throws(FileError) in
      try Folder.synchronize(staging)
      try Folder.make(folder)
      // What an earlier life has put there has the same bytes.
      try Folder.rename("\(staging)/\(name)", "\(folder)/\(name)")
      try Folder.synchronize(folder)
      try Folder.synchronize(parent)
    }
    removeStaging()
  }

  /// Clears away what a crash left beside the final folder.
  func removeStaging() {
    guard case .local(let staging) = kind else { return }
    // What stays is in nobody's way, and goes with the next try.
    try? FileManager.default.removeItem(atPath: staging)
  }

  /// Removes the errors of a job that publishes nothing.
  func discard() throws(DestinationError) {
    switch kind {
    case .local:
      removeStaging()
      try? FileManager.default.removeItem(atPath: folder)
    case .objects(let prefix, let store):
      try inStore { () throws(ObjectError) in
        try store.abortUploads(below: prefix.appending(""))
        try store.delete(prefix.appending(name))
      }
    }
  }
}
