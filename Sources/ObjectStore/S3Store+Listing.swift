extension S3Store {
  func page(
    of prefix: ObjectURI, stoppingAtSlash: Bool, continuation: String?
  ) throws(ObjectError) -> ObjectPage {
    var call = Call(.get, prefix.with(key: ""))
    call.errand = Sender.Errand(name: "GET \(prefix), its listing", bucket: prefix.bucket)
    // Keys may hold what XML cannot, so they come escaped.
    call.query = [("list-type", "2"), ("prefix", prefix.key), ("encoding-type", "url")]
    call.query.append(("max-keys", "\(sender.limits.pageObjectCount)"))
    if stoppingAtSlash { call.query.append(("delimiter", "/")) }
    if let continuation { call.query.append(("continuation-token", continuation)) }
    call.errand.isBroken = { errorCode(in: $0.body) != nil }
    let answer = try send(call).answer
    guard answer.status == 200 else { throw failure(answer, call.errand.name) }
    return try Self.page(answer.body, prefix)
  }

  /// Reads a page of `ListObjectsV2`.
  static func page(_ body: [UInt8], _ prefix: ObjectURI) throws(ObjectError) -> ObjectPage {
    var reader = XMLReader(body)
    var entries: [ObjectEntry] = []
    var folders: [String] = []
    var fields: [String: String] = [:]
    var page: [String: String] = [:]
    var inside = ""
    while let event = try reader.next() {
      switch event {
      case .open(let name) where name == "Contents" || name == "CommonPrefixes":
        inside = name
        fields = [:]
      case .open: break
      case .close("Contents", _):
        inside = ""
        entries.append(try entry(fields, prefix))
      case .close("CommonPrefixes", _):
        inside = ""
        if let folder = fields["Prefix"] { folders.append(folder) }
      case .close(let name, let text):
        if inside.isEmpty { page[name] = text } else { fields[name] = text }
      }
    }
    // The encoding is named after the entries, in some stores.
    if page["EncodingType"] == "url" {
      entries = try entries.map { entry throws(ObjectError) in
        ObjectEntry(uri: prefix.with(key: try key(entry.uri.key)), status: entry.status)
      }
      folders = try folders.map { folder throws(ObjectError) in try key(folder) }
    }
    let goesOn = page["IsTruncated"] == "true"
    guard !goesOn || page["NextContinuationToken"] != nil else {
      throw ObjectError(
        code: .malformed, context: "\(prefix): a listing that goes on, but does not say where")
    }
    return ObjectPage(
      entries: entries, folders: folders,
      continuation: goesOn ? page["NextContinuationToken"] : nil)
  }

  private static func key(_ escaped: String) throws(ObjectError) -> String {
    guard let key = PercentCoding.unescaped(escaped, plusIsSpace: true) else {
      throw ObjectError(
        code: .malformed, context: "a listing with a key that is not escaped UTF-8")
    }
    return key
  }

  private static func entry(
    _ fields: [String: String], _ prefix: ObjectURI
  ) throws(ObjectError) -> ObjectEntry {
    guard let key = fields["Key"], let byteCount = fields["Size"].flatMap({ UInt64($0) }) else {
      throw ObjectError(code: .malformed, context: "\(prefix): a listing without key or size")
    }
    let version = fields["ETag"].flatMap(PinnedRange.tag).map(ObjectVersion.tag)
    let time = fields["LastModified"].flatMap(Timestamp.nanoseconds(ofRFC3339:)) ?? 0
    return ObjectEntry(
      uri: prefix.with(key: key),
      status: ObjectStatus(
        byteCount: byteCount, version: version,
        // In whole seconds, as an object's own headers tell it.
        modificationNanoseconds: time / 1_000_000_000 * 1_000_000_000))
  }
}
