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
  /// Which coordinator it works for.
  var home = 0
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

/// The coordinator's process: the real core and group commit, and a model of its disk.
struct SimulatedCoordinator: Sendable {
  var core: CoordinatorCore?
  var life = 0
  var startedAt: Int64 = 0
  /// Until then the process is stopped.
  var pausedUntil: Int64 = 0
  /// Set by SIGTERM or an upgrade: this is how the next life begins.
  var journal = ModelJournal()
  var spool = ModelSpool()
  var commit = GroupCommit<Answer>()
  var isSyncScheduled = false
  /// Whether the journal's disk is full: nothing new is decided.
  var journalIsFull = false
  /// Names its staging folder; a copy of a state folder has another.
  var stager = "a"
  /// The merge under way.
  var publication: Publication?
  /// A merge that goes along with the scoring, and what it has written.
  var ahead: MergeOrder?
  var aheadRecords: [UInt64] = []
  /// A copy of the state folder, made a while ago.
  var backup: Backup?
  /// The user has asked to cancel, and was not refused.
  var isCancelled = false
  /// Every lease ever told to a worker of this state folder, by its name.
  var granted: [LeaseKey: Lease] = [:]

  struct Backup: Sendable {
    let journal: ModelJournal
    let spool: ModelSpool
  }

  /// One merge and publication: what its calls were answered, and what it made.
  struct Publication: Sendable {
    let life: String
    /// The journal's commits when the merge began.
    let rows: [CommittedBlocks]
    /// Whether it was cancelled by then.
    let isCancelling: Bool
    var log = DestinationLog()
    var output: MergedOutput?
  }
}
