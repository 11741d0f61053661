import Foundation

/// What Kubernetes is asked for: one Job of one pod for each worker, so that each can be taken back
/// by itself.
///
/// A worker that ends is not begun again: the fleet decides. One that a disruption ended, such as a
/// spot machine that went without a notice, does not count as failed (`podFailurePolicy`, since
/// Kubernetes 1.26).
package struct KubernetesManifest {
  static let poolLabel = "nightshift/pool"
  static let workerLabel = "nightshift/worker"
  /// From SIGTERM to SIGKILL: a worker takes 25 seconds to hand back.
  static let graceSeconds = 30
  /// Jobs that have ended are removed after so long, with what they say of their end.
  static let keptSeconds = 600
  /// Nobody of the image: it needs no such user.
  private static let userID = 65_532

  let launch: WorkerLaunch
  let settings: KubernetesSettings

  package init(_ launch: WorkerLaunch, settings: KubernetesSettings) {
    self.launch = launch
    self.settings = settings
  }

  /// Selects what belongs to the pool.
  package var selector: String {
    "app.kubernetes.io/instance=\(launch.fleet),\(Self.poolLabel)=\(launch.pool)"
  }

  /// A list with a Job for each worker.
  ///
  /// - Parameter names: of the workers.
  /// - Returns: JSON as `kubectl create` takes it.
  package func text(_ names: [String]) -> String {
    let list: [String: Any] = [
      "apiVersion": "v1", "kind": "List", "items": names.map { job($0) },
    ]
    // Everything in it is a text, a number, a flag, a list or a mapping.
    let data = try? JSONSerialization.data(
      withJSONObject: list, options: [.sortedKeys, .withoutEscapingSlashes])
    return String(decoding: data ?? Data(), as: UTF8.self)
  }

  private func job(_ name: String) -> [String: Any] {
    let labels = [
      "app.kubernetes.io/name": "nightshift", "app.kubernetes.io/component": "worker",
      "app.kubernetes.io/managed-by": "nightshift", "app.kubernetes.io/instance": launch.fleet,
      Self.poolLabel: launch.pool, Self.workerLabel: name,
    ]
    let ignoresDisruptions: [String: Any] = [
      "rules": [
        ["action": "Ignore", "onPodConditions": [["type": "DisruptionTarget", "status": "True"]]]
      ]
    ]
    return [
      "apiVersion": "batch/v1", "kind": "Job",
      "metadata": ["name": name, "labels": labels],
      "spec": [
        "backoffLimit": 0, "ttlSecondsAfterFinished": Self.keptSeconds,
        "podFailurePolicy": ignoresDisruptions,
        "template": ["metadata": ["labels": labels], "spec": pod(name)],
      ] as [String: Any],
    ]
  }

  private func pod(_ name: String) -> [String: Any] {
    var pod: [String: Any] = [
      "restartPolicy": "Never", "terminationGracePeriodSeconds": Self.graceSeconds,
      "automountServiceAccountToken": false, "enableServiceLinks": false,
      "securityContext": [
        "runAsNonRoot": true, "runAsUser": Self.userID, "runAsGroup": Self.userID,
        "fsGroup": Self.userID, "seccompProfile": ["type": "RuntimeDefault"],
      ] as [String: Any],
      "containers": [container(name)], "volumes": volumes.map(\.volume),
    ]
    pod["serviceAccountName"] = settings.serviceAccount
    pod["priorityClassName"] = settings.priorityClass
    pod["imagePullSecrets"] = settings.imagePullSecret.map { [["name": $0]] }
    pod["nodeSelector"] = settings.nodeSelector.isEmpty ? nil : settings.nodeSelector
    let tolerations = settings.tolerations.map { toleration in
      var fields = ["operator": toleration.value == nil ? "Exists" : "Equal"]
      fields["key"] = toleration.key
      fields["value"] = toleration.value
      fields["effect"] = toleration.effect
      return fields
    }
    pod["tolerations"] = tolerations.isEmpty ? nil : tolerations
    return pod
  }

  private func container(_ name: String) -> [String: Any] {
    // What it asks for is its limit: whole processors of its own where the node has such.
    let memory = "\(settings.memoryByteCount >> 20)Mi"
    let resources = ["cpu": "\(launch.threadCount)", "memory": memory]
    return [
      "name": "worker", "image": settings.image, "command": [Self.literal(launch.program)],
      "args": launch.arguments(name: name).map(Self.literal),
      "resources": ["requests": resources, "limits": resources],
      "securityContext": [
        "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
        "capabilities": ["drop": ["ALL"]],
      ] as [String: Any],
      "terminationMessagePolicy": "FallbackToLogsOnError",
      "volumeMounts": volumes.map(\.mount),
    ]
  }

  /// Scratch space, the secret and the claims, each with its place.
  private var volumes: [(volume: [String: Any], mount: [String: Any])] {
    var volumes: [(volume: [String: Any], mount: [String: Any])] = [
      (
        ["name": "scratch", "emptyDir": [:] as [String: Any]],
        ["name": "scratch", "mountPath": "/tmp"]
      )
    ]
    if let secret = settings.secret {
      volumes.append(
        (
          [
            "name": "secret",
            "secret": ["secretName": secret, "defaultMode": 0o440] as [String: Any],
          ],
          ["name": "secret", "mountPath": KubernetesSettings.secretFolder, "readOnly": true]
        ))
    }
    for (place, claim) in settings.claims.sorted(by: { $0.key < $1.key }).enumerated() {
      let source: [String: Any] = ["claimName": claim.key, "readOnly": true]
      volumes.append(
        (
          ["name": "claim-\(place)", "persistentVolumeClaim": source],
          ["name": "claim-\(place)", "mountPath": claim.value, "readOnly": true]
        ))
    }
    return volumes
  }

  /// A text in which Kubernetes replaces nothing: `$(NAME)` would be a variable.
  static func literal(_ text: String) -> String { text.replacing("$(", with: "$$(") }
}
