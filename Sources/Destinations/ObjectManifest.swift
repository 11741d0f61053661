import CoordinatorCore
import Foundation
import Jobs
import ObjectStore

/// The published list of a job's output objects; that it is there is the publication.
struct ObjectManifest: Hashable, Codable {
  let formatVersion: Int
  let job: String
  /// Whether the store made sure that this is the only one.
  let isConditional: Bool
  let warning: String?
  let objects: [Object]

  struct Object: Hashable, Codable {
    let name: String
    let byteCount: UInt64
    let sha256: String
    /// As `ObjectVersion` writes it.
    let version: String?
  }

  static let name = "manifest.json"

  init(
    job: JobID, outputs: [OutputEntry], versions: [String: ObjectVersion], isConditional: Bool,
    warning: String?
  ) {
    formatVersion = 1
    self.job = job.description
    self.isConditional = isConditional
    self.warning = warning
    objects = outputs.map { entry in
      Object(
        name: entry.name, byteCount: entry.byteCount, sha256: entry.sha256,
        version: versions[entry.name]?.description)
    }
  }

  /// Reads a manifest; nil where it is none of ours.
  init?(_ bytes: [UInt8]) {
    // Somebody else's file of that name is not ours, whatever is in it.
    guard let manifest = try? JSONDecoder().decode(ObjectManifest.self, from: Data(bytes)) else {
      return nil
    }
    self = manifest
  }

  /// The manifest as JSON, one line for each object.
  var text: [UInt8] {
    let list = objects.map { object in
      JSONValue.compact(
        .members([
          "name": .string(object.name), "byteCount": .unsigned(object.byteCount),
          "sha256": .string(object.sha256),
          "version": object.version.map { .string($0) } ?? .null,
        ]))
    }
    var members = [
      JSONValue.Member("formatVersion", .integer(Int64(formatVersion))),
      JSONValue.Member("job", .string(job)),
      JSONValue.Member("isConditional", .bool(isConditional)),
    ]
    if let warning { members.append(JSONValue.Member("warning", .string(warning))) }
    members.append(JSONValue.Member("objects", .array(list)))
    var bytes: [UInt8] = []
    JSONPrinter.print(.object(members)) { bytes += $0 }
    return bytes
  }

  /// What `_SUCCESS` holds.
  var successText: [UInt8]? {
    objects.first { $0.name == OutputName.receipt }
      .map { Array("\($0.sha256)  \($0.name)\n".utf8) }
  }
}

/// A claim as an object: `PublicationClaim` as JSON.
///
/// Without it nothing below a prefix is touched, so that no sweep deletes what is not ours.
struct ObjectClaim: Hashable, Codable {
  static let name = ".nightshift-claim"

  let job: String
  /// Missing in claims of earlier releases.
  let folder: String?
  let life: String
  /// The manifest that is being put; `nil` while objects are still written.
  let manifest: String?
  let isDiscarded: Bool?

  init(_ claim: PublicationClaim) {
    job = claim.job
    folder = claim.folder
    life = claim.life
    switch claim.stage {
    case .merging: (manifest, isDiscarded) = (nil, nil)
    case .publishing(let text):
      (manifest, isDiscarded) = (String(decoding: text, as: UTF8.self), nil)
    case .discarding: (manifest, isDiscarded) = (nil, true)
    }
  }

  /// Reads a claim; `nil` where it is none.
  init?(_ bytes: [UInt8]) {
    // Somebody else's object of that name is no claim.
    guard let claim = try? JSONDecoder().decode(ObjectClaim.self, from: Data(bytes)) else {
      return nil
    }
    self = claim
  }

  var claim: PublicationClaim {
    let stage: PublicationClaim.Stage =
      manifest.map { .publishing(manifest: Array($0.utf8)) }
      ?? (isDiscarded == true ? .discarding : .merging)
    return PublicationClaim(job: job, folder: folder ?? "", life: life, stage: stage)
  }

  var text: [UInt8] {
    var members = [
      JSONValue.Member("job", .string(job)), JSONValue.Member("folder", .string(folder ?? "")),
      JSONValue.Member("life", .string(life)),
    ]
    if let manifest { members.append(JSONValue.Member("manifest", .string(manifest))) }
    if isDiscarded == true { members.append(JSONValue.Member("isDiscarded", .bool(true))) }
    var bytes: [UInt8] = []
    JSONPrinter.print(.compact(.object(members))) { bytes += $0 }
    return bytes
  }
}
