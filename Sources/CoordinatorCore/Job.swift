package import Jobs
package import Leasing

/// One job as the coordinator knows it.
package struct Job: Sendable {
  package let id: JobID
  package var request: JobRequest { shared.request }
  /// Wall-clock time of submission, nanoseconds since 1970; names the output folder.
  package let createdNanoseconds: Int64
  package internal(set) var state = JobState.queued
  package internal(set) var phase = JobPhase.planning
  /// Why the job is in its state, for people; empty if there is nothing to say.
  package internal(set) var reason = ""
  package internal(set) var model: PlannedModel?
  /// Records of confirmed blocks.
  package internal(set) var counts = RecordCounts()
  /// Of them the error records of compressed shards whose end has not been read: they may come from
  /// damage that a checksum there tells of.
  var unverifiedErrorCounts: [ShardID: UInt64] = [:]
  /// When its output is looked for again; set where a merge was stopped while the job was being
  /// cancelled.
  var seeksPublicationAt: Instant?
  /// What its shards came to, once it has ended and they are forgotten.
  package internal(set) var extent: JobExtent?
  /// Folder of the published output.
  package internal(set) var folder: String?
  /// Whether this life of the coordinator has seen it begin.
  package internal(set) var startedAt: Instant?
  package internal(set) var endedAt: Instant?
  /// Leases given, and results that came too late to be of use.
  package internal(set) var grantCount = 0
  package internal(set) var repeatedResultCount = 0

  /// The request, in one place for all copies: a job is looked up for each message, and the
  /// request's many strings would be counted up and down each time.
  private let shared: SharedRequest

  private final class SharedRequest: Sendable {
    let request: JobRequest

    init(_ request: JobRequest) {
      self.request = request
    }
  }

  package init(id: JobID, request: JobRequest, createdNanoseconds: Int64) {
    self.id = id
    shared = SharedRequest(request)
    self.createdNanoseconds = createdNanoseconds
  }

  /// Whether blocks of it may be leased.
  var canLease: Bool {
    guard phase == .scoring else { return false }
    return state == .pending || state == .running
      || PlantedBug.pausedJobLeased.isPlanted && state == .paused
  }
}

/// What is still told of a job's shards once their table is gone.
package struct JobExtent: Hashable, Sendable {
  package var shardCount = 0
  package var committedShardCount = 0
  package var failedShardCount = 0
  package var blockCount = 0
  package var committedBlockCount = 0
  package var confirmedBlockCount = 0
  package var leasedBlockCount = 0
  /// Size of the inputs as stored.
  package var inputByteCount: UInt64 = 0
  package var inputCount = 0
  package var resultFileCount = 0
  /// What workers did for it.
  package var work = WorkAccount()

  init(_ table: borrowing LeaseTable) {
    shardCount = table.shards.count
    committedShardCount = table.shards.reduce(0) { $0 + ($1.state == .committed ? 1 : 0) }
    failedShardCount = table.failedShardCount
    blockCount = table.blockCount
    committedBlockCount = table.committedBlockCount
    confirmedBlockCount = table.confirmedBlockCount
    leasedBlockCount = table.leasedBlockCount
    inputByteCount = table.plan.inputs.reduce(0) { $0 + $1.byteCount }
    inputCount = table.plan.inputs.count
    resultFileCount = table.plan.resultFileCount
    work = table.account
  }
}

/// A worker that has said hello.
package struct Session: Hashable, Sendable {
  package let worker: WorkerID
  /// Host and process, for people.
  package let name: String
  /// Its machine, as a number; 0 where that is not known.
  package let host: UInt32
  package let threadCount: Int
  package internal(set) var lastSeen: Instant
  package let joined: Instant
  package internal(set) var leaseCount = 0
  /// When it held a lease for the last time.
  package internal(set) var lastBusy: Instant
  package internal(set) var recordCount: UInt64 = 0
  package internal(set) var isDraining = false
}
