import CNNG
import Synchronization

/// The negotiated connections of one socket, kept by nng's notifications.
final class Pipes: Sendable {
  private struct State {
    var links: [Int32: Link] = [:]
    /// Those whose peer has proved nothing yet, since when.
    var strangers: [Int32: ContinuousClock.Instant] = [:]
    /// The pipes of peers that may have a few alone, the newest last.
    var owned: [UInt64: [Int32]] = [:]
    var owners: [Int32: UInt64] = [:]
    /// Replies that nng has not taken yet.
    var replyCounts: [Int32: Int] = [:]
    /// Those that left a reply unread.
    var condemned: Set<Int32> = []
    var arrivalCount = 0
    var refusedCount = 0
    var refusesAll = false
    var isProbed = false
    var hearsLoss: (@Sendable (Int32) -> Void)?

    /// A pipe is no longer known as its owner's.
    mutating func disown(_ number: Int32) {
      guard let owner = owners.removeValue(forKey: number) else { return }
      owned[owner]?.removeAll { $0 == number }
      if owned[owner]?.isEmpty == true { owned[owner] = nil }
    }
  }
  private let state = Mutex(State())
  /// The most pipes that stay open; more are closed as they arrive.
  private let limit: Int

  init(limit: Int) { self.limit = limit }

  var count: Int { state.withLock { $0.links.count } }

  /// How many negotiated connections ever arrived, refused ones included.
  ///
  /// A deaf listener is one where this stands still while someone connects.
  var arrivalCount: Int { state.withLock { $0.arrivalCount } }

  /// How many were closed because `limit` was reached.
  var refusedCount: Int { state.withLock { $0.refusedCount } }

  /// The open pipes: nng's number of each, and its connection.
  var links: [Int32: Link] { state.withLock { $0.links } }

  /// While true every new pipe is closed as it arrives, before it carries anything.
  var refusesAll: Bool {
    get { state.withLock { $0.refusesAll } }
    set { state.withLock { $0.refusesAll = newValue } }
  }

  /// While true there is one place more: a probe must not take one from an honest peer.
  ///
  /// Whoever comes first may get it, so that the limit can be exceeded by one.
  var isProbed: Bool {
    get { state.withLock { $0.isProbed } }
    set { state.withLock { $0.isProbed = newValue } }
  }

  /// Told the number of each admitted pipe that is gone, on a thread of nng.
  var hearsLoss: (@Sendable (Int32) -> Void)? {
    get { state.withLock { $0.hearsLoss } }
    set { state.withLock { $0.hearsLoss = newValue } }
  }

  /// Asks nng to report the socket's pipes here.
  ///
  /// - Returns: the reference that nng's callbacks use, to be released once the socket is closed.
  func observe(_ socket: nng_socket) throws(TransportError) -> Unmanaged<Pipes> {
    let reference = unsafe Unmanaged.passRetained(self)
    for event in [NNG_PIPE_EV_ADD_PRE, NNG_PIPE_EV_REM_POST] {
      let status = unsafe nng_pipe_notify(
        socket, event, { unsafe Pipes.note($0, $1, $2) }, reference.toOpaque())
      guard status == 0 else {
        unsafe reference.release()  // no pipe can exist yet, so no callback can be running
        throw TransportError(status: status, "nng_pipe_notify")
      }
    }
    return unsafe reference
  }

  private static func note(
    _ pipe: nng_pipe, _ event: nng_pipe_ev, _ context: UnsafeMutableRawPointer?
  ) {
    guard let context = unsafe context else { return }
    let pipes = unsafe Unmanaged<Pipes>.fromOpaque(context).takeUnretainedValue()
    let number = nng_pipe_id(pipe)
    guard event == NNG_PIPE_EV_ADD_PRE else {
      return pipes.forget(number)
    }
    let link = Link(of: pipe)
    if pipes.admits(link, number) { return }
    _ = nng_pipe_close(pipe)  // fails only where it is closed already
  }

  /// Connections of one peer that are known as its own.
  static let pipesOfPeer = 4

