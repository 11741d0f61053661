import CoordinatorCore
import Foundation
import Jobs
package import Wire

/// A job as `--output json` prints it; the keys never change their meaning.
///
/// Encoded rather than `JobSummary` itself, so that what scripts read does not move with the wire.
package struct JobDocument: Encodable, Sendable {
  package struct CompletionStats: Encodable, Sendable {
    package let successfulCount: UInt64
    package let failedCount: UInt64
    package let filteredCount: UInt64
  }

  package struct Progress: Encodable, Sendable {
    package let shardCount: UInt64
    package let committedShardCount: UInt64
    package let failedShardCount: UInt64
    package let blockCount: UInt64
    package let committedBlockCount: UInt64
    package let leasedBlockCount: UInt64
    package let inputByteCount: UInt64
    package let doneByteCount: UInt64
    package let fraction: Double
    package let recordsPerSecond: Double
  }

  package struct OutputInfo: Encodable, Sendable {
    package let outputDirectory: String
  }

  package let id: String
  package let displayName: String
  /// With Vertex AI's prefix: `JOB_STATE_RUNNING`.
  package let state: String
  package let phase: String
  package let error: String?
  /// What a job without workers waits for.
  package let waiting: String?
  package let createTime: String
  package let elapsedSeconds: Double?
  package let completionStats: CompletionStats
  package let progress: Progress
  package let workerCount: Int
  package let errorThreshold: Int64
  package let leaseCount: UInt64
  package let repeatedResultCount: UInt64
  package let outputInfo: OutputInfo?

  package init(_ job: JobSummary) {
    id = job.id.description
    displayName = job.displayName
    state = "JOB_STATE_" + job.state.rawValue
    phase = job.phase.rawValue
    let isOpen = job.state == .pending || job.state == .running
    error = job.reason.isEmpty || isOpen ? nil : job.reason
    waiting = job.reason.isEmpty || !isOpen ? nil : job.reason
    createTime = Figures.time(unixNanoseconds: job.createdNanoseconds)
    elapsedSeconds = job.elapsed?.inSeconds
    completionStats = CompletionStats(
      successfulCount: job.counts.ok, failedCount: job.counts.error,
      filteredCount: job.counts.filtered)
    progress = Progress(
      shardCount: job.shardCount, committedShardCount: job.committedShardCount,
      failedShardCount: job.failedShardCount, blockCount: job.blockCount,
      committedBlockCount: job.confirmedBlockCount, leasedBlockCount: job.leasedBlockCount,
      inputByteCount: job.inputByteCount, doneByteCount: job.doneByteCount,
      fraction: ProgressSnapshot(job).fraction, recordsPerSecond: job.recordsPerSecond)
    workerCount = Int(job.workerCount)
    errorThreshold = job.errorThreshold
    leaseCount = job.grantCount
    repeatedResultCount = job.repeatedResultCount
    outputInfo = job.resultFolder.map(OutputInfo.init)
  }
}

extension JobSummary {
  /// Since the first lease, up to the end; `nil` before it.
  var elapsed: Duration? { elapsedMilliseconds.map { .milliseconds(Int64(clamping: $0)) } }
}

extension ProgressSnapshot {
  package init(_ job: JobSummary) {
    self.init(state: job.state, phase: job.phase)
    doneBlockCount = job.confirmedBlockCount
    blockCount = job.blockCount
    doneShardCount = job.committedShardCount
    shardCount = job.shardCount
    doneByteCount = job.doneByteCount
    recordCount = job.counts.total
    errorCount = job.counts.error
    workerCount = UInt64(job.workerCount)
  }
}

/// A job as `describe` prints it.
package func description(of job: JobSummary) -> String {
  let snapshot = ProgressSnapshot(job)
  var lines: [(String, String)] = [
    ("Job", job.id.description),
    ("Name", job.displayName),
    ("State", job.state.rawValue + (job.state == .running ? " (\(job.phase.rawValue))" : "")),
  ]
  if !job.reason.isEmpty { lines.append(("Reason", job.reason)) }
  lines += [
    ("Created", Figures.time(unixNanoseconds: job.createdNanoseconds)),
    ("Running for", job.elapsed.map(Figures.clock) ?? "not started"),
    ("Progress", "\(Int(snapshot.fraction * 100)) %"),
    ("Records", recordLine(job.counts)),
    ("Shards", "\(job.committedShardCount) of \(job.shardCount) committed"),
    (
      "Blocks",
      "\(job.confirmedBlockCount) of \(job.blockCount) committed, \(job.leasedBlockCount) leased"
    ),
    ("Input", "\(Figures.grouped(job.inputByteCount)) bytes"),
    ("Workers", String(job.workerCount)),
    (
      "Errors allowed",
      job.errorThreshold < 0 ? "any number" : Figures.grouped(UInt64(job.errorThreshold))
    ),
  ]
  if let folder = job.resultFolder { lines.append(("Output", folder)) }
  return lines.map { name, value in
    name + ":" + String(repeating: " ", count: 16 - name.count) + printable(value)
  }.joined(separator: "\n")
}

/// What a job has cost, as `describe` prints it; nil where no worker was ever here for it.
func costLine(_ details: [UInt8]) throws -> String? {
  struct Details: Decodable { let cost: JobCost? }
  guard !details.isEmpty,
    let cost = try JSONDecoder().decode(Details.self, from: Data(details)).cost,
    cost.totalSeconds > 0
  else { return nil }
  let parts: [(String, Double)] = [
    ("useful", cost.usefulSeconds), ("start-up", cost.startUpSeconds), ("idle", cost.idleSeconds),
    ("repeated", cost.repeatedSeconds), ("backup", cost.backupSeconds),
    ("pre-empted", cost.preemptedSeconds), ("merge", cost.mergeSeconds),
  ]
  func text(_ number: Double) -> String { Figures.fixed(number, places: 1) }
  let split = parts.filter { $0.1 >= 0.05 }.map { "\(text($0.1)) \($0.0)" }
  var line = "Thread-seconds:  \(text(cost.totalSeconds)): \(split.joined(separator: ", "))"
  if let perMillion = cost.secondsPerMillionRows {
    line += "; \(text(perMillion)) for a million records"
  }
  if let money = cost.money { line += "\nMoney:           \((money * 1e4).rounded() / 1e4)" }
  return line
}

/// "998 scored, 2 errors, 0 filtered".
func recordLine(_ counts: RecordCounts) -> String {
  let (ok, filtered) = (Figures.grouped(counts.ok), Figures.grouped(counts.filtered))
  return "\(ok) scored, \(Figures.counted(counts.error, "error")), \(filtered) filtered"
}

/// A job as `describe --output json` prints it: with what else the coordinator says, as `details`.
func describedText(_ job: JobSummary, details: [UInt8]) throws -> String {
  let text = try jsonText(JobDocument(job))
  guard !details.isEmpty else { return text }
  return text.dropLast() + ",\"details\":" + String(decoding: details, as: UTF8.self) + "}"
}

/// JSON as commands print it: one object on one line, sorted keys.
package func jsonText(_ value: some Encodable) throws -> String {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
  return String(decoding: try encoder.encode(value), as: UTF8.self)
}
