import Synchronization

/// The contexts of a client; each serves one request at a time, in the order of asking.
final class ContextPool: Sendable {
  private struct State {
    var idle: [Context]
    var waiters: [CheckedContinuation<Context?, Never>] = []
    var isClosed = false
  }
  private let state: Mutex<State>

  init(_ contexts: [Context]) { state = Mutex(State(idle: contexts)) }

  /// Takes a context, waiting for one if all are busy; nil once the pool is closed.
  func take() async -> Context? {
    await withCheckedContinuation { continuation in
      let answer: Context?? = state.withLock { state in
        guard !state.isClosed else { return .some(nil) }
        if let context = state.idle.popLast() { return context }
        state.waiters.append(continuation)
        return nil
      }
      if let answer { continuation.resume(returning: answer) }
    }
  }

  /// Gives a context back, to the one who has waited longest.
  func put(_ context: Context) {
    let waiter = state.withLock { state -> CheckedContinuation<Context?, Never>? in
      guard state.waiters.isEmpty else { return state.waiters.removeFirst() }
      state.idle.append(context)
      return nil
    }
    waiter?.resume(returning: context)
  }

  /// Turns away those who wait and those who come later.
  func close() {
    let waiters = state.withLock { state in
      state.isClosed = true
      defer { state.waiters = [] }
      return state.waiters
    }
    for waiter in waiters { waiter.resume(returning: nil) }
  }
}
