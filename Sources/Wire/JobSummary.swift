internal import CWire
package import Jobs

/// One job as users see it, on the wire and under `--output json`.
package struct JobSummary: Hashable, Sendable, Codable {
  package var id: JobID
  package var displayName: String
  package var state: JobState
  package var phase: JobPhase
  /// Why the job is in its state; empty if there is nothing to say.
  package var reason = ""
  /// Wall-clock time of submission, nanoseconds since 1970.
  package var createdNanoseconds: Int64
  /// Since the first lease, up to the end; `nil` before it.
  package var elapsedMilliseconds: UInt64?
  /// Records of confirmed blocks.
  package var counts = RecordCounts()
  package var shardCount: UInt64 = 0
  package var committedShardCount: UInt64 = 0
  package var failedShardCount: UInt64 = 0
  package var blockCount: UInt64 = 0
  package var confirmedBlockCount: UInt64 = 0
  /// Committed from a guess that the chain of states has not reached.
  package var provisionalBlockCount: UInt64 = 0
  package var leasedBlockCount: UInt64 = 0
  /// Stored bytes of all inputs, and of what is committed.
  package var inputByteCount: UInt64 = 0
  package var doneByteCount: UInt64 = 0
  /// Workers that hold a lease of the job.
  package var workerCount: UInt32 = 0
  /// Error records tolerated; -1 is no limit.
  package var errorThreshold: Int64
  /// Folder of the published output.
  package var resultFolder: String?
  package var recordsPerSecond: Double = 0
  /// Leases given, and results that came too late to be of use.
  package var grantCount: UInt64 = 0
  package var repeatedResultCount: UInt64 = 0

  package init(
    id: JobID, displayName: String, state: JobState, phase: JobPhase, createdNanoseconds: Int64,
    errorThreshold: Int64
  ) {
    self.id = id
    self.displayName = displayName
    self.state = state
    self.phase = phase
    self.createdNanoseconds = createdNanoseconds
    self.errorThreshold = errorThreshold
  }
}

extension JobSummary {
  init(reading message: Wire__JobSummary) throws(WireError) {
    let state = unsafe message.state
    guard let known = JobState.allCases.first(where: { $0.wireCode == state }) else {
      throw .invalid("job.state", "\(state.rawValue) is no state")
    }
    let threshold = unsafe message.error_threshold
    guard threshold >= -1 else { throw .invalid("job.error_threshold", "\(threshold)") }
    self.init(
      id: unsafe JobID(message.id),
      displayName: try unsafe Field.text(
        message.display_name, limit: WireLimits.nameByteCount, "job.display_name"),
      state: known, phase: try unsafe JobPhase(reading: message.phase),
      createdNanoseconds: unsafe message.created_nanoseconds, errorThreshold: threshold)
    reason = try unsafe Field.text(
      message.reason, limit: WireLimits.summaryReasonByteCount, "job.reason")
    if unsafe message.optional_result_folder_case
      == WIRE__JOB_SUMMARY__OPTIONAL_RESULT_FOLDER_RESULT_FOLDER
    {
      resultFolder = try unsafe Field.text(
        message.result_folder, limit: WireLimits.pathByteCount, "job.result_folder")
    }
    try unsafe readProgress(message)
    try unsafe readRates(message)
  }

  private mutating func readProgress(_ message: Wire__JobSummary) throws(WireError) {
    counts = RecordCounts(
      ok: try unsafe Field.count(message.ok_count, "job.ok_count"),
      error: try unsafe Field.count(message.error_count, "job.error_count"),
      filtered: try unsafe Field.count(message.filtered_count, "job.filtered_count"))
    shardCount = try unsafe Field.count(message.shard_count, "job.shard_count")
    committedShardCount = try unsafe Field.count(
      message.committed_shard_count, "job.committed_shard_count")
    failedShardCount = try unsafe Field.count(
      message.failed_shard_count, "job.failed_shard_count")
    blockCount = try unsafe Field.count(message.block_count, "job.block_count")
    confirmedBlockCount = try unsafe Field.count(
      message.confirmed_block_count, "job.confirmed_block_count")
    provisionalBlockCount = try unsafe Field.count(
      message.provisional_block_count, "job.provisional_block_count")
    leasedBlockCount = try unsafe Field.count(
      message.leased_block_count, "job.leased_block_count")
    inputByteCount = try unsafe Field.count(message.input_byte_count, "job.input_byte_count")
    doneByteCount = try unsafe Field.count(message.done_byte_count, "job.done_byte_count")
  }

