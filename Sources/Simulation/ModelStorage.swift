import Jobs

/// The coordinator's spool: partials by digest, lost in a crash unless synced.
struct ModelSpool: Sendable {
  struct Entry: Sendable {
    var receivedByteCount: UInt64 = 0
    var isDurable = false
  }

  private(set) var entries: [ContentDigest: Entry] = [:]

  /// Bytes of a partial at hand.
  func receivedByteCount(of name: PartialName) -> UInt64 {
    entries[name.digest]?.receivedByteCount ?? 0
  }

  func has(_ name: PartialName) -> Bool {
    name.byteCount == 0 || receivedByteCount(of: name) == name.byteCount
  }

  func isDurable(_ name: PartialName) -> Bool {
    name.byteCount == 0 || (has(name) && entries[name.digest]?.isDurable == true)
  }

  /// Takes the piece at an offset if it is the next one; returns the bytes now at hand.
  mutating func take(_ name: PartialName, pieceAt offset: UInt64) -> UInt64 {
    var entry = entries[name.digest] ?? Entry()
    if offset == entry.receivedByteCount, offset < name.byteCount {
      entry.receivedByteCount += 1
      entry.isDurable = false
    }
    entries[name.digest] = entry
    return entry.receivedByteCount
  }

  mutating func sync(_ name: PartialName) { entries[name.digest]?.isDurable = true }

  mutating func remove(_ digest: ContentDigest) { entries[digest] = nil }

  mutating func removeAll() { entries = [:] }

  mutating func crash() { entries = entries.filter { $0.value.isDurable } }
}

/// Where outputs appear: a folder is there whole, or not at all.
struct ModelDestination: Sendable {
  /// Every output that ever became visible, in order; more than one is a fault.
  private(set) var publications: [[UInt64]] = []

  /// Renames without replacing; false where the folder exists.
  mutating func publish(_ records: [UInt64], replacing: Bool) -> Bool {
    guard publications.isEmpty || replacing else { return false }
    publications.append(records)
    return true
  }
}
