import CoordinatorCore
import Destinations
import Executors
import Fleet
import Foundation
import Jobs
import Leasing
import Logging
import ObjectStore
import Partials
import Tables
import Wire

/// A job that is asked for and not yet taken in.
struct Submission {
  let request: JobRequest
  let progress: PlanningProgress
  var state = State.planning
  var lastAsked: Instant
  /// Requests that wait for the plan, by number.
  var waiters: [UInt64: CheckedContinuation<Void, Never>] = [:]

  enum State {
    case planning
    case planned(PlannedJob)
    case refused(Refusal)
  }

  var isPlanned: Bool {
    guard case .planned = state else { return false }
    return true
  }
}

/// Taking jobs in.
///
/// A submission is known by the job's name, which its client has chosen. Its inputs are listed and
/// its model is read on a thread of its own, for as long as stores and disks take, while the client
/// asks again and again; the job begins to be with the first answer "accepted". So a submission
/// that is repeated or late gets the same job, and one that nobody asks about leaves none. What is
/// being planned is in memory only: after a restart of the coordinator the client's next question
/// begins it again, unless the journal has the job, which it then gets.
extension Coordinator {
  /// Plannings at once, with those done and not yet taken in; more have to wait.
  ///
  /// Each is a thread, or the names of up to a million inputs in memory.
  private static let planningLimit = 16
  /// Refused submissions that are remembered, for those that ask again.
  private static let refusalLimit = 1_000
  /// For so long a question waits for the plan; short beside the clients' patience of seconds.
  private static let answerTime = Duration.seconds(1)

  func submit(_ id: JobID, _ bytes: [UInt8], asksAgain: Bool) async throws -> ClientAnswer {
    let request: JobRequest
    do {
      request = try JSONDecoder().decode(JobRequest.self, from: Data(bytes))
    } catch {
      throw Refusal(code: .invalidRequest, text: "the job request cannot be read: \(error)")
    }
    if let job = core.jobs[id] {
      guard job.request.isResolved(from: request) else {
        throw CoordinatorCore.Refusal.alreadyExists
      }
      try await settle()
      return .accepted(id)
    }
    try checkFleet(request.dedicatedResources)
    guard try join(id, request) else {
      let text = "waiting until fewer than \(Self.planningLimit) other jobs are being planned"
      guard asksAgain else { throw Refusal(code: .unavailable, text: text) }
      return .planning(PlanningReport(inputCount: 0, text: text))
    }
    await waitForPlan(of: id, atMost: asksAgain ? Self.answerTime : nil)
    guard await isFree(id, within: Self.answerTime) else {
      let text = "waiting until nothing is left of a former job with the id \(id)"
      guard asksAgain else { throw Refusal(code: .unavailable, text: text) }
      return .planning(PlanningReport(inputCount: 0, text: text))
    }
    return try await outcome(of: id)
  }

  /// Refuses what no worker here could be started for.
  private func checkFleet(_ resources: JobRequest.DedicatedResources) throws(Refusal) {
    let key = "dedicatedResources"
    guard let fleet = options.fleet else {
      let asked = [
        ("machineSpec", resources.machineSpec?.machineType != nil),
        ("deadline", resources.deadline != nil),
        ("budget", resources.budget != nil),
      ].filter(\.1).map { "\(key).\($0.0)" }
      guard asked.isEmpty else {
        throw Refusal(
          code: .invalidRequest,
          text: "\(asked.joined(separator: ", ")): this coordinator starts no workers; start it "
            + "with --fleet, or leave the key out")
      }
      return
    }
    let names = fleet.places.map(\.pool.name)
    if let wanted = resources.machineSpec?.machineType, !names.contains(wanted) {
      throw Refusal(
        code: .invalidRequest,
        text: "\(key).machineSpec.machineType: the fleet has no pool of this name; it has "
          + names.joined(separator: ", "))
    }
  }

  /// Takes note of a question about a submission; the first one begins to plan it.
  ///
  /// - Returns: False where too many others are being planned.
  private func join(_ id: JobID, _ request: JobRequest) throws -> Bool {
    if let submission = submissions[id] {
      guard submission.request == request else {
        throw Refusal(code: .other, text: "another submission has the id \(id)")
      }
      submissions[id]?.lastAsked = now
      return true
    }
    let doneCount = submissions.values.count { $0.isPlanned }
    guard planningCount + doneCount < Self.planningLimit else { return false }
    let progress = PlanningProgress()
    submissions[id] = Submission(request: request, progress: progress, lastAsked: now)
    planningCount += 1
    Task { await planSubmission(id, request, progress) }
    return true
  }

  private func planSubmission(
    _ id: JobID, _ request: JobRequest, _ progress: PlanningProgress
  ) async {
    let planner = planner(of: request, id, progress)
    let state: Submission.State
    do {
      try checkDestination(request)
      let planned = try await ownThread {
        try StoreWatch.$current.withValue(progress.watch) {
          try self.checkStore(request)
          return try planner.plan()
        }
      }
      state = .planned(planned)
    } catch {
      if StoreEnding.process.hasBegun {
        planningCount -= 1
        return  // it says nothing of the job that this process ends
      }
      state = .refused(Refusal(code: .invalidRequest, text: "\(error)"))
    }
    planningCount -= 1
    // It may have been dropped, and even begun anew.
    guard submissions[id]?.progress === progress else { return removeUnusedModels() }
    submissions[id]?.state = state
    if case .refused = state { removeUnusedModels() }
    let waiters = submissions[id]?.waiters.values.map(\.self) ?? []
    submissions[id]?.waiters.removeAll()
    for waiter in waiters { waiter.resume() }
  }