  private mutating func readRates(_ message: Wire__JobSummary) throws(WireError) {
    if unsafe message.optional_elapsed_milliseconds_case
      == WIRE__JOB_SUMMARY__OPTIONAL_ELAPSED_MILLISECONDS_ELAPSED_MILLISECONDS
    {
      elapsedMilliseconds = try unsafe Field.count(
        message.elapsed_milliseconds, limit: WireLimits.largestMilliseconds,
        "job.elapsed_milliseconds")
    }
    workerCount = unsafe message.worker_count
    recordsPerSecond = unsafe message.records_per_second
    guard recordsPerSecond >= 0, recordsPerSecond.isFinite else {
      throw .invalid("job.records_per_second", "\(recordsPerSecond)")
    }
    grantCount = try unsafe Field.count(message.grant_count, "job.grant_count")
    repeatedResultCount = try unsafe Field.count(
      message.repeated_result_count, "job.repeated_result_count")
  }

  func packed(in arena: MessageArena) -> UnsafeMutablePointer<Wire__JobSummary> {
    unsafe arena.message(wire__job_summary__init) { message in
      unsafe message.id = id.rawValue
      unsafe message.display_name = arena.remark(displayName, limit: WireLimits.nameByteCount)
      unsafe message.state = state.wireCode
      unsafe message.phase = phase.wireCode
      unsafe message.reason = arena.remark(reason, limit: WireLimits.summaryReasonByteCount)
      unsafe message.created_nanoseconds = createdNanoseconds
      unsafe message.error_threshold = errorThreshold
      if let resultFolder {
        unsafe message.optional_result_folder_case =
          WIRE__JOB_SUMMARY__OPTIONAL_RESULT_FOLDER_RESULT_FOLDER
        unsafe message.result_folder = arena.text(
          resultFolder, limit: WireLimits.pathByteCount, "job.result_folder")
      }
      unsafe fillProgress(of: &message)
      unsafe fillRates(of: &message)
    }
  }

  private func fillProgress(of message: inout Wire__JobSummary) {
    unsafe message.ok_count = counts.ok
    unsafe message.error_count = counts.error
    unsafe message.filtered_count = counts.filtered
    unsafe message.shard_count = shardCount
    unsafe message.committed_shard_count = committedShardCount
    unsafe message.failed_shard_count = failedShardCount
    unsafe message.block_count = blockCount
    unsafe message.confirmed_block_count = confirmedBlockCount
    unsafe message.provisional_block_count = provisionalBlockCount
    unsafe message.leased_block_count = leasedBlockCount
    unsafe message.input_byte_count = inputByteCount
    unsafe message.done_byte_count = doneByteCount
  }

  private func fillRates(of message: inout Wire__JobSummary) {
    if let elapsedMilliseconds {
      unsafe message.optional_elapsed_milliseconds_case =
        WIRE__JOB_SUMMARY__OPTIONAL_ELAPSED_MILLISECONDS_ELAPSED_MILLISECONDS
      unsafe message.elapsed_milliseconds = elapsedMilliseconds
    }
    unsafe message.worker_count = workerCount
    unsafe message.records_per_second = recordsPerSecond
    unsafe message.grant_count = grantCount
    unsafe message.repeated_result_count = repeatedResultCount
  }
}

extension JobState {
  var wireCode: Wire__JobState {
    switch self {
    case .queued: WIRE__JOB_STATE__STATE_QUEUED
    case .pending: WIRE__JOB_STATE__STATE_PENDING
    case .running: WIRE__JOB_STATE__STATE_RUNNING
    case .paused: WIRE__JOB_STATE__STATE_PAUSED
    case .cancelling: WIRE__JOB_STATE__STATE_CANCELLING
    case .cancelled: WIRE__JOB_STATE__STATE_CANCELLED
    case .succeeded: WIRE__JOB_STATE__STATE_SUCCEEDED
    case .partiallySucceeded: WIRE__JOB_STATE__STATE_PARTIALLY_SUCCEEDED
    case .failed: WIRE__JOB_STATE__STATE_FAILED
    }
  }
}

extension JobPhase {
  var wireCode: Wire__JobPhase {
    switch self {
    case .planning: WIRE__JOB_PHASE__PHASE_PLANNING
    case .scoring: WIRE__JOB_PHASE__PHASE_SCORING
    case .merging: WIRE__JOB_PHASE__PHASE_MERGING
    case .publishing: WIRE__JOB_PHASE__PHASE_PUBLISHING
    }
  }

  init(reading phase: Wire__JobPhase) throws(WireError) {
    let all = [JobPhase.planning, .scoring, .merging, .publishing]
    guard let known = all.first(where: { $0.wireCode == phase }) else {
      throw .invalid("job.phase", "\(phase.rawValue) is no phase")
    }
    self = known
  }
}
