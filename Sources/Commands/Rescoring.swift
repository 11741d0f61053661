package import Destinations
import Foundation
import Jobs
import Worker

/// What is to be scored again of a published folder.
package struct RescoringOrder: Sendable {
  package enum Choice: Sendable {
    /// Drawn from the job's id.
    case share(Double, seed: UInt64)
    case shards([Int])
  }

  package var choice: Choice
  /// The model's file; `nil` for where the receipt says.
  package var model: String?
  /// Shards scored at the same time.
  package var threadCount: Int
  package var isQuiet: Bool
}

/// What scoring shards again has shown.
package struct RescoringReport: Encodable, Sendable {
  /// A shard of which nothing is known, and what was in the way.
  package struct NotScored: Encodable, Sendable {
    package let shard: Int
    package let reason: String
  }

  /// Those that were to be scored.
  package fileprivate(set) var shards: [Int] = []
  /// Those of them that could not be.
  package fileprivate(set) var notScored: [NotScored] = []
  /// Shards of the job.
  package fileprivate(set) var shardCount = 0
  package fileprivate(set) var recordCount: UInt64 = 0
  /// Records that differ.
  package fileprivate(set) var differenceCount: UInt64 = 0
  /// The first of them.
  package fileprivate(set) var differences: [RescoredDifference] = []
  /// The model's file.
  package fileprivate(set) var model = ""
  /// What is wrong beside single records; part of the finding's problems.
  fileprivate(set) var problems: [String] = []

  private enum CodingKeys: String, CodingKey {
    case shards, notScored, shardCount, recordCount, differenceCount, differences, model
  }

  /// Which shards could not be scored again, and why, in words; `nil` where there are none.
  package var obstacle: String? {
    guard !notScored.isEmpty else { return nil }
    let count = Figures.counted(UInt64(shards.count), "shard")
    let shown = notScored.prefix(10).map { "shard \($0.shard): \($0.reason)" }
    let rest = notScored.count - shown.count
    return "\(notScored.count) of \(count) could not be scored again: "
      + shown.joined(separator: "; ") + (rest > 0 ? "; and \(rest) more" : "")
  }
}

/// Scores shards of a published folder again, and compares what comes of it with the folder.
struct Rescoring {
  private let folder: PublishedFolder
  private let order: RescoringOrder
  private let shards: [Int]
  /// `nil` where the job has no shard.
  private let rescorer: ShardRescorer?
  private let isolated: [Int: [UInt64: String]]
  private let scratch: TemporaryFolder
  private let model: String
  /// Inputs that cannot be read as they were, and why.
  private let unreadable: [Int: DestinationError]

  /// Differences that are listed.
  private static let differenceLimit = 100

  /// - Throws: `CommandError` where the model cannot be read or is another one, and where rows of
  ///   the input cannot be read again; `DestinationError`, `WorkerError`.
  init(_ folder: PublishedFolder, _ order: RescoringOrder) throws {
    guard folder.request.inputConfig.instancesFormat != .postgresql else {
      throw CommandError(
        "\(folder.path): the rows are those of a query, and cannot be scored again: the database "
          + "has not kept them as they were; export the table, and score the files")
    }
    guard let model = order.model ?? folder.modelPath else {
      throw CommandError(
        "--model is missing: the receipt does not say where \"\(folder.modelName)\" is, whose "
          + "SHA-256 is \(folder.modelDigest)")
    }
    self.folder = folder
    self.order = order
    self.model = model
    shards = try Self.shards(of: folder, order.choice)
    let bytes: [UInt8]
    do {
      bytes = try folder.readModel(at: model)
    } catch {
      let advice = order.model == nil ? "; --model names the file if it moved" : ""
      throw CommandError(error.context + advice)
    }
    isolated = try folder.isolatedRecords(of: shards)
    unreadable = Self.unreadableInputs(of: folder, shards)
    scratch = try TemporaryFolder()
    rescorer =
      shards.isEmpty
      ? nil
      : try ShardRescorer(
        request: folder.request, columns: folder.columns, plan: folder.plan, model: bytes,
        scratchFolder: scratch.path)
  }

  private static func shards(
    of folder: PublishedFolder, _ choice: RescoringOrder.Choice
  ) throws(CommandError) -> [Int] {
    let count = folder.plan.shardCount
    switch choice {
    case .share(let share, let seed):
      return ShardSample.draw(share, of: count, job: folder.job, seed: seed)
    case .shards(let shards):
      guard let last = shards.last, last >= count else { return shards }
      throw CommandError("--shards: there is no shard \(last); the job has \(count), from 0")
    }
  }

  private static func unreadableInputs(
    of folder: PublishedFolder, _ shards: [Int]
  ) -> [Int: DestinationError] {
    var problems: [Int: DestinationError] = [:]
    for index in Set(shards.map { folder.plan.inputIndex(of: ShardID(UInt32($0))) }) {
      do throws(DestinationError) {
        // Another time alone says nothing: what is read is held against the receipt.
        _ = try folder.checkInput(index)
      } catch {
        problems[index] = error
      }
    }
    return problems
  }

