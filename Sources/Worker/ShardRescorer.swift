import Features
package import Jobs
import Leasing
import Partials
import Scoring
import Synchronization
import Tables
import Wire

/// What a shard was scored to, in a file without a name that goes with this.
package final class RescoredPartial: Sendable {
  private let file: ScratchFile

  fileprivate init(_ file: ScratchFile) { self.file = file }

  /// Where the partial can be read as long as this lives.
  package var path: String { "/proc/self/fd/\(file.descriptor)" }
}

/// Scores whole shards of a published job again, as a worker does: the same reader, scorer and
/// writer make the same partial of a lease.
package final class ShardRescorer: Sendable {
  private let request: JobRequest
  private let columns: PlannedColumns?
  private let plan: Plan
  private let bundle: [UInt8]
  private let context: JobContext
  private let scratchFolder: String

  /// Reads the model and finds out what the job was planned with.
  ///
  /// - Parameters:
  ///   - request: All that decides the bytes of the output.
  ///   - columns: The columns and types as planned; `nil` for receipts that do not have them: then
  ///     the first input is asked.
  ///   - plan: The job's; it has shards.
  ///   - model: Text of the model.
  ///   - scratchFolder: Takes a partial for each shard that is scored at the same time.
  /// - Throws: `WorkerError` where the model or the first input cannot be read, or they do not go
  ///   together.
  package init(
    request: JobRequest, columns: PlannedColumns?, plan: Plan, model: [UInt8],
    scratchFolder: String
  ) throws(WorkerError) {
    self.request = request
    self.columns = columns
    self.plan = plan
    bundle = model
    self.scratchFolder = scratchFolder
    let replay = RecordReplay(
      request: request, columns: columns, input: plan.inputs[0], paths: plan.inputs.map(\.path),
      model: model, ranges: [], row: 0)
    context = try Self.told {
      try JobContext(
        id: JobID(0), configuration: replay.configuration(),
        model: Model(bundle: model, summation: request.summation))
    }
  }

  /// Scores a shard on a thread of its own.
  ///
  /// A shard of CSV may begin between quotes, which only all of its input before it tells: what is
  /// scored from a guess and is what was published was no guess.
  ///
  /// - Parameters:
  ///   - shard: The shard.
  ///   - isolated: Records of it that the job left out because they end the process, by their
  ///     numbers in the shard, and why.
  ///   - guesses: Whether to take it that a record begins at the shard's begin; otherwise all of its
  ///     input before it is read.
  /// - Returns: All of its blocks.
  /// - Throws: `WorkerError` where the input cannot be read, or the scratch folder is full.
  package func score(
    _ shard: Int, without isolated: [UInt64: String], guesses: Bool
  ) async throws(WorkerError) -> RescoredPartial {
    let outcome = ScoredShard()
    _ = await ScoringSlot().run(named: "rescore \(shard)") { [self] in
      let result = Result { try scoreHere(shard, without: isolated, guesses: guesses) }
      outcome.result.withLock { $0 = result }
      return .stopped
    }
    return try Self.told {
      guard let result = outcome.result.withLock({ $0 }) else {
        throw WorkerError("shard \(shard): no result")
      }
      return try result.get()
    }
  }

  /// What the scoring thread leaves.
  private final class ScoredShard: Sendable {
    let result = Mutex<Result<RescoredPartial, any Error>?>(nil)
  }

  private func scoreHere(
    _ shard: Int, without isolated: [UInt64: String], guesses: Bool
  ) throws -> RescoredPartial {
    let input = plan.inputs[plan.inputIndex(of: ShardID(UInt32(shard)))]
    if !isolated.isEmpty, context.filter != nil, !isText {
      throw WorkerError(
        "\(input.path): records of shard \(shard) were isolated, and which they are cannot be told "
          + "where a filter passes over row groups")
    }
    let sealed = lease(of: shard, entry: guesses ? .recordStart : try entryState(of: shard))
    let file = try ScratchFile(in: scratchFolder)
    let part = SuspectPart(records: 0..<UInt64.max, isolated: isolated) { _ in }
    let scorer = try LeaseScorer(
      sealed, context: context, slot: ScoringSlot(), file: file, folder: scratchFolder,
      part: isolated.isEmpty ? nil : part
    ) {
      try InputAccess().open(
        input.path, byteCount: input.byteCount, version: input.version,
        expectedEnd: storedEnd(of: sealed))
    }
    switch try scorer.run() {
    case .scored: return RescoredPartial(file)
    case .stopped: throw WorkerError("\(input.path): shard \(shard) has no end")
    case .failed(_, let reason): throw WorkerError(reason)
    }
  }

  private var isText: Bool {
    switch request.inputConfig.instancesFormat {
    case .csv, .jsonl: true
    case .parquet, .orc, .arrow, .files, .postgresql: false
    }
  }

  /// What is known at the begin of a shard once all of its input before it was read.
  private func entryState(of shard: Int) throws -> RangeState {
    let index = plan.inputIndex(of: ShardID(UInt32(shard)))
    let former = plan.shards(ofInput: index).lowerBound..<shard
    return try RecordReplay(
      request: request, columns: columns, input: plan.inputs[index],
      paths: plan.inputs.map(\.path), model: bundle,
      ranges: former.map { plan.range(of: ShardID(UInt32($0))) }, row: 0
    ).exitState(context)
  }

  /// The lease that a coordinator would give of a whole shard.
  private func lease(of shard: Int, entry: RangeState) -> SealedGrant {
    let range = plan.range(of: ShardID(UInt32(shard)))
    let input = plan.inputs[range.inputIndex]
    let lease = Lease(
      shard: ShardID(UInt32(shard)), blocks: BlockRange(0, range.blockCount),
      attempt: Attempt(incarnation: Incarnation(1), counter: 1), worker: WorkerID(0), entry: entry,
      deadline: .start)
    return SealedGrant(
      grant: Grant(job: JobID(0), lease: lease), seal: ContentDigest(words: .zero),
      details: GrantDetails(
        input: GrantInput(
          path: input.path, byteCount: input.byteCount,
          modifiedNanoseconds: input.modifiedNanoseconds, compression: input.compression,
          version: input.version),
        rangeOffset: range.offset, rangeEnd: range.end, blockLength: range.blockLength,
        places: range.places, blockCount: range.blockCount, probes: []))
  }

  private static func told<Value>(_ body: () throws -> Value) throws(WorkerError) -> Value {
    do { return try body() } catch { throw WorkerError(words(error)) }
  }

  private static func words(_ error: any Error) -> String {
    switch error {
    case let error as TableError: error.context
    case let error as PartialError: error.context
    default: "\(error)"
    }
  }
}
