import CoordinatorCore
import ObjectStore

/// The objects of one prefix, as the order of their publication sees them.
struct PrefixObjects: PublicationStore {
  let prefix: ObjectURI
  let store: ObjectStore
  /// Whether the store heeds conditions; where it does not, they are asked about before each put.
  let isConditional: Bool

  init(_ prefix: ObjectURI, in store: ObjectStore, isConditional: Bool) {
    self.prefix = prefix
    self.store = store
    self.isConditional = isConditional
  }

  private var manifestURI: ObjectURI { prefix.appending(ObjectManifest.name) }
  private var claimURI: ObjectURI { prefix.appending(ObjectClaim.name) }

  /// What a call gives, and `nil` where the object is missing.
  private func found<Found>(
    _ call: () throws(ObjectError) -> Found
  ) throws(ObjectError) -> Found? {
    do throws(ObjectError) {
      return try call()
    } catch {
      guard error.code == .missing else { throw error }
      return nil
    }
  }

  private func manifest() throws(ObjectError) -> ObjectManifest?? {
    try found { () throws(ObjectError) in
      ObjectManifest(try store.contents(of: manifestURI))
    }
  }

  func manifestOwner() throws(ObjectError) -> String? {
    try manifest().map { $0?.job ?? "" }
  }

  /// The version is asked for first: where the claim changes in between, a put is refused.
  func claim() throws(ObjectError) -> (claim: PublicationClaim, version: ObjectVersion)? {
    guard let status = try found({ () throws(ObjectError) in try store.status(of: claimURI) }),
      let bytes = try found({ () throws(ObjectError) in try store.contents(of: claimURI) })
    else { return nil }
    let nobody = PublicationClaim(job: "", folder: "", life: "", stage: .merging)
    return (ObjectClaim(bytes)?.claim ?? nobody, status.tag ?? status.version ?? .tag(""))
  }

  func put(
    _ claim: PublicationClaim, _ condition: PutCondition<ObjectVersion>
  ) throws(ObjectError) -> Bool {
    try put(ObjectClaim(claim).text, to: claimURI, condition)
  }

  func deleteClaim() throws(ObjectError) { try store.delete(claimURI) }

  func isEmpty() throws(ObjectError) -> Bool { try ObjectSweep.isEmpty(prefix, in: store) }

  func version(of name: String) throws(ObjectError) -> ObjectVersion? {
    try found { () throws(ObjectError) in try store.status(of: prefix.appending(name)) }
      .map { $0.tag ?? $0.version ?? .tag("") }
  }

  func putManifest(_ text: [UInt8]) throws(ObjectError) -> Bool {
    try put(text, to: manifestURI, .absent)
  }

  func replaceManifest(_ text: [UInt8]) throws(ObjectError) {
    _ = try store.put(text, to: manifestURI)
  }

  private func put(
    _ text: [UInt8], to uri: ObjectURI, _ condition: PutCondition<ObjectVersion>
  ) throws(ObjectError) -> Bool {
    guard isConditional else { return try putUnconditionally(text, to: uri, condition) }
    do throws(ObjectError) {
      _ = try store.put(text, to: uri, condition: WriteCondition(condition))
      return true
    } catch {
      switch error.code {
      case .refusedByCondition: return false
      case .unsupported: return try putUnconditionally(text, to: uri, condition)
      default: throw error
      }
    }
  }

  /// Looks, then puts: somebody may come in between.
  private func putUnconditionally(
    _ text: [UInt8], to uri: ObjectURI, _ condition: PutCondition<ObjectVersion>
  ) throws(ObjectError) -> Bool {
    let status = try found { () throws(ObjectError) in try store.status(of: uri) }
    switch condition {
    case .absent: guard status == nil else { return false }
    case .version(let version):
      guard let status, status.tag ?? status.version ?? .tag("") == version else { return false }
    }
    _ = try store.put(text, to: uri)
    return true
  }

  func putSuccess() throws(ObjectError) {
    guard let manifest = try manifest() ?? nil else { return }
    if let text = manifest.successText {
      _ = try store.put(text, to: prefix.appending(OutputName.success))
    }
    let folder = prefix.appending("")
    for upload in try store.openUploads(below: folder) { try store.abort(upload) }
    let names = Set(manifest.objects.map(\.name)).union(
      [ObjectManifest.name, ObjectClaim.name, OutputName.success])
    let kept = Set(names.map { prefix.appending($0) })
    var pages = store.pages(of: folder)
    while let page = try pages.next() {
      for entry in page.entries where !kept.contains(entry.uri) { try store.delete(entry.uri) }
    }
  }

  func clear() throws(ObjectError) {
    try ObjectSweep.clear(prefix, in: store, withClaim: false)
  }
}

extension WriteCondition {
  /// What the order of a publication asks for, as the store has it.
  init(_ condition: PutCondition<ObjectVersion>) {
    switch condition {
    case .absent: self = .absent
    case .version(let version): self = .matches(version)
    }
  }
}
