import CNNG
import Synchronization

/// The negotiated connections of one socket, kept by nng's notifications.
final class Pipes: Sendable {
  private struct State {
    var links: [Int32: Link] = [:]
    /// Those whose peer has proved nothing yet, since when.
    var strangers: [Int32: ContinuousClock.Instant] = [:]
    var arrivalCount = 0
    var refusedCount = 0
    var refusesAll = false
    var isProbed = false
    var hearsLoss: (@Sendable (Int32) -> Void)?
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

  /// Takes note that a pipe's peer has proved who it is.
  func recognize(_ number: Int32) {
    state.withLock { state in _ = state.strangers.removeValue(forKey: number) }
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
