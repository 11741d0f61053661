/// Which connections have not negotiated, and since when.
package struct PendingConnections: Sendable {
  let limit: Int
  let timeout: Duration
  private var firstSeen: [Link: Duration] = [:]

  package init(limit: Int, timeout: Duration) {
    self.limit = limit
    self.timeout = timeout
  }

  package var count: Int { firstSeen.count }

  /// Takes note of one look at the connections.
  ///
  /// - Returns: those to end: older than `timeout`, and the oldest beyond `limit`, so that an
  ///   honest peer has as long as an attacker takes to open `limit` connections.
  package mutating func review(
    connected: Set<Link>, negotiated: Set<Link>, now: Duration
  ) -> Set<Link> {
    let pending = connected.subtracting(negotiated)
    firstSeen = firstSeen.filter { pending.contains($0.key) }
    for link in pending where firstSeen[link] == nil { firstSeen[link] = now }
    var overdue = Set(firstSeen.filter { now - $0.value >= timeout }.keys)
    let excess = firstSeen.count - overdue.count - limit
    if excess > 0 {
      let rest = firstSeen.filter { !overdue.contains($0.key) }.sorted { $0.value < $1.value }
      overdue.formUnion(rest.prefix(excess).map(\.key))
    }
    for link in overdue { firstSeen[link] = nil }
    return overdue
  }
}