  /// Waits until there is a plan or a refusal; no longer than `limit` where there is one.
  private func waitForPlan(of id: JobID, atMost limit: Duration?) async {
    guard let submission = submissions[id], case .planning = submission.state else { return }
    let number = UInt64.random(in: .min ... .max)
    await withCheckedContinuation { continuation in
      submissions[id]?.waiters[number] = continuation
      guard let limit else { return }
      Task {
        try? await Task.sleep(for: limit)  // cancelled: the question is answered at once
        submissions[id]?.waiters.removeValue(forKey: number)?.resume()
      }
    }
    submissions[id]?.lastAsked = now
  }

  private func outcome(of id: JobID) async throws -> ClientAnswer {
    guard let submission = submissions[id] else {
      guard core.jobs[id] != nil else {
        throw Refusal(code: .unavailable, text: "the submission \(id) was dropped")
      }
      try await settle()  // another question took it in
      return .accepted(id)
    }
    switch submission.state {
    case .planning: return .planning(submission.progress.report)
    case .refused(let refusal): throw refusal
    case .planned(let planned):
      try await takeIn(id, planned)
      return .accepted(id)
    }
  }

  /// Makes a job of what is planned.
  private func takeIn(_ id: JobID, _ planned: PlannedJob) async throws {
    let created = wallClockNanoseconds()
    if core.jobs[id] == nil { prepared[id] = planned }
    do {
      try await decide { core, _, effects in
        guard core.jobs[id] == nil else { return }
        // What listing the inputs has told of it stands in the journal.
        try core.submit(
          id, planned.configuration.request, createdNanoseconds: created, into: &effects)
      }
    } catch {
      // Where only the journal has to wait, the job is there and keeps its plan.
      if core.jobs[id] == nil { prepared[id] = nil }
      throw error
    }
    submissions[id] = nil
  }

  /// Drops the submissions that nobody has asked about for a while, and the oldest refusals.
  func dropForgottenSubmissions() {
    guard !submissions.isEmpty else { return }
    let count = submissions.count
    for (id, submission) in submissions where submission.waiters.isEmpty {
      guard now - submission.lastAsked > options.submissionPatience else { continue }
      drop(id, submission)
    }
    if submissions.count < count { removeUnusedModels() }
    let refused = submissions.filter { _, submission in
      guard case .refused = submission.state else { return false }
      return true
    }
    guard refused.count > Self.refusalLimit else { return }
    let oldest = refused.sorted { $0.value.lastAsked < $1.value.lastAsked }
    for (id, _) in oldest.prefix(refused.count - Self.refusalLimit) { submissions[id] = nil }
  }

  private func drop(_ id: JobID, _ submission: Submission) {
    submission.progress.abandon()
    submissions[id] = nil
    guard core.jobs[id] == nil, case .planning = submission.state else { return }
    logger.info("submission \(id) is dropped: its client no longer asks about it")
  }

  nonisolated func planner(
    of request: JobRequest, _ id: JobID, _ progress: PlanningProgress? = nil
  ) -> JobPlanner {
    JobPlanner(request: request, modelFolder: modelFolder, progress: progress) { [logger] text in
      logger.info("\(text)", metadata: ["job": "\(id)"])
    }
  }

  private func checkDestination(_ request: JobRequest) throws(CoordinatorError) {
    let output = request.outputConfig.uri
    try checkFolder(output, "outputConfig.uri")
    guard let errors = request.outputConfig.errorsUri else { return }
    if InputAccess.isDatabase(output) || output.hasPrefix("sqlite:") {
      guard !errors.contains("/") else {
        throw CoordinatorError(
          "outputConfig.errorsUri: error records of a database go to one of its tables: name it, "
            + "not \(errors)")
      }
    } else {
      guard !InputAccess.isRemote(errors) || ObjectURI.isURI(errors) else {
        throw CoordinatorError(
          "outputConfig.errorsUri: \(errors) is no folder and no prefix of an s3:// or gs:// store")
      }
      try checkFolder(errors, "outputConfig.errorsUri")
    }
  }

  private func checkFolder(_ folder: String, _ key: String) throws(CoordinatorError) {
    guard !InputAccess.isRemote(folder) else { return }  // told when it is written to
    guard folder.hasPrefix("/") else {
      throw CoordinatorError("\(key): \(folder) is not an absolute path")
    }
    // Others may read predictions where the user's umask lets them.
    try makeFolder(folder, permissions: nil)
    guard FileManager.default.isWritableFile(atPath: folder) else {
      throw CoordinatorError("\(key): \(folder) cannot be written")
    }
  }

  /// Refuses a job whose output or errors go to a store that does not answer: told before it is
  /// scored.
  private nonisolated func checkStore(_ request: JobRequest) throws(CoordinatorError) {
    let output = request.outputConfig
    let places = [("output", output.uri), ("errors", output.errorsUri ?? "")]
    for (what, uri) in places where ObjectURI.isURI(uri) {
      do throws(DestinationError) {
        try ObjectDestination.check(uri)
      } catch {
        throw CoordinatorError("the \(what) cannot be written: \(error.context)")
      }
    }
  }
}
