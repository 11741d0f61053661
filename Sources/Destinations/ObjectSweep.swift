package import ObjectStore

/// Finds and removes what jobs left unfinished in an object store: a lifecycle sweep.
///
/// Only what is ours is touched: prefixes that hold a claim, and uploads below a prefix whose name
/// begins with `prediction-`. Jobs clean up themselves; this is for those whose coordinator, with
/// its state, is gone for good.
package enum ObjectSweep {
  /// Something left behind.
  package enum Leftover: Hashable, Sendable {
    /// A prefix with a claim and no manifest.
    case prefix(ObjectURI, claimNanoseconds: Int64)
    /// A prefix that was published, but whose claim stayed.
    case claim(ObjectURI)
    /// A multipart upload.
    case upload(OpenUpload)
    /// An object that only asked whether the store heeds conditions.
    case probe(ObjectURI)
    /// A partial of a job that has not published yet, see `StagedPartials`.
    case partial(ObjectURI)

    /// For people.
    package var description: String {
      switch self {
      case .prefix(let uri, _): "unfinished output \(uri)"
      case .claim(let uri): "claim of a finished output \(uri)"
      case .upload(let upload): "unfinished upload to \(upload.uri)"
      case .probe(let uri): "probe \(uri)"
      case .partial(let uri): "partial \(uri)"
      }
    }
  }

  /// Finds what was left below a URI before a moment.
  ///
  /// - Parameters:
  ///   - uri: Where jobs publish: their `outputConfig.uri`, or less.
  ///   - store: The store.
  ///   - nanoseconds: Since 1970; what is younger may belong to a job that runs.
  /// - Returns: What can be removed.
  /// - Throws: `ObjectError`.
  package static func leftovers(
    below uri: ObjectURI, in store: ObjectStore, before nanoseconds: Int64
  ) throws(ObjectError) -> [Leftover] {
    var found: [Leftover] = []
    var pages = store.pages(of: uri)
    while let page = try pages.next() {
      for entry in page.entries where entry.status.modificationNanoseconds < nanoseconds {
        let key = entry.uri.key
        if key.split(separator: "/").last?.hasPrefix(".nightshift-probe-") == true {
          found.append(.probe(entry.uri))
        } else if Self.isPartial(key) {
          found.append(.partial(entry.uri))
        } else if key.hasSuffix("/" + ObjectClaim.name) {
          try found.append(leftover(claim: entry, in: store))
        }
      }
    }
    for upload in try store.openUploads(below: uri) {
      let isOurs =
        upload.uri.key.split(separator: "/").dropLast().last?
        .hasPrefix("prediction-") == true || Self.isPartial(upload.uri.key)
      if isOurs, upload.beginNanoseconds < nanoseconds { found.append(.upload(upload)) }
    }
    return found
  }

  private static func leftover(
    claim entry: ObjectEntry, in store: ObjectStore
  ) throws(ObjectError) -> Leftover {
    let prefix = entry.uri.with(key: String(entry.uri.key.dropLast(ObjectClaim.name.count + 1)))
    do throws(ObjectError) {
      // The listing could be stale; whether there is a manifest is asked of the object itself.
      _ = try store.status(of: prefix.appending(ObjectManifest.name))
      return .claim(entry.uri)
    } catch {
      guard error.code == .missing else { throw error }
      return .prefix(prefix, claimNanoseconds: entry.status.modificationNanoseconds)
    }
  }

  /// Removes something left behind.
  ///
  /// - Throws: `ObjectError`.
  package static func remove(
    _ leftover: Leftover, from store: ObjectStore
  ) throws(ObjectError) {
    switch leftover {
    case .prefix(let uri, _): try clear(uri, in: store, withClaim: true)
    case .claim(let uri), .probe(let uri), .partial(let uri): try store.delete(uri)
    case .upload(let upload): try store.abort(upload)
    }
  }

  /// Whether a key is that of a partial: `….nightshift-<job>/partials/<digest>`.
  static func isPartial(_ key: String) -> Bool {
    let parts = key.split(separator: "/").suffix(3)
    guard parts.count == 3, parts.dropFirst().first == "partials",
      let folder = parts.first, folder.hasPrefix(".nightshift-")
    else { return false }
    return folder.utf8.count == ".nightshift-".utf8.count + 16 && parts.last?.utf8.count == 64
  }

  /// Whether there is nothing but a claim below a prefix.
  static func isEmpty(
    _ prefix: ObjectURI, in store: ObjectStore
  ) throws(ObjectError) -> Bool {
    let claim = prefix.appending(ObjectClaim.name)
    var pages = store.pages(of: prefix.appending(""))
    while let page = try pages.next() {
      guard page.entries.allSatisfy({ $0.uri == claim }) else { return false }
    }
    return true
  }

  /// Ends the uploads and deletes the objects below a claimed prefix, the claim last if at all.
  static func clear(
    _ prefix: ObjectURI, in store: ObjectStore, withClaim: Bool
  ) throws(ObjectError) {
    let folder = prefix.appending("")
    for upload in try store.openUploads(below: folder) { try store.abort(upload) }
    let claim = prefix.appending(ObjectClaim.name)
    var pages = store.pages(of: folder)
    while let page = try pages.next() {
      for entry in page.entries where entry.uri != claim { try store.delete(entry.uri) }
    }
    if withClaim { try store.delete(claim) }
  }
}
