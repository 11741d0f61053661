package import CoordinatorCore

/// Workers as Jobs of Kubernetes, by its command-line client.
///
/// All that it knows of them is in Kubernetes: labels say whose a Job is and what its worker is
/// called. A worker that is taken back gets SIGTERM and 30 seconds.
package struct KubernetesProvider: Provider {
  /// Names on one command line.
  private static let nameCountLimit = 500
  /// Of a name and of a label's value.
  private static let nameByteLimit = 63

  private let settings: KubernetesSettings
  private let manifest: KubernetesManifest

  /// - Parameters:
  ///   - launch: what each worker is started with, as its container sees it.
  ///   - settings: what Kubernetes is asked for.
  package init(_ launch: WorkerLaunch, settings: KubernetesSettings) {
    self.settings = settings
    manifest = KubernetesManifest(launch, settings: settings)
  }

  package func launch(_ names: [String]) async throws(FleetError) {
    if let name = names.first(where: { !Self.isName($0) }) {
      throw FleetError(
        "'\(name)' cannot be a name under Kubernetes: use lower-case letters, digits and hyphens, "
          + "at most \(Self.nameByteLimit)", names: names)
    }
    // A server of an earlier version leaves out what it does not know; it must not refuse it.
    let create = ["create", "--filename=-", "--validate=false", "--output=name"]
    let output: EngineCommand.Output
    do throws(FleetError) {
      output = try await command(create, input: manifest.text(names)).runToEnd()
    } catch {
      throw FleetError(error.description, names: names)
    }
    guard output.exitCode != 0 else { return }
    let made = Set(output.output.split(separator: "\n").map { $0.split(separator: "/").last ?? "" })
    throw FleetError(
      Self.advised("kubectl create: " + Self.words(output)),
      names: names.filter { !made.contains($0[...]) })
  }

  package func list() async throws(FleetError) -> [FleetEntry] {
    let listing = try await call([
      "get", "jobs,pods", "--selector=\(manifest.selector)",
      "--output=go-template=\(KubernetesObject.template)",
    ])
    var (entries, silent) = KubernetesObject.entries(KubernetesObject.objects(listing))
    if let silent, let place = entries.firstIndex(where: { $0.name == silent.worker }),
      let warning = try await warning(about: silent)
    {
      entries[place].state = .waiting(Self.advised(warning))
    }
    return entries
  }

  package func terminate(_ names: [String]) async throws(FleetError) {
    var rest = names[...]
    while !rest.isEmpty {
      // The pods go with their Jobs, and are listed until they have gone.
      try await call(
        ["delete", "jobs", "--ignore-not-found", "--wait=false"]
          + rest.prefix(Self.nameCountLimit))
      rest = rest.dropFirst(Self.nameCountLimit)
    }
  }

  /// The last warning about one object, such as a quota that is used up or a secret that is missing.
  private func warning(about object: KubernetesObject) async throws(FleetError) -> String? {
    let listing = try await call([
      "get", "events",
      "--field-selector=type=Warning,involvedObject.name=\(object.name)",
      "--output=go-template={{range .items}}{{.reason}}: {{.message}}{{\"\\n\"}}{{end}}",
    ])
    return listing.split(separator: "\n").last.map(String.init)
  }

  private func command(_ arguments: [String], input: String = "") -> EngineCommand {
    var command = EngineCommand(
      settings.client ?? "kubectl", settings.clientArguments + arguments)
    command.input = input
    return command
  }

  @discardableResult
  private func call(_ arguments: [String]) async throws(FleetError) -> String {
    let output = try await command(arguments).runToEnd()
    guard output.exitCode == 0 else {
      throw FleetError(Self.advised("kubectl \(arguments.first ?? ""): " + Self.words(output)))
    }
    return output.output
  }

  /// What the client said of its failure: the last lines, each once.
  private static func words(_ output: EngineCommand.Output) -> String {
    var lines: [Substring] = []
    for line in output.errors.split(whereSeparator: \.isNewline)
    where !lines.contains(line) && !isTrace(line) { lines.append(line) }
    guard !lines.isEmpty else { return "it ended with \(output.exitCode) and said nothing" }
    return String(lines.suffix(3).joined(separator: "; ").suffix(2_000))
  }

  /// Whether a line is the client's own log, as in `E1124 03:57:22.735094   30105 memcache.go:265]`.
  private static func isTrace(_ line: Substring) -> Bool {
    line.count > 5 && "EFIW".contains(line.first ?? " ")
      && line.dropFirst().prefix(4).allSatisfy { $0.isASCII && $0.isNumber }
  }

  /// A label of DNS.
  package static func isName(_ text: String) -> Bool {
    func isPlain(_ byte: UInt8) -> Bool {
      (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
        || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
    guard let first = text.utf8.first, let last = text.utf8.last, isPlain(first), isPlain(last)
    else { return false }
    return text.utf8.count <= nameByteLimit
      && text.utf8.allSatisfy { isPlain($0) || $0 == UInt8(ascii: "-") }
  }

  /// Kubernetes' words with what to do next, where we know them.
  package static func advised(_ words: String) -> String {
    let advice = [
      (
        "exceeded quota",
        "kubectl describe quota shows what is used: lower the pool's maxReplicaCount, or its threads"
      ),
      (
        "looking up service account",
        "make the service account, or mend the pool's kubernetes.serviceAccount"
      ),
      ("secret \"", "make the secret, or mend the pool's kubernetes.secret"),
      (
        "forbidden",
        "let the coordinator's service account create, get, list and delete jobs, and list pods and "
          + "events: see cluster/kubernetes"
      ),
      ("namespaces \"", "make the namespace, or mend the pool's kubernetes.namespace"),
      (
        "must be logged in",
        "kubectl auth whoami tells who the coordinator is there: mend its kubeconfig"
      ),
      ("refused", "kubectl cluster-info tells whether the API server can be reached"),
      ("timeout", "kubectl cluster-info tells whether the API server can be reached"),
      ("no such host", "kubectl config view shows the server's address"),
      ("does not exist", "kubectl config get-contexts lists the contexts"),
    ]
    guard let next = advice.first(where: { words.contains($0.0) })?.1 else { return words }
    return "\(words); \(next)"
  }
}
