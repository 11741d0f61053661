/// Which content of an object is meant; a read that names one never gets another.
package enum ObjectVersion: Hashable, Sendable {
  /// The strong ETag without its quotes.
  case tag(String)
  /// The version id of a versioned S3 bucket.
  case id(String)
  /// The generation of a GCS object.
  case generation(UInt64)
  /// The `Last-Modified` of a server without strong ETags; together with the size it has to do.
  case modified(String)

  /// Reads what `description` wrote; nil for anything else.
  package init?(_ text: String) {
    guard let mark = text.firstIndex(of: "=") else { return nil }
    let value = String(text[text.index(after: mark)...])
    guard !value.isEmpty else { return nil }
    switch text[..<mark] {
    case "etag": self = .tag(value)
    case "version": self = .id(value)
    case "modified": self = .modified(value)
    case "generation":
      guard let number = UInt64(value) else { return nil }
      self = .generation(number)
    default: return nil
    }
  }
}

extension ObjectVersion: CustomStringConvertible {
  /// The version as plans and receipts hold it.
  package var description: String {
    switch self {
    case .tag(let tag): "etag=\(tag)"
    case .id(let id): "version=\(id)"
    case .generation(let number): "generation=\(number)"
    case .modified(let time): "modified=\(time)"
    }
  }
}

/// What a store says of one object.
package struct ObjectStatus: Hashable, Sendable {
  /// Size in bytes.
  package let byteCount: UInt64
  /// What pins the content; nil where the server gives nothing to pin by.
  package let version: ObjectVersion?
  /// Time of the last change, in nanoseconds since 1970; 0 where the server does not say.
  package let modificationNanoseconds: Int64
  /// The mark that this process gave with its upload, if the store kept it.
  package var uploadMark: String?
  /// What a conditional write names, where that is not the version: S3 has no conditions on the
  /// version ids of versioned buckets.
  package var tag: ObjectVersion?

  /// Makes a status.
  package init(
    byteCount: UInt64, version: ObjectVersion?, modificationNanoseconds: Int64,
    uploadMark: String? = nil
  ) {
    self.byteCount = byteCount
    self.version = version
    self.modificationNanoseconds = modificationNanoseconds
    self.uploadMark = uploadMark
  }
}

/// One object of a listing.
package struct ObjectEntry: Hashable, Sendable {
  /// Its address.
  package let uri: ObjectURI
  /// What the listing says of it.
  package let status: ObjectStatus

  /// Makes an entry.
  package init(uri: ObjectURI, status: ObjectStatus) {
    self.uri = uri
    self.status = status
  }
}

/// What has to hold for a write to happen.
package enum WriteCondition: Hashable, Sendable {
  /// Nothing: whatever is there is replaced.
  case none
  /// There is no object of that key.
  case absent
  /// The object is there with this version.
  case matches(ObjectVersion)
}
