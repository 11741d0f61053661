import Dispatch
import Foundation

/// Runs one actor's work on a thread outside the cooperative pool, one job at a time, in order.
///
/// For actors that call blocking C (SQLite, fsync, pread): the cooperative pool has one thread per
/// core, and a blocked one starves everybody.
package final class QueueExecutor: SerialExecutor {
  private let queue: DispatchQueue

  package init(label: String) {
    queue = DispatchQueue(label: label)
  }

  package func enqueue(_ job: UnownedJob) {
    queue.async { unsafe job.runSynchronously(on: self.asUnownedSerialExecutor()) }
  }
}

/// Runs a blocking closure on a thread outside the cooperative pool, for seconds at most.
///
/// libdispatch counts these threads with those of the cooperative pool and replaces a blocked one
/// only about every second: what may wait for minutes runs on `ownThread`.
package func offPool<Value: Sendable>(
  _ work: @escaping @Sendable () throws -> Value
) async throws -> Value {
  try await withCheckedThrowingContinuation { continuation in
    DispatchQueue.global().async { continuation.resume(with: Result(catching: work)) }
  }
}

/// Runs a closure that may block for minutes on a thread that is made for it.
package func ownThread<Value: Sendable>(
  _ work: @escaping @Sendable () throws -> Value
) async throws -> Value {
  try await withCheckedThrowingContinuation { continuation in
    Thread.detachNewThread { continuation.resume(with: Result(catching: work)) }
  }
}

/// Waits for a task, but no longer than `limit`; `nil` where it still works then.
package func value<Value: Sendable>(
  of task: Task<Value, Never>, within limit: Duration
) async -> Value? {
  let (ends, end) = AsyncStream.makeStream(of: Value?.self, bufferingPolicy: .bufferingOldest(1))
  Task { end.yield(await task.value) }
  let timer = Task {
    try? await Task.sleep(for: limit)  // cancelled: the value is there
    end.yield(nil)
  }
  defer { timer.cancel() }
  return await ends.first { _ in true } ?? nil
}
