package import CoordinatorCore
import Executors
import Foundation
import Glibc
import Synchronization

/// Workers as processes of this machine.
///
/// They outlive the coordinator, as those of other engines do: their dead-man timer ends them, or
/// its next life finds them. The list is the system's own: processes whose environment names the
/// fleet.
package final class LocalProvider: Provider {
  /// What a worker's environment has: the fleet, the pool and the worker, with slashes between.
  static let variable = "NIGHTSHIFT_FLEET"

  private let launch: WorkerLaunch
  private let logFolder: String

  private struct State {
    /// Children that have not been waited for.
    var children: [pid_t: String] = [:]
    /// Asked to end once already.
    var asked: Set<String> = []
  }

  private let state = Mutex(State())

  /// - Parameters:
  ///   - launch: what each worker is started with.
  ///   - logFolder: gets a file for each worker with what it prints.
  package init(_ launch: WorkerLaunch, logFolder: String) {
    self.launch = launch
    self.logFolder = logFolder
  }

  package func launch(_ names: [String]) async throws(FleetError) {
    for (place, name) in names.enumerated() {
      let path = "\(logFolder)/\(name).log"
      let log = unsafe open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
      guard log >= 0 else {
        throw FleetError(
          "cannot write \(path): \(unsafe String(cString: strerror(errno)))",
          names: Array(names[place...]))
      }
      let nothing = unsafe open("/dev/null", O_RDONLY | O_CLOEXEC)
      defer { for file in [log, nothing] where file >= 0 { close(file) } }
      let spawned = spawn(
        [launch.program] + launch.arguments(name: name), program: launch.program,
        descriptors: [nothing, log, log],
        variables: [Self.variable: "\(launch.fleet)/\(launch.pool)/\(name)"], isDetached: true)
      guard spawned.status == 0 else {
        throw FleetError(
          "cannot start \(launch.program): \(unsafe String(cString: strerror(spawned.status)))",
          names: Array(names[place...]))
      }
      state.withLock { $0.children[spawned.processID] = name }
    }
  }

  package func list() async throws(FleetError) -> [FleetEntry] {
    // A worker and the processes that it started say the same.
    let found = try processes().map(\.name)
    // After that: one that ends meanwhile is told as ended, never left out.
    let (ended, children) = state.withLock { (Self.reap(&$0), $0.children.values) }
    let running = Set(found).union(children).subtracting(ended.map(\.name))
    let entries = ended + running.map { FleetEntry(name: $0, state: .running) }
    return entries.sorted { $0.name < $1.name }
  }

  package func terminate(_ names: [String]) async throws(FleetError) {
    let asked = state.withLock { state in
      defer { state.asked.formUnion(names) }
      return state.asked
    }
    let wanted = Set(names)
    for (process, name) in try processes() where wanted.contains(name) {
      kill(process, asked.contains(name) ? SIGKILL : SIGTERM)
    }
  }

  /// Waits for children that have ended, and tells how.
  private static func reap(_ state: inout State) -> [FleetEntry] {
    var entries: [FleetEntry] = []
    state.children = state.children.filter { process, name in
      var status: Int32 = 0
      guard unsafe waitpid(process, &status, WNOHANG) == process else { return true }
      let signal = status & 0x7f
      let words = signal == 0 ? "exit code \(status >> 8 & 0xff)" : "signal \(signal)"
      entries.append(FleetEntry(name: name, state: .ended(words)))
      return false
    }
    state.asked.subtract(entries.map(\.name))
    return entries
  }

  /// This user's processes that belong to the pool; reads `/proc`.
  private func processes() throws(FleetError) -> [(process: pid_t, name: String)] {
    let names: [String]
    do {
      names = try FileManager.default.contentsOfDirectory(atPath: "/proc")
    } catch {
      throw FleetError("the processes of this machine cannot be listed: \(error)")
    }
    let start = Array("\(Self.variable)=\(launch.fleet)/\(launch.pool)/".utf8)
    return names.compactMap { text in
      guard let process = pid_t(text),
        let environment = FileManager.default.contents(atPath: "/proc/\(text)/environ")
      else { return nil }
      for variable in environment.split(separator: 0) where variable.starts(with: start) {
        return (process, String(decoding: variable.dropFirst(start.count), as: UTF8.self))
      }
      return nil
    }
  }
}
