import Foundation
import Jobs
import Leasing
import Partials
import Synchronization

/// How the scoring of one lease ended.
enum ScoringEnd: Sendable {
  /// The whole lease, or its first blocks after a stop.
  case scored(ShardResult, FinishedPartial)
  case stopped
  case failed(FailureCode, String)
}

/// What the scoring thread and the worker tell each other while one lease is scored.
final class ScoringSlot: Sendable {
  enum Command: Int, Sendable {
    case goOn, keepBlocks, stop
  }

  private let records = Atomic<UInt64>(0)
  private let commandCode = Atomic<Int>(0)
  private let hasBegun = Atomic<Bool>(false)

  /// Records scored so far.
  var recordCount: UInt64 { records.load(ordering: .relaxed) }

  func note(records count: UInt64) { records.store(count, ordering: .relaxed) }

  /// What the thread is to do after the block it is at.
  var command: Command { Command(rawValue: commandCode.load(ordering: .relaxed)) ?? .stop }

  /// Takes the lease over, once: its scoring thread, or a stop while its model is on its way.
  ///
  /// - Returns: false where the other one has it.
  func begin() -> Bool { !hasBegun.exchange(true, ordering: .relaxed) }

  func stop(keepBlocks: Bool) {
    let command: Command = keepBlocks ? .keepBlocks : .stop
    commandCode.store(command.rawValue, ordering: .relaxed)
  }

  /// Runs blocking work on a thread of its own, outside the cooperative pool.
  func run(
    named name: String, _ work: @escaping @Sendable () -> ScoringEnd
  ) async -> ScoringEnd {
    await withCheckedContinuation { continuation in
      let thread = Thread {
        // Foundation's own name for a thread does not reach the kernel.
        let label = FileHandle(forWritingAtPath: "/proc/thread-self/comm")
        try? label?.write(contentsOf: Data(name.utf8))  // for people; nothing hangs on it
        continuation.resume(returning: work())
      }
      thread.stackSize = 1 << 20
      thread.start()
    }
  }
}
