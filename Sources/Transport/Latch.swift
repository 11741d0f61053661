import Dispatch
import Synchronization

/// A gate that opens once; callers wait for it with a limit.
final class Latch: Sendable {
  private struct State {
    var isOpen = false
    var nextWaiter = 0
    var waiters: [Int: CheckedContinuation<Bool, Never>] = [:]
  }
  private let state = Mutex(State())

  /// Opens the gate for those who wait and for those who come later.
  func open() {
    let waiters = state.withLock { state in
      state.isOpen = true
      defer { state.waiters = [:] }
      return state.waiters
    }
    for waiter in waiters.values { waiter.resume(returning: true) }
  }

  /// Waits for the gate without a limit.
  func wait() async {
    _ = await withCheckedContinuation { _ = enter($0) }
  }

  /// Waits for the gate.
  ///
  /// - Returns: false where the gate was still shut at the limit.
  func wait(within limit: Duration) async -> Bool {
    await withCheckedContinuation { continuation in
      guard let number = enter(continuation) else { return }
      let delay = DispatchTimeInterval.milliseconds(Int(limit.milliseconds))
      DispatchQueue.global().asyncAfter(deadline: .now() + delay) { [self] in
        state.withLock { $0.waiters.removeValue(forKey: number) }?.resume(returning: false)
      }
    }
  }

  /// Adds a waiter, or lets it through.
  ///
  /// - Returns: the waiter's number, or nil where it did not have to wait.
  private func enter(_ waiter: CheckedContinuation<Bool, Never>) -> Int? {
    let number: Int? = state.withLock { state in
      guard !state.isOpen else { return nil }
      state.nextWaiter += 1
      state.waiters[state.nextWaiter] = waiter
      return state.nextWaiter
    }
    if number == nil { waiter.resume(returning: true) }
    return number
  }
}

extension DispatchQueue {
  /// Runs a blocking call on this queue's thread, so that the cooperative pool stays free.
  func run<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
    await withCheckedContinuation { continuation in
      async { continuation.resume(returning: body()) }
    }
  }
}