  // MARK: Scoring

  /// Scores and compares; some shards at the same time.
  ///
  /// - Throws: `DestinationError` where no comparison can begin.
  func run() async throws -> RescoringReport {
    var report = RescoringReport()
    report.shards = shards
    report.shardCount = folder.plan.shardCount
    report.model = model
    guard let rescorer else { return report }
    let comparison = try ShardComparison(folder)
    let readable = passOver(&report)
    var display = RescoringDisplay(readable, folder.plan, order)
    var next = 0
    var underWay: [Task<RescoredPartial, any Error>] = []
    for (place, shard) in readable.enumerated() {
      while next < readable.count, next - place < order.threadCount {
        underWay.append(begin(readable[next], rescorer))
        next += 1
      }
      let task = underWay.removeFirst()
      do {
        var outcome = try comparison.compare(shard, with: try await task.value.path)
        if !outcome.isSame, guesses(shard), mayBeginInQuotes(shard) {
          let partial = try await rescorer.score(shard, without: [:], guesses: false)
          outcome = try comparison.compare(shard, with: partial.path)
        }
        Self.add(outcome, to: &report)
      } catch let error as WorkerError {
        report.notScored.append(.init(shard: shard, reason: error.context))
      } catch let error as DestinationError {
        report.notScored.append(.init(shard: shard, reason: error.context))
      }
      display.ended(shard, report)
    }
    display.clear()
    withExtendedLifetime(scratch) {}
    return report
  }

  private func begin(
    _ shard: Int, _ rescorer: ShardRescorer
  ) -> Task<RescoredPartial, any Error> {
    let (isolated, guesses) = (isolated[shard] ?? [:], guesses(shard))
    return Task { try await rescorer.score(shard, without: isolated, guesses: guesses) }
  }

  /// Tells of the inputs that cannot be read as they were.
  ///
  /// - Returns: The shards of the others.
  private func passOver(_ report: inout RescoringReport) -> [Int] {
    for index in unreadable.keys.sorted() {
      guard let error = unreadable[index], error.code == .inconsistent else { continue }
      report.problems.append(error.context)
    }
    return shards.filter { shard in
      guard let error = unreadable[folder.plan.inputIndex(of: ShardID(UInt32(shard)))] else {
        return true
      }
      if error.code != .inconsistent {
        report.notScored.append(.init(shard: shard, reason: error.context))
      }
      return false
    }
  }

  private static func add(_ outcome: ShardComparison.Outcome, to report: inout RescoringReport) {
    report.recordCount += outcome.recordCount
    report.differenceCount += outcome.differenceCount
    report.problems += outcome.findings.map(\.description)
    report.differences += outcome.differences.prefix(differenceLimit - report.differences.count)
  }

  /// Whether it is first taken that a record begins at the shard's begin.
  ///
  /// Not where records are to be left out: from another begin they would have other numbers, and
  /// what ends a process would be scored in this one.
  private func guesses(_ shard: Int) -> Bool {
    isolated[shard] == nil || !mayBeginInQuotes(shard)
  }

  private func mayBeginInQuotes(_ shard: Int) -> Bool {
    let input = folder.plan.inputIndex(of: ShardID(UInt32(shard)))
    return folder.request.inputConfig.instancesFormat == .csv
      && shard > folder.plan.shards(ofInput: input).lowerBound
  }
}

/// A bar for shards that are scored again.
private struct RescoringDisplay: ~Copyable {
  private var display: ProgressDisplay
  private var snapshot = ProgressSnapshot(state: .running, phase: .scoring)
  private let plan: Plan

  init(_ shards: [Int], _ plan: Plan, _ order: RescoringOrder) {
    self.plan = plan
    display = ProgressDisplay(isQuiet: order.isQuiet)
    snapshot.workerCount = UInt64(order.threadCount)
    snapshot.shardCount = UInt64(shards.count)
    snapshot.blockCount = shards.reduce(0) { $0 + Self.blockCount($1, plan) }
    display.show(snapshot)
  }

  private static func blockCount(_ shard: Int, _ plan: Plan) -> UInt64 {
    UInt64(plan.range(of: ShardID(UInt32(shard))).blockCount)
  }

  mutating func ended(_ shard: Int, _ report: RescoringReport) {
    snapshot.doneShardCount += 1
    snapshot.doneBlockCount += Self.blockCount(shard, plan)
    snapshot.doneByteCount = snapshot.doneBlockCount * plan.blockByteCount
    snapshot.recordCount = report.recordCount
    snapshot.errorCount = report.differenceCount
    display.show(snapshot)
  }

  mutating func clear() { display.clear() }
}
