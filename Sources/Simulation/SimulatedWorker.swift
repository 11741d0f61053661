import CoordinatorCore
import Jobs
import Leasing
import WorkerCore

/// A worker process: the real core, and a model of its threads, its disk and its sockets.
struct SimulatedWorker: Sendable {
  var core: WorkerCore
  var id: WorkerID
  /// Which process this is, from 1: events of an earlier one are void.
  var life = 0
  var isUp = false
  var startedAt: Int64 = 0
  /// Until then the process is stopped, as by SIGSTOP.
  var pausedUntil: Int64 = 0
  /// Nanoseconds for one block.
  var blockTime: Int64 = 0
  /// Until then nothing gets through to the coordinator, or back.
  var deafUntil: Int64 = 0
  var muteUntil: Int64 = 0
  var scorers: [Scorer?] = []
  /// Requests not yet answered, by their number in this process.
  var inFlight: [Int: Request.Body] = [:]
  var nextRequest = 0
  var nextToken = 0
  /// Partials on this worker's disk.
  var kept: [LeaseKey: PartialContent] = [:]

  /// One lease at work on one slot.
  struct Scorer: Sendable {
    let grant: Grant
    let token: Int
    var state: RangeState
    var records: [[UInt64]] = []
    var results: [BlockResult] = []
    var isStopping = false
    var keepsBlocks = false
    /// The block before which it stops.
    var end: Int

    var nextBlock: Int { Int(grant.lease.blocks.first) + results.count }
  }
}

/// The coordinator's process: the real core, and a model of its journal, spool and outbox.
struct SimulatedCoordinator: Sendable {
  var core: CoordinatorCore?
  var life = 0
  var startedAt: Int64 = 0
  var journal = ModelJournal()
  var spool = ModelSpool()
  /// Answers that wait for the next sync.
  var outbox: [Answer] = []
  var isSyncScheduled = false
  /// Whether a merge was asked for, or the spool may go, once the journal is synced.
  var mergesAfterSync = false
  var endsAfterSync = false
  var isMerging = false
}
