package import Jobs

/// The state of each job as the journal has it: what clients may be told.
///
/// What was decided and is not yet written may be gone after a crash, and with it the end that a
/// client has acted upon.
package struct DurableStates: Sendable {
  private var states: [JobID: JobState] = [:]

  package init() {}

  /// Takes a job up as the journal has it.
  package mutating func restore(_ id: JobID, _ state: JobState) { states[id] = state }

  /// Takes note of entries that are in the journal now.
  package mutating func note(_ entries: [JournalEntry]) {
    for entry in entries {
      switch entry {
      case .submitted(let id, _, _): states[id] = .queued
      case .state(let id, let state, _): states[id] = state
      case .deleted(let id): states[id] = nil
      case .planned, .columns, .inputsChecked, .commit, .refute, .charge, .published: break
      }
    }
  }

  /// A job as it may be told of: with the state that is durable, and without what belongs to a later
  /// one.
  package func told(of job: Job) -> Job {
    let state = states[job.id] ?? .queued
    guard state != job.state else { return job }
    var told = job
    told.state = state
    told.reason = ""
    told.folder = nil
    told.endedAt = nil
    return told
  }
}
