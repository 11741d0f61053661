/// How a pool asks Kubernetes for its workers.
package struct KubernetesSettings: Hashable, Sendable {
  /// A taint of nodes that the workers may run on all the same.
  package struct Toleration: Hashable, Sendable {
    /// Nil for every taint.
    package var key: String?
    /// Nil for any value of the key.
    package var value: String?
    /// `NoSchedule` and its like; nil for all.
    package var effect: String?

    package init(key: String? = nil, value: String? = nil, effect: String? = nil) {
      self.key = key
      self.value = value
      self.effect = effect
    }
  }

  /// Where the secret's files are in a worker's file system.
  package static let secretFolder = "/etc/nightshift"
  /// The program, as the image has it on its PATH.
  package static let standardProgram = "nightshift"
  package static let standardMemoryByteCount: UInt64 = 1 << 30

  package var image: String
  /// Nil for that of the client's configuration.
  package var namespace: String?
  package var serviceAccount: String?
  /// Has the files `fleet.token`, and with TLS `ca.pem`, `worker.pem` and `worker.key`.
  package var secret: String?
  package var imagePullSecret: String?
  package var priorityClass: String?
  /// Labels that a node must have.
  package var nodeSelector: [String: String] = [:]
  package var tolerations: [Toleration] = []
  /// Where persistent volume claims are mounted, by their names; read-only.
  package var claims: [String: String] = [:]
  /// Of one worker: what it asks for, and its limit; whole MiB.
  package var memoryByteCount = KubernetesSettings.standardMemoryByteCount
  /// Where `kubectl` is; nil for PATH.
  package var client: String?
  /// The client's configuration; nil for its own rules, in a pod those of its service account.
  package var configurationFile: String?
  package var context: String?

  package init(image: String) { self.image = image }

  /// What every call of the client begins with.
  var clientArguments: [String] {
    let options: [(String, String?)] = [
      ("kubeconfig", configurationFile), ("context", context), ("namespace", namespace),
    ]
    return ["--request-timeout=30s"]
      + options.compactMap { name, value in value.map { "--\(name)=\($0)" } }
  }
}
