package import ObjectStore

/// Finds and removes what jobs left unfinished in an object store: a lifecycle sweep.
///
/// Only what is ours is touched: prefixes that hold a claim, the partials of jobs, and uploads to
/// either, told by names that begin with `prediction-` or `.nightshift-`. Jobs clean up after
/// themselves; this is for those whose coordinator, with its state, is gone for good.
package enum ObjectSweep {
  /// Something left behind.
  package enum Leftover: Hashable, Sendable {
    /// A prefix with a claim and no manifest.
    case prefix(ObjectURI, claimNanoseconds: Int64)
    /// A prefix that was published, but whose claim stayed.
    case claim(ObjectURI)
    /// A multipart upload.
    case upload(OpenUpload)
    /// Partials of a job, of which none came lately.
    case partials(ObjectURI)
    /// An object that only asked whether the store heeds conditions.
    case probe(ObjectURI)

    /// For people.
    package var description: String {
      switch self {
      case .prefix(let uri, _): "unfinished output \(uri)"
      case .claim(let uri): "claim of a finished output \(uri)"
      case .upload(let upload): "unfinished upload to \(upload.uri)"
      case .partials(let uri): "partials in \(uri)"
      case .probe(let uri): "probe \(uri)"
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
    // The last partial of each job: a job that still makes some is at work.
    var partials: [ObjectURI: Int64] = [:]
    // `…/scored` does not mean `…/scored-by-someone-else` too.
    let top = uri.key.isEmpty ? uri : uri.appending("")
    var pages = store.pages(of: top)
    while let page = try pages.next() {
      for entry in page.entries {
        let time = entry.status.modificationNanoseconds
        if let folder = partialFolder(of: entry.uri) {
          partials[folder] = max(partials[folder] ?? 0, time)
        } else if time < nanoseconds, let leftover = try leftover(entry, in: store) {
          found.append(leftover)
        }
      }
    }
    let stale = partials.filter { $0.value < nanoseconds }.keys
    for folder in stale.sorted(by: { $0.key < $1.key }) { found.append(.partials(folder)) }
    for upload in try store.openUploads(below: top) where upload.beginNanoseconds < nanoseconds {
      let folders = upload.uri.key.split(separator: "/").dropLast()
      let isOurs =
        folders.last?.hasPrefix("prediction-") == true || partialFolder(of: upload.uri) != nil
      if isOurs { found.append(.upload(upload)) }
    }
    return found
  }

  /// The folder `.nightshift-<job>/partials/` that an object is in.
  private static func partialFolder(of uri: ObjectURI) -> ObjectURI? {
    let parts = uri.key.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count >= 3, parts[parts.count - 2] == "partials" else { return nil }
    let folder = parts[parts.count - 3]
    guard folder.hasPrefix(".nightshift-"), folder.utf8.count == ".nightshift-".utf8.count + 16
    else { return nil }
    return uri.with(key: parts.dropLast().joined(separator: "/") + "/")
  }

  private static func leftover(
    _ entry: ObjectEntry, in store: ObjectStore
  ) throws(ObjectError) -> Leftover? {
    let name = entry.uri.key.split(separator: "/").last ?? ""
    if name.hasPrefix(".nightshift-probe-") { return .probe(entry.uri) }
    return name == ObjectClaim.name ? try leftover(claim: entry, in: store) : nil
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
    case .partials(let uri):
      try store.abortUploads(below: uri)
      var pages = store.pages(of: uri)
      while let page = try pages.next() {
        for entry in page.entries { try store.delete(entry.uri) }
      }
    case .claim(let uri), .probe(let uri): try store.delete(uri)
    case .upload(let upload): try store.abort(upload)
    }
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
    try store.abortUploads(below: folder)
    let claim = prefix.appending(ObjectClaim.name)
    var pages = store.pages(of: folder)
    while let page = try pages.next() {
      for entry in page.entries where entry.uri != claim { try store.delete(entry.uri) }
    }
    if withClaim { try store.delete(claim) }
  }
}
