import CoordinatorCore
import Destinations
import Executors
import Failpoints
import Features
import Foundation
import Jobs
import Leasing
import Models
import Partials
import Scoring
import Tables

/// One merge and publication, on a thread of its own, far from the coordinator's.
struct MergeWork: Sendable {
  let job: Job
  let plan: Plan
  let model: PlannedModel
  /// In the order of the plan.
  let commits: [CommittedBlocks]
  /// What planning found out, as JSON; `nil` where the journal does not have it yet.
  let configuration: [UInt8]?
  /// Whether the inputs were found unchanged after all was scored: they are not needed any more.
  let inputsAreChecked: Bool
  let spoolFolder: String
  let modelFolder: String
  let stager: String
  let execution: JSONValue
  /// The merge that went along with the scoring, if one did.
  var ahead: MergeAhead?

  /// How a merge ended, and what a user should know of it.
  struct End: Sendable {
    let outcome: CoordinatorCore.MergeOutcome
    var warnings: [String] = []
  }

  /// Finds what makes a merge needless or forbids it: an earlier publication, a cancellation, an
  /// input that has changed.
  ///
  /// - Returns: The outcome, or `nil` where there is to be a merge.
  func endWithoutMerge() async -> End? {
    do {
      return try await ownThread {
        let found = end(of: { try findOutcome().map { End(outcome: $0) } })
        if found != nil { ahead?.abandon() }
        return found
      }
    } catch {
      return End(outcome: .failed("\(error)"))
    }
  }

  /// Merges and publishes.
  func run() async -> End {
    do {
      return try await ownThread { end(of: { try mergeAndPublish() }) }
        ?? End(outcome: .failed("no outcome"))
    } catch {
      return End(outcome: .failed("\(error)"))
    }
  }

  /// Removes what was merged of a job that ends without a publication; blocks.
  func discard() throws { try input(format: nil).makeDestination().discard() }

  private func end(of work: () throws -> End?) -> End? {
    do {
      return try work()
    } catch let error as DestinationError {
      return End(outcome: outcome(of: error))
    } catch let error as CoordinatorError {
      return End(outcome: error.isTransient ? .blocked(error.context) : .failed(error.context))
    } catch {
      return End(outcome: .failed("\(error)"))
    }
  }

  private func findOutcome() throws -> CoordinatorCore.MergeOutcome? {
    let former = try input(format: nil).makeDestination()
    if try former.existingPublication() != nil {
      ahead?.abandon()
      // Publishing again only clears away what the crash left beside the output.
      return .published(folder: try former.publish())
    }
    guard job.state != .cancelling else {
      ahead?.abandon()
      try former.discard()
      // Another coordinator with this job may have sealed its publication just before.
      if try former.existingPublication() != nil {
        return .published(folder: try former.publish())
      }
      return .failed("cancelled by the user")
    }
    if !inputsAreChecked { try PinnedInput.check(plan.inputs) }
    return nil
  }

  private func mergeAndPublish() throws -> End {
    let destination = try mergeInput().makeDestination()
    Failpoint.coordinatorMerging.hit()
    let folder = try publish(to: destination)
    return End(outcome: .published(folder: folder), warnings: destination.warnings)
  }

  private func mergeInput() throws -> MergeInput {
    let planned = try plan.inputs.isEmpty ? nil : plannedConfiguration()
    var merge = input(format: try planned.map(rowFormat))
    merge.table = planned.map { PlannedColumns(names: $0.columns, types: $0.types) }
    return merge
  }

  /// How often is merged where a database loses what it had taken.
  private static let mergeLimit = 3

  private func publish(to destination: any Destination) throws -> String {
    for _ in 1..<Self.mergeLimit {
      try merge(into: destination)
      do throws(DestinationError) {
        return try destination.publish()
      } catch {
        guard error.code == .mergedIsLost else { throw error }
      }
    }
    try merge(into: destination)
    return try destination.publish()
  }

  private func merge(into destination: any Destination) throws {
    if let ahead, try ahead.finish(commits, counts: job.counts, execution: execution) {
      Failpoint.coordinatorPublishing.hit()
      return
    }
    let staged =
      StagedPartials.areUsed(by: job.request)
      ? try FetchedPartials(job.request, job: job.id, spoolFolder: spoolFolder) : nil
    var next = 0
    _ = try destination.merge { () throws(DestinationError) in
      guard next < commits.count else { return nil }
      defer { next += 1 }
      if next == 1 { Failpoint.coordinatorMerging.hit() }
      guard let staged else { return placed(commits[next]) }
      return PlacedBlocks(
        committed: commits[next], path: try staged.place(of: commits[next].partial))
    }
    Failpoint.coordinatorPublishing.hit()
  }

  /// Blocks whose partial is in the spool.
  func placed(_ committed: CommittedBlocks) -> PlacedBlocks {
    PlacedBlocks(
      committed: committed,
      path: Spooling.path(of: committed.partial, job: job.id, in: spoolFolder))
  }

  /// Begins the merge of a job whose output goes to a folder of this machine.
  func begin() throws -> PosixMerge {
    try PosixDestination(mergeInput()).beginMerge()
  }

  /// Whether the job can be merged while it is scored.
  var goesAhead: Bool {
    !InputAccess.isRemote(job.request.outputConfig.uri) && !plan.inputs.isEmpty
  }

  private func outcome(of error: DestinationError) -> CoordinatorCore.MergeOutcome {
    switch error.code {
    case .damaged(let blocks): return .damaged(blocks)
    // What a full store has to do is said already; so is what to do about another's output.
    case .diskFull where StagedPartials.areUsed(by: job.request), .exists:
      return .blocked("\(error.context), then resume the job")
    case .diskFull: return .blocked("\(error.context); free some space, then resume the job")
    case .file, .database, .mergedIsLost:
      return .blocked("\(error.context); mend it, then resume the job")
    case .inconsistent: return .failed(error.context)
    }
  }

  private func input(format: RowFormat?) -> MergeInput {
    var input = MergeInput(
      job: job.id, request: job.request, plan: plan, model: model,
      modelName: Self.modelName(job.request.model),
      createdNanoseconds: job.createdNanoseconds, counts: job.counts,
      resultHeader: format?.fileHeader ?? [], resultColumns: format?.resultColumns ?? [],
      releaseText: CoordinatorOptions.releaseText,
      instanceColumnCount: format?.instanceColumnCount,
      execution: execution)
    input.stager = stager
    return input
  }

  /// How rows are written.
  private func rowFormat(_ planned: JobConfiguration) throws -> RowFormat {
    let path = "\(modelFolder)/\(model.digest.hexadecimal)"
    guard let bytes = FileManager.default.contents(atPath: path) else {
      throw CoordinatorError("the kept model \(path) cannot be read")
    }
    let parsed = try Model(bundle: Array(bytes))
    let mapping = try ColumnMapping(inputs: parsed.inputs, columns: planned.columns)
    return try RowFormat(
      configuration: planned.readingNumbers(
        of: parsed.inputs, columns: mapping.columnIndices),
      prediction: job.request.prediction(of: parsed))
  }

  private func plannedConfiguration() throws -> JobConfiguration {
    guard let configuration else {
      return try JobPlanner.configuration(of: job.request, plan)
    }
    return try JSONDecoder().decode(JobConfiguration.self, from: Data(configuration))
  }

  /// The model file's name without its ending.
  private static func modelName(_ path: String) -> String {
    URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent
  }
}
