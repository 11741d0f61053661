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

/// Whose an unfinished prefix is: written first, deleted last.
///
/// Without it nothing below a prefix is touched, so that no sweep deletes what is not ours.
struct ObjectClaim: Hashable, Codable {
  let job: String
  /// Drawn by each life of a destination: only the last one publishes.
  let life: String

  static let name = ".nightshift-claim"

  init(job: JobID, life: String) {
    self.job = job.description
    self.life = life
  }

  /// Reads a claim; nil where it is none.
  init?(_ bytes: [UInt8]) {
    // Somebody else's object of that name is no claim.
    guard let claim = try? JSONDecoder().decode(ObjectClaim.self, from: Data(bytes)) else {
      return nil
    }
    self = claim
  }

  var text: [UInt8] { Array("{\"job\":\"\(job)\",\"life\":\"\(life)\"}\n".utf8) }
}
