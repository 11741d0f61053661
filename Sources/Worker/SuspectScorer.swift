import Foundation
import Glibc
import Jobs
import Leasing
import Partials
import Tables
import Wire
import WorkerCore

/// What a process apart has to know of a job, as bytes.
struct FetchedJob: Sendable {
  let configuration: [UInt8]
  let model: [UInt8]
}

/// Scores one suspect lease on the calling thread, in processes apart.
func scoreSuspect(
  _ sealed: SealedGrant, of job: FetchedJob, slot: ScoringSlot, link: CoordinatorLink,
  options: WorkerOptions, stallTime: Duration
) -> ScoringEnd {
  do {
    let scorer = try SuspectScorer(
      sealed, of: job, slot: slot, link: link, options: options, stallTime: stallTime)
    return try scorer.run()
  } catch {
    return scoringEnd(of: error, sealed, scratchFolder: options.scratchFolder)
  }
}

/// The search for records of a suspect lease that end their process, and the lease's result.
///
/// What each of them scores is decided by `SuspectSearch`; the worker itself only reads the input
/// for them, and takes the partial of the last one.
final class SuspectScorer {
  private let sealed: SealedGrant
  private let slot: ScoringSlot
  private let options: WorkerOptions
  private let stallTime: Duration
  private let model: ScratchFile
  private let partial: ScratchFile
  private let messages: [(ChildMessage, [UInt8])]
  private let openSource: () throws -> any ByteSource
  private var source: (any ByteSource)?

  init(
    _ sealed: SealedGrant, of job: FetchedJob, slot: ScoringSlot, link: CoordinatorLink,
    options: WorkerOptions, stallTime: Duration
  ) throws {
    self.sealed = sealed
    self.slot = slot
    self.options = options
    self.stallTime = stallTime
    self.model = try ScratchFile(in: options.scratchFolder, holding: job.model)
    partial = try ScratchFile(in: options.scratchFolder)
    let grant = FleetAnswerEnvelope(requestID: 0, body: .grants([sealed]))
    messages = [(.grant, try grant.encode(now: .start)), (.configuration, job.configuration)]
    openSource = {
      try openInput(sealed, slot: slot, link: link, alwaysFetches: options.alwaysFetchesInput)
    }
  }

  /// Scores until the whole lease is scored but for the records that are isolated.
  ///
  /// - Throws: What the input fails with.
  func run() throws -> ScoringEnd {
    var search = SuspectSearch()
    var step = search.begin()
    while case .run(let run) = step {
      switch try score(run, without: search.isolated) {
      case .done: step = search.ended(.complete)
      case .died(let reason, let records):
        slot.remark("a process apart: \(reason), \(Self.words(records))")
        step = search.ended(.died(reason, records: records))
      case .failed(let code, let reason): return .failed(code, reason)
      case .stopped: return .stopped
      }
    }
    slot.remark(
      "processes apart: \(search.runCount), records isolated: \(search.isolated.count)")
    if case .gaveUp(let reason) = step { return .failed(.crashed, reason) }
    return try result()
  }

  private static func words(_ records: Range<UInt64>?) -> String {
    guard let records else { return "before its first record" }
    return "at records \(records.lowerBound) to \(records.upperBound - 1) of the lease"
  }

  private func score(
    _ run: SuspectSearch.Run, without isolated: [SuspectSearch.Isolated]
  ) throws -> ScoringProcess.End {
    var order = ChildMessage.Run(isolated: [:], byteLimit: options.suspectByteCount)
    for record in isolated { order.isolated[record.record] = record.reason }
    if case .probe(let records) = run {
      (order.begin, order.end) = (records.lowerBound, records.upperBound)
    }
    guard ftruncate(partial.descriptor, 0) == 0 else {
      throw WorkerError("cannot empty a scratch file in \(options.scratchFolder)")
    }
    let content = try JSONEncoder().encode(order)
    let process = try ScoringProcess(
      model: model, partial: partial, messages: messages + [(.run, [UInt8](content))],
      byteLimit: options.suspectByteCount, stallTime: stallTime)
    return try process.run(slot: slot) { offset, count in try read(at: offset, count: count) }
  }

  private func read(at offset: UInt64, count: Int) throws -> [UInt8] {
    if source == nil { source = try openSource() }
    var buffer = [UInt8](repeating: 0, count: min(count, ChildMessage.byteLimit))
    let filled = try unsafe buffer.withUnsafeMutableBytes { bytes in
      try unsafe source?.read(at: offset, into: bytes) ?? 0
    }
    buffer.removeLast(buffer.count - filled)
    return buffer
  }

  /// The result as the partial says it.
  private func result() throws -> ScoringEnd {
    let header = try PartialReader(path: "/proc/self/fd/\(partial.descriptor)").header
    let results = header.blocks.map { BlockResult(counts: $0.counts, exit: $0.exit) }
    guard
      let result = ShardResult(
        shard: header.shard, attempt: header.attempt, entry: header.entry, blocks: header.range,
        results: results, partial: header.name)
    else { return .failed(.environment, "the partial of a process apart is none") }
    return .scored(result, FinishedPartial(name: header.name, file: partial))
  }
}

extension ScratchFile {
  /// A file with some bytes in it.
  fileprivate convenience init(in folder: String, holding bytes: [UInt8]) throws {
    try self.init(in: folder)
    var written = 0
    while written < bytes.count {
      let count = unsafe bytes.withUnsafeBytes { buffer in
        unsafe pwrite(
          descriptor, buffer.baseAddress.map { unsafe $0 + written }, buffer.count - written,
          off_t(written))
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw WorkerError(fullScratch(folder)) }
      written += count
    }
  }
}