  /// Takes note that a pipe's peer has proved who it is.
  ///
  /// - Parameters:
  ///   - number: The pipe's.
  ///   - owner: Tells peers apart that may have `pipesOfPeer`: of more the oldest is a stranger again.
  func recognize(_ number: Int32, of owner: UInt64?) {
    state.withLock { state in
      guard state.strangers.removeValue(forKey: number) != nil, let owner else { return }
      state.owners[number] = owner
      state.owned[owner, default: []].append(number)
      guard let oldest = state.owned[owner]?.first,
        state.owned[owner, default: []].count > Self.pipesOfPeer
      else { return }
      state.disown(oldest)
      state.strangers[oldest] = .now
    }
  }

  // MARK: Replies

  /// How long a reply may wait for earlier ones of its connection to be read.
  enum Patience {
    case full, brief, none
  }

  /// Replies to one recognized peer that may wait for long, on all its connections: as many as a
  /// worker has requests.
  private static let patientReplyCount = 8

  /// Takes note that a reply is handed to nng; `endReply` has to follow.
  ///
  /// A reply waits for its turn in the context that has to answer others too. Strangers' replies wait
  /// briefly, and once they have a quarter of the contexts not at all: an honest stranger has read
  /// its reply when it asks again, so that nng takes the next one at once.
  func beginReply(to number: Int32, contextCount: Int) -> Patience {
    state.withLock { state in
      state.replyCounts[number, default: 0] += 1
      guard state.strangers[number] != nil else {
        let own = state.owners[number].flatMap { state.owned[$0] } ?? [number]
        let count = own.reduce(0) { $0 + state.replyCounts[$1, default: 0] }
        return count <= Self.patientReplyCount ? .full : .brief
      }
      let count = state.replyCounts.reduce(0) { count, entry in
        state.strangers[entry.key] == nil ? count : count + entry.value
      }
      return count <= max(1, contextCount / 4) ? .brief : .none
    }
  }

  /// nng has taken a reply, or it is lost.
  func endReply(to number: Int32) {
    state.withLock { state in
      let count = state.replyCounts[number, default: 0]
      state.replyCounts[number] = count > 1 ? count - 1 : nil
    }
  }

  /// Takes note that a pipe's peer has left a reply unread: it has to go.
  func condemn(_ number: Int32) {
    state.withLock { state in
      guard state.links[number] != nil else { return }
      state.condemned.insert(number)
    }
  }

  /// Whether a pipe has to go.
  func isCondemned(_ number: Int32) -> Bool {
    state.withLock { $0.condemned.contains(number) }
  }

  /// The connections that have to go because a reply was left unread.
  var condemned: Set<Link> {
    state.withLock { state in Set(state.condemned.compactMap { state.links[$0] }) }
  }

  /// The strangers that have to go: none below half of the limit; then those older than a time, and
  /// beyond three quarters the oldest, so that there is always room for a newcomer.
  func excessStrangers(among limit: Int, olderThan time: Duration) -> Set<Link> {
    state.withLock { state in
      let excess = state.links.count - limit / 2
      guard excess > 0, limit >= 4 else { return [] }
      let oldest = state.strangers.sorted { $0.value < $1.value }.prefix(excess)
      let urgent = state.links.count - limit / 4 * 3
      let now = ContinuousClock.now
      let chosen = oldest.enumerated().filter { place, stranger in
        place < urgent || now - stranger.value >= time
      }
      return Set(chosen.compactMap { state.links[$0.element.key] })
    }
  }

  private func forget(_ number: Int32) {
    let hearsLoss = state.withLock { state in
      state.strangers[number] = nil
      state.condemned.remove(number)
      state.disown(number)
      return state.links.removeValue(forKey: number) == nil ? nil : state.hearsLoss
    }
    hearsLoss?(number)
  }

  private func admits(_ link: Link, _ number: Int32) -> Bool {
    state.withLock { state in
      state.arrivalCount += 1
      guard !state.refusesAll else { return false }
      guard state.links.count - (state.isProbed ? 1 : 0) < limit else {
        state.refusedCount += 1
        return false
      }
      state.links[number] = link
      state.strangers[number] = .now
      return true
    }
  }
}
