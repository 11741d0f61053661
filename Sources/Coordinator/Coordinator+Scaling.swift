import CoordinatorCore
import Destinations
import Executors
import Foundation
import Jobs
import ObjectStore
import Tables
import Wire

/// What the fleet's operator asks and tells.
extension Coordinator {
  /// What matters to the fleet at one moment, and what happened since the one before.
  struct FleetView: Sendable {
    let demands: [Demand]
    /// That have joined and are not leaving, whoever started them.
    let workers: [FleetWorker]
    /// Names of those that said goodbye.
    let departed: [String]
    let ended: [JobID]
    let hasOpenJobs: Bool
  }

  /// Names this state folder's fleet: what an engine lists under it is ours, in any life.
  nonisolated var fleetName: String { "ns-" + seal.name }

  /// - Parameters:
  ///   - crews: the fleet's workers as they were since the last view.
  ///   - members: their names; all other workers somebody else has started.
  /// - Returns: what matters to the fleet; what happened is told once.
  func fleetView(_ crews: [CostLedger.Crew], members: Set<String>) -> FleetView {
    defer { (departures, endedJobs) = ([], []) }
    chargeWorkers(crews, members: members)
    return FleetView(
      demands: core.demands(wallClockNanoseconds: wallClockNanoseconds(), costs),
      workers: core.fleetWorkers(now: now), departed: departures, ended: endedJobs,
      hasOpenJobs: !core.openOrder.isEmpty)
  }

  /// Puts what workers cost since the last call on the account of jobs.
  ///
  /// - Parameters:
  ///   - crews: the fleet's workers.
  ///   - members: their names; all other workers somebody else has started.
  func chargeWorkers(_ crews: [CostLedger.Crew] = [], members: Set<String> = []) {
    let others = core.sessions.values.reduce(0) { sum, session in
      members.contains(session.name) ? sum : sum + session.threadCount
    }
    costs.charge(
      crews + [CostLedger.Crew(threadCount: others)], core.payers(ended: awaitingZero), now: now)
  }

  /// Takes note of why jobs have no worker, for who looks at them.
  func tell(waiting: [JobID: String]) { waitReasons = waiting }

  /// Pauses a job whose budget is spent; who resumes it begins another one.
  func pauseSpent(_ job: JobID, reason: String) async {
    costs.settle(job)
    await pause(job, reason: reason)
  }

  func drain(worker name: String) { core.drain(named: name) }

  /// Whether no job is open, none is being submitted, and no worker is here.
  package var isIdle: Bool {
    core.openOrder.isEmpty && submissions.isEmpty && core.sessions.isEmpty && ending.isEmpty
  }

  /// Puts the record beside the receipt, and tells the job's log.
  ///
  /// A job that published nothing, or into a database, has it in its log alone.
  func note(_ record: ZeroRecord, of id: JobID) async {
    awaitingZero.remove(id)
    guard core.jobs[id] != nil else { return }  // deleted meanwhile
    var record = record
    record.cost = core.cost(of: id, costs)
    zeroSeconds[id] = record.secondsAfterTheEnd
    let seconds = Int(record.secondsAfterTheEnd.rounded(.up))
    log(
      id, .info,
      "nothing of the fleet is left, \(seconds) s after the job's end"
        + (record.kept.isEmpty ? "" : "; kept: \(record.kept.count)"))
    guard let folder = core.jobs[id]?.folder, !InputAccess.isDatabase(folder) else { return }
    do {
      let bytes = try JSONEncoder.sorted.encode(record).bytes + [UInt8(ascii: "\n")]
      try await ownThread {
        guard InputAccess.isRemote(folder) else {
          return try DurableFile.write(bytes, to: "\(folder)/\(OutputName.zero)")
        }
        try ObjectStore().put(bytes, to: try ObjectURI(folder).appending(OutputName.zero))
      }
    } catch {
      log(id, .warning, "\(OutputName.zero) cannot be written: \(error)")
    }
  }
}
