import CoordinatorCore
import Executors
import Foundation
import Glibc
import Jobs
import Logging

/// The models of jobs: kept under their digests for as long as a job that has not ended needs them.
extension Coordinator {
  /// Ends the names of models that are about to be removed.
  private static let unusedEnding = ".unused"

  /// Removes the models of which no open job is left, and what a crash has left of others.
  ///
  /// Not while something is being planned: its model may be there already, and the job that will
  /// name it is not. What stays for that goes with the end of that planning where no job comes of
  /// it, otherwise with the end of a job.
  func removeUnusedModels() {
    guard planningCount == 0, !hasSubmissions, prepared.isEmpty else { return }
    var used: Set<String> = []
    for id in core.openOrder {
      guard let model = core.jobs[id]?.model else { return }  // planned after a restart
      used.insert(model.digest.hexadecimal)
    }
    let names = (try? FileManager.default.contentsOfDirectory(atPath: modelFolder)) ?? []
    let unused = names.filter { !used.contains($0) }.compactMap(renameUnused)
    guard !unused.isEmpty else { return }
    // Of gigabytes that takes a while.
    Task {
      try? await offPool {  // nothing is thrown
        for path in unused { unsafe unlink(path) }
      }
    }
  }

  /// Whether something is asked for that is neither a job nor refused.
  private var hasSubmissions: Bool {
    submissions.values.contains { submission in
      guard case .refused = submission.state else { return true }
      return false
    }
  }

  /// Gives an unused model a name that nobody looks for: it may be planned with again at once.
  private func renameUnused(_ name: String) -> String? {
    let path = "\(modelFolder)/\(name)"
    guard !name.hasSuffix(Self.unusedEnding) else { return path }
    guard unsafe rename(path, path + Self.unusedEnding) == 0 else {
      logger.warning("the unused model \(path) stays: errno \(errno)")
      return nil
    }
    return path + Self.unusedEnding
  }
}
