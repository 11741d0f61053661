import Synchronization

/// Requests for leases that are answered as soon as there is work, and not only after a pause.
///
/// A worker that joins while its first job is being planned would otherwise sleep through a tenth
/// of a second.
final class IdleWorkers: Sendable {
  /// Requests kept at once; who comes later is told to ask again.
  ///
  /// Each holds one context of the control listener, which has to stay free for heartbeats and
  /// results.
  private static let limit = 16

  private struct State {
    var nextNumber = 0
    var waiters: [Int: CheckedContinuation<Bool, Never>] = [:]
  }

  private let state = Mutex(State())

  var isEmpty: Bool { state.withLock { $0.waiters.isEmpty } }

  /// Waits for work.
  ///
  /// - Returns: Whether there may be some.
  func wait(atMost limit: Duration) async -> Bool {
    await withCheckedContinuation { continuation in
      let number: Int? = state.withLock { state in
        guard state.waiters.count < Self.limit else { return nil }
        state.nextNumber += 1
        state.waiters[state.nextNumber] = continuation
        return state.nextNumber
      }
      guard let number else { return continuation.resume(returning: false) }
      Task {
        try? await Task.sleep(for: limit)  // never cancelled
        state.withLock { $0.waiters.removeValue(forKey: number) }?.resume(returning: false)
      }
    }
  }

  /// Has everybody ask again.
  func wake() {
    let waiters = state.withLock { state in
      defer { state.waiters = [:] }
      return state.waiters
    }
    for waiter in waiters.values { waiter.resume(returning: true) }
  }
}
