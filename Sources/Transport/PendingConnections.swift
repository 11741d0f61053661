/// Which connections have not negotiated, and since when.
package struct PendingConnections: Sendable {
  let limit: Int
  let limitOfAddress: Int
  let timeout: Duration
  private var firstSeen: [Link: Duration] = [:]

  package init(limit: Int, limitOfAddress: Int, timeout: Duration) {
    self.limit = limit
    self.limitOfAddress = limitOfAddress
    self.timeout = timeout
  }

  package var count: Int { firstSeen.count }

  /// Takes note of one look at the connections.
  ///
  /// - Parameters:
  ///   - connected: every connection.
  ///   - negotiated: those of them that have negotiated.
  ///   - isShort: whether descriptors are running out: then an eighth of the limits applies.
  ///   - now: time since some begin.
  /// - Returns: those to end: older than `timeout`, the oldest of one address beyond its limit, and
  ///   the oldest of all beyond `limit`. Who was not there at the last look is left alone, unless
  ///   descriptors are short: of those nobody can tell which came last, and an honest peer has to
  ///   have the time between two looks at least.
  package mutating func review(
    connected: Set<Link>, negotiated: Set<Link>, isShort: Bool = false, now: Duration
  ) -> Set<Link> {
    let limit = isShort ? limit / 8 : limit
    let limitOfAddress = isShort ? limitOfAddress / 8 : limitOfAddress
    let pending = connected.subtracting(negotiated)
    firstSeen = firstSeen.filter { pending.contains($0.key) }
    for link in pending where firstSeen[link] == nil { firstSeen[link] = now }
    var overdue = Set(firstSeen.filter { now - $0.value >= timeout }.keys)
    let rest = firstSeen.filter { !overdue.contains($0.key) }
      .sorted { ($0.value, $0.key.peer.port) < ($1.value, $1.key.peer.port) }.map(\.key)
    let known = Set(rest.filter { isShort || firstSeen[$0] != now })
    // Beyond the limit of their address; they push out nobody of another one.
    var beyond: Set<Link> = []
    if rest.count > limitOfAddress {
      for links in Dictionary(grouping: rest, by: \.peer.host).values {
        beyond.formUnion(links.dropLast(limitOfAddress))
      }
    }
    let left = rest.filter { !beyond.contains($0) }
    overdue.formUnion(beyond.union(left.dropLast(limit)).intersection(known))
    for link in overdue { firstSeen[link] = nil }
    return overdue
  }
}
