import Testing
import Transport

struct PendingConnectionsTests {
  private func link(_ port: UInt16, from host: UInt64 = 2) -> Link {
    Link(own: Peer(high: 0, low: 1, port: 7070), peer: Peer(high: 0, low: host, port: port))
  }
  private func links(_ ports: ClosedRange<UInt16>) -> Set<Link> { Set(ports.map { link($0) }) }

  @Test func onlyTheOverdueAreEnded() {
    var pending = PendingConnections(limit: 100, limitOfAddress: 100, timeout: .seconds(10))
    #expect(pending.review(connected: links(1...3), negotiated: [], now: .zero) == [])
    let negotiated: Set = [link(2)]
    let later = pending.review(
      connected: links(1...5), negotiated: negotiated, now: .milliseconds(9999))
    #expect(later == [])
    #expect(pending.count == 4)
    let overdue = pending.review(
      connected: links(1...5), negotiated: negotiated, now: .seconds(10))
    #expect(overdue == [link(1), link(3)])
    #expect(pending.count == 2)
  }

  @Test func theOldestBeyondTheLimitAreEnded() {
    var pending = PendingConnections(limit: 3, limitOfAddress: 3, timeout: .seconds(10))
    #expect(pending.review(connected: links(1...3), negotiated: [], now: .zero) == [])
    let ended = pending.review(connected: links(1...5), negotiated: [], now: .seconds(1))
    #expect(ended.count == 2)
    #expect(ended.isSubset(of: links(1...3)))
    #expect(pending.count == 3)
  }

  /// One address cannot push out what comes from others.
  @Test func theOldestOfOneAddressGoFirst() {
    var pending = PendingConnections(limit: 6, limitOfAddress: 3, timeout: .seconds(10))
    let honest: Set = [link(1, from: 3), link(2, from: 4)]
    #expect(pending.review(connected: honest, negotiated: [], now: .zero) == [])
    #expect(
      pending.review(connected: honest.union(links(1...3)), negotiated: [], now: .seconds(1)) == [])
    let ended = pending.review(
      connected: honest.union(links(1...9)), negotiated: [], now: .seconds(2))
    #expect(ended == links(1...3))
    let endedLater = pending.review(
      connected: honest.union(links(4...9)), negotiated: [], now: .seconds(3))
    #expect(endedLater.count == 3)
    #expect(endedLater.isDisjoint(with: honest))
    #expect(pending.count == 5)
  }

  /// Of those that came since the last look nobody can tell which was the last.
  @Test func whoHasJustComeMayStay() {
    var pending = PendingConnections(limit: 6, limitOfAddress: 3, timeout: .seconds(10))
    #expect(pending.review(connected: links(1...50), negotiated: [], now: .zero) == [])
    let ended = pending.review(
      connected: links(1...51), negotiated: [link(7)], now: .seconds(1))
    #expect(ended.count == 47)
    #expect(!ended.contains(link(51)))
    // Where descriptors run out, there is no time.
    var short = PendingConnections(limit: 64, limitOfAddress: 64, timeout: .seconds(10))
    #expect(
      short.review(connected: links(1...50), negotiated: [], isShort: true, now: .zero).count == 42)
  }

  @Test func aReturningPortIsANewConnection() {
    var pending = PendingConnections(limit: 3, limitOfAddress: 3, timeout: .seconds(10))
    _ = pending.review(connected: links(1...1), negotiated: [], now: .zero)
    _ = pending.review(connected: [], negotiated: [], now: .seconds(5))
    _ = pending.review(connected: links(1...1), negotiated: [], now: .seconds(6))
    let ended = pending.review(connected: links(1...1), negotiated: [], now: .seconds(11))
    #expect(ended == [])
  }
}
