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
  private let blocks = Atomic<Int>(0)
  private let marks = Atomic<UInt64>(0)
  private let end = Atomic<Int>(.max)
  private let commandCode = Atomic<Int>(0)
  private let hasBegun = Atomic<Bool>(false)

  /// Records scored so far.
  var recordCount: UInt64 { records.load(ordering: .relaxed) }

  func note(records count: UInt64) { records.store(count, ordering: .relaxed) }

  /// Blocks finished so far.
  var blockCount: Int { blocks.load(ordering: .relaxed) }

  func note(blocks count: Int) { blocks.store(count, ordering: .relaxed) }

  /// Odd while records are being scored; two more for each tile.
  var mark: UInt64 { marks.load(ordering: .relaxed) }

  /// Said right before and right after a tile is scored.
  func passMark() { marks.add(1, ordering: .relaxed) }

  /// The block of the shard before which the thread stops and keeps what it has.
  var endBlock: Int { end.load(ordering: .relaxed) }

  func shorten(to block: Int) { end.store(block, ordering: .relaxed) }

  /// What people should know of the scoring.
  private let remarked = Mutex<[String]>([])

  var remarks: [String] { remarked.withLock { $0 } }

  func remark(_ text: String) { remarked.withLock { $0.append(text) } }

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
