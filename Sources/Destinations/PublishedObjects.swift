import Digests
import Foundation
package import ObjectStore
import Partials

/// A published prefix of an object store, copied to a folder so that it can be checked like one.
package enum PublishedObjects {
  private static let stepByteCount = 8 << 20

  /// Copies what a manifest lists, and `_SUCCESS`.
  ///
  /// Each object is read by the version that the manifest names, so that one that was replaced
  /// since is an error and not a finding about its bytes.
  ///
  /// - Parameters:
  ///   - uri: The `prediction-…` prefix.
  ///   - folder: An empty folder.
  ///   - store: The store.
  /// - Throws: `inconsistent` where there is no manifest or an object is not the one it lists.
  package static func copy(
    _ uri: String, to folder: String, from store: ObjectStore = .shared
  ) throws(DestinationError) {
    let prefix = try inStore { () throws(ObjectError) in try ObjectURI(uri) }
    let text = try inStore { () throws(ObjectError) in
      try store.contents(of: prefix.appending(ObjectManifest.name), byteLimit: 1 << 30)
    }
    guard let manifest = ObjectManifest(text) else {
      throw DestinationError(
        code: .inconsistent, context: "\(prefix)/\(ObjectManifest.name) is no manifest")
    }
    for object in manifest.objects {
      guard OutputName.isPlain(object.name) else {
        throw DestinationError(
          code: .inconsistent, context: "\(prefix): the manifest names \"\(object.name)\"")
      }
      try copy(object, prefix, folder, store)
    }
    let success = try inStore { () throws(ObjectError) in
      try store.contents(of: prefix.appending(OutputName.success), byteLimit: 1 << 20)
    }
    try onDisk { () throws(FileError) in
      try File(folder + "/" + OutputName.success, .create).write(success, at: 0)
    }
  }

  /// Copies one file that a receipt lists from below a prefix of its own.
  ///
  /// - Throws: `inconsistent` where it is another one.
  static func copy(
    _ output: OutputEntry, below uri: String, to folder: String, from store: ObjectStore
  ) throws(DestinationError) {
    let prefix = try inStore { () throws(ObjectError) in try ObjectURI(uri) }
    guard OutputName.isPlain(output.name) else {
      throw DestinationError(
        code: .inconsistent, context: "\(prefix): the receipt names \"\(output.name)\"")
    }
    let status = try inStore { () throws(ObjectError) in
      try store.status(of: prefix.appending(output.name))
    }
    let object = ObjectManifest.Object(
      name: output.name, byteCount: status.byteCount, sha256: output.sha256,
      version: status.version?.description)
    try copy(object, prefix, folder, store)
  }

  /// The objects below a published prefix that its manifest does not list.
  static func strangers(
    below uri: String, in store: ObjectStore
  ) throws(DestinationError) -> [Verification.Finding] {
    try inStore { () throws(ObjectError) in
      let prefix = try ObjectURI(uri)
      let text = try store.contents(of: prefix.appending(ObjectManifest.name), byteLimit: 1 << 30)
      let listed = ObjectManifest(text)?.objects.map(\.name) ?? []
      let known = Set(
        (listed + [ObjectManifest.name, OutputName.success]).map { prefix.appending($0).key })
      var findings: [Verification.Finding] = []
      var pages = store.pages(of: prefix.appending(""))
      while let page = try pages.next() {
        for entry in page.entries where !known.contains(entry.uri.key) {
          findings.append(Verification.Finding("\(entry.uri)", "is not in the manifest"))
        }
      }
      return findings
    }
  }

  private static func copy(
    _ object: ObjectManifest.Object, _ prefix: ObjectURI, _ folder: String, _ store: ObjectStore
  ) throws(DestinationError) {
    let uri = prefix.appending(object.name)
    let file = try onDisk { () throws(FileError) in
      try File(folder + "/" + object.name, .create)
    }
    let reader = ObjectReader(
      uri, version: object.version.flatMap { ObjectVersion($0) }, byteCount: object.byteCount,
      in: store)
    var hash = SHA256()
    var offset: UInt64 = 0
    var buffer = [UInt8](repeating: 0, count: stepByteCount)
    while offset < object.byteCount {
      let count = try inStore { () throws(ObjectError) in
        try unsafe buffer.withUnsafeMutableBufferPointer { (buffer) throws(ObjectError) in
          try unsafe reader.read(at: offset, into: UnsafeMutableRawBufferPointer(buffer))
        }
      }
      let bytes = Array(buffer[..<count])
      hash.update(bytes)
      try onDisk { () throws(FileError) in try file.write(bytes, at: offset) }
      offset += UInt64(count)
    }
    guard hash.finish().description == object.sha256 else {
      throw DestinationError(
        code: .inconsistent, context: "\(uri) does not have the SHA-256 of the manifest")
    }
  }
}

extension OutputName {
  /// Whether a name from a manifest is a name and no path.
  fileprivate static func isPlain(_ name: String) -> Bool {
    !name.isEmpty && name != "." && name != ".." && !name.utf8.contains(UInt8(ascii: "/"))
      && !name.utf8.contains(0)
  }
}
