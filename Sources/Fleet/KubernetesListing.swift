package import CoordinatorCore
import Foundation

/// One Job or pod of ours, as `kubectl get` prints it with our template.
package struct KubernetesObject: Hashable, Sendable {
  /// What is known of a Job or pod beside its phase.
  package struct Condition: Hashable, Sendable {
    package var type: String
    package var isTrue: Bool
    package var reason: String
    package var message: String
  }

  /// Lines with bars between the fields; texts are percent-encoded, so that none has a bar or a line
  /// end in it.
  static let template = """
    {{define "text"}}{{with .}}{{urlquery .}}{{end}}{{end}}\
    {{range .items}}{{.kind}}|{{.metadata.name}}|{{with .metadata.labels}}\
    {{template "text" (index . "\(KubernetesManifest.workerLabel)")}}{{end}}|\
    {{template "text" .metadata.deletionTimestamp}}|{{template "text" .status.phase}}|\
    {{template "text" .status.reason}}|{{template "text" .status.message}}|\
    {{range .status.conditions}}{{.type}}={{.status}}={{template "text" .reason}}=\
    {{template "text" .message}};{{end}}|\
    {{range .status.containerStatuses}}{{with .state}}\
    {{with .waiting}}waiting={{template "text" .reason}}={{template "text" .message}}={{end}}\
    {{with .terminated}}terminated={{template "text" .reason}}={{template "text" .message}}=\
    {{.exitCode}}{{end}}{{end}};{{end}}|
    {{end}}
    """

  package var isPod: Bool
  package var name: String
  package var worker: String
  /// Somebody has asked for its end.
  package var isDeleted = false
  package var phase = ""
  package var reason = ""
  package var message = ""
  package var conditions: [Condition] = []
  /// Why its container has not begun, such as `ImagePullBackOff`.
  package var waitReason = ""
  /// How its container ended; nil while it has not.
  package var end: String?

  /// Reads what the client printed; lines of no worker are left out.
  package static func objects(_ output: String) -> [KubernetesObject] {
    output.split(separator: "\n").compactMap { KubernetesObject($0) }
  }

  private init?(_ line: some StringProtocol) {
    let fields = line.split(separator: "|", omittingEmptySubsequences: false)
    guard fields.count == 10, fields[0] == "Pod" || fields[0] == "Job", !fields[2].isEmpty else {
      return nil
    }
    isPod = fields[0] == "Pod"
    name = String(fields[1])
    worker = Self.text(fields[2])
    isDeleted = !fields[3].isEmpty
    phase = Self.text(fields[4])
    reason = Self.text(fields[5])
    message = Self.text(fields[6])
    conditions = fields[7].split(separator: ";").compactMap { part in
      let words = part.split(separator: "=", omittingEmptySubsequences: false)
      guard words.count == 4 else { return nil }
      return Condition(
        type: Self.text(words[0]), isTrue: words[1] == "True", reason: Self.text(words[2]),
        message: Self.text(words[3]))
    }
    for part in fields[8].split(separator: ";") {
      let words = part.split(separator: "=", omittingEmptySubsequences: false)
      guard words.count == 4 else { continue }
      let (reason, message) = (Self.text(words[1]), Self.text(words[2]))
      if words[0] == "waiting" {
        waitReason = Self.joined(reason, message)
      } else {
        end = Self.joined("exit code \(words[3])" + (reason.isEmpty ? "" : " (\(reason))"), message)
      }
    }
  }

  /// Of Go's `urlquery`.
  private static func text(_ encoded: some StringProtocol) -> String {
    String(encoded).replacing("+", with: " ").removingPercentEncoding ?? String(encoded)
  }

  /// A reason with its message, whose last line says most.
  private static func joined(_ reason: String, _ message: String) -> String {
    let line = message.split(whereSeparator: \.isNewline).last ?? ""
    guard !line.isEmpty else { return reason }
    return reason.isEmpty ? String(line) : "\(reason): \(line)"
  }

  private func condition(_ type: String) -> Condition? { conditions.first { $0.type == type } }

  /// Whether the pod has not ended.
  private var isAlive: Bool { phase != "Succeeded" && phase != "Failed" }

  /// Why a pod waits, in the engine's words; empty where it says nothing yet.
  private var podWaitReason: String {
    if let condition = condition("PodScheduled"), !condition.isTrue {
      return Self.joined(condition.reason, condition.message)
    }
    // What every start goes through says nothing.
    return waitReason == "ContainerCreating" ? "" : waitReason
  }

  /// How a Job has ended; nil where it goes on.
  private var jobEnd: String? {
    if let condition = condition("Failed"), condition.isTrue {
      return Self.joined(condition.reason, condition.message)
    }
    return condition("Complete")?.isTrue == true ? "complete" : nil
  }

  /// The fleet's view: each worker once.
  ///
  /// A pod that has not ended is there even without its Job, which goes first when a worker is taken
  /// back. A Job without such a pod gets one, unless it has ended.
  ///
  /// - Parameter objects: of one pool.
  /// - Returns: the workers by name, and the object of which more may be known: one that waits, and
  ///   says nothing of why.
  package static func entries(
    _ objects: [KubernetesObject]
  ) -> (entries: [FleetEntry], silent: KubernetesObject?) {
    var silent: KubernetesObject?
    let entries = Dictionary(grouping: objects, by: \.worker).sorted { $0.key < $1.key }
      .map { name, objects in
        let pods = objects.filter(\.isPod)
        let job = objects.first { !$0.isPod }
        // A node that is silent is not known to have ended its pods: `Unknown` counts as running.
        if pods.contains(where: { $0.isAlive && $0.phase != "Pending" }) {
          return FleetEntry(name: name, state: .running)
        }
        if let pod = pods.first(where: \.isAlive) {
          let reason = pod.podWaitReason
          if reason.isEmpty { silent = silent ?? pod }
          return FleetEntry(name: name, state: .waiting(reason))
        }
        if let job, job.jobEnd == nil, !job.isDeleted {
          silent = silent ?? job
          return FleetEntry(name: name, state: .waiting(""))
        }
        let end = pods.compactMap(\.podEnd).first ?? job?.jobEnd ?? "it is deleted"
        return FleetEntry(name: name, state: .ended(end))
      }
    return (entries, silent)
  }

  private var podEnd: String? {
    if !reason.isEmpty { return Self.joined(reason, message) }
    return end
  }
}
