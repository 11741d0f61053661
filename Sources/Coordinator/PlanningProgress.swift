import ObjectStore
import Synchronization
import Tables
import Wire

/// How far one planning is: told by the thread that plans, read by the coordinator.
final class PlanningProgress: Sendable {
  private struct State {
    var inputCount = 0
    var openedCount = 0
    var note = ""
  }

  private let state = Mutex(State())
  private let cancellation: Cancellation
  /// Tells of retries, and ends the requests of an abandoned planning.
  let watch: StoreWatch

  init() {
    cancellation = Cancellation()
    watch = StoreWatch(cancellation: cancellation)
  }

  /// Has the planning end with an error at its next input or request.
  func abandon() { cancellation.cancel() }

  /// Counts an input that is listed.
  ///
  /// - Throws: `CoordinatorError` where nobody waits for the plan any more.
  func noteListed() throws(CoordinatorError) {
    try check()
    state.withLock { $0.inputCount += 1 }
  }

  /// Takes note of all inputs, once they are listed.
  func noteListed(all count: Int) { state.withLock { $0.inputCount = count } }

  /// Counts an input that is opened.
  ///
  /// - Throws: `CoordinatorError` where nobody waits for the plan any more.
  func noteOpened() throws(CoordinatorError) {
    try check()
    state.withLock { $0.openedCount += 1 }
  }

  /// Takes note of what the survey says of itself.
  func note(_ text: String) { state.withLock { $0.note = text } }

  private func check() throws(CoordinatorError) {
    guard !cancellation.isCancelled else { throw CoordinatorError("nobody waits for the plan") }
  }

  /// What a client is told.
  var report: PlanningReport {
    let (state, retrying) = (state.withLock { $0 }, watch.retrying)
    let text =
      if let retrying {
        "retrying \(retrying)"
      } else if !state.note.isEmpty {
        state.note
      } else {
        state.openedCount > 1 ? "\(state.openedCount) opened" : ""
      }
    return PlanningReport(inputCount: UInt64(state.inputCount), text: text)
  }
}

/// A catalog whose objects are counted as they are listed.
struct CountedCatalog: ObjectCatalog {
  let base: any ObjectCatalog
  let progress: PlanningProgress

  var listsObjects: Bool { base.listsObjects }

  func visitObjects(
    below prefix: String, stopsAtSlash: Bool, _ visit: (ListedObject) throws -> Void
  ) throws -> [String] {
    try base.visitObjects(below: prefix, stopsAtSlash: stopsAtSlash) { object in
      try progress.noteListed()
      try visit(object)
    }
  }

  func object(at uri: String) throws -> ListedObject? {
    let object = try base.object(at: uri)
    if object != nil { try progress.noteListed() }
    return object
  }
}
