import CoordinatorCore
package import Fleet
import Jobs
import Yams

/// Fleet files: where a coordinator starts workers, and what they cost.
package enum FleetFile {
  /// Reads a file.
  ///
  /// - Parameters:
  ///   - path: of the file; relative paths in it begin in its folder.
  ///   - logFolder: gets what local workers print, unless the file says otherwise.
  /// - Returns: its pools, and how their workers are started.
  /// - Throws: `CommandError` that lists every mistake with its line.
  package static func read(_ path: String, logFolder: String) throws(CommandError)
    -> FleetConfiguration
  {
    let file = Paths.absolute(path, in: Paths.currentFolder)
    let text = try YAMLFile.text(of: file, kind: "fleet file")
    let folder = file.split(separator: "/").dropLast().joined(separator: "/")
    return try parse(text, name: path, folder: "/" + folder, logFolder: logFolder)
  }

  package static func parse(
    _ text: String, name: String, folder: String, logFolder: String
  ) throws(CommandError) -> FleetConfiguration {
    let root = try YAMLFile.compose(text, name: name, example: "pools:")
    var reader = FleetFileReader(name: name, folder: folder, logFolder: logFolder)
    reader.readTop(root)
    if reader.configuration.places.isEmpty, reader.problems.isEmpty {
      reader.refuse("\(name): no pool: name at least one below pools")
    }
    guard reader.problems.isEmpty else {
      let lines = reader.problems.map { "\n  " + $0 }.joined()
      throw CommandError("\(name) does not describe a fleet:\(lines)")
    }
    return reader.configuration
  }
}

/// Walks a fleet file's nodes.
private struct FleetFileReader: NodeReader {
  let name: String
  let folder: String
  let logFolder: String
  var configuration = FleetConfiguration(places: [])
  var problems: [String] = []

  private static let topKeys = ["currency", "pools"]
  private static let poolKeys = [
    "engine", "threads", "pricePerHour", "spot", "minReplicaCount", "maxReplicaCount",
    "startUpTime", "program", "address", "tokenFile", "tls", "arguments", "logFolder", "slurm",
    "kubernetes",
  ]
  private static let tlsKeys = ["ca", "cert", "key"]
  private static let slurmKeys = [
    "partition", "account", "qos", "constraint", "timeLimit", "memoryMiB", "options",
    "clientFolder", "configuration", "arrayLimit",
  ]
  private static let kubernetesKeys = [
    "image", "namespace", "serviceAccount", "secret", "imagePullSecret", "priorityClass",
    "nodeSelector", "tolerations", "claims", "memoryMiB", "client", "configuration", "context",
  ]
  private static let tolerationKeys = ["key", "value", "effect"]

  init(name: String, folder: String, logFolder: String) {
    self.name = name
    self.folder = folder
    self.logFolder = logFolder
  }

  mutating func refuse(_ problem: String) { problems.append(problem) }

  private static func refusal(_ key: String, _ known: [String], below path: String) -> String {
    let full = path.isEmpty ? key : "\(path).\(key)"
    if let near = nearestName(to: key, among: known) {
      return "unknown key \(printable(full)); did you mean \(near)?"
    }
    return "unknown key \(printable(full)); known here: \(known.joined(separator: ", "))"
  }

  private mutating func each(
    _ node: Node, at path: String, known: [String],
    _ read: (inout FleetFileReader, String, Node) -> Void
  ) {
    each(
      node, at: path, known: known, refusal: { Self.refusal($0, known, below: path) }, read)
  }

  mutating func readTop(_ root: Node) {
    each(root, at: "", known: Self.topKeys) { reader, key, value in
      switch key {
      case "currency": reader.configuration.currency = reader.text(value, key) ?? ""
      default: reader.readPools(value)
      }
    }
  }

  private mutating func readPools(_ node: Node) {
    guard let mapping = node.mapping else {
      return refuse("\(at(node, "pools")): a mapping of names to pools is expected")
    }
    guard mapping.count <= FleetConfiguration.poolLimit else {
      return refuse(
        "\(at(node, "pools")): \(mapping.count) pools, of \(FleetConfiguration.poolLimit) at most")
    }
    for (key, value) in mapping {
      let poolName = key.string ?? ""
      guard SlurmMark.takes(poolName), poolName.utf8.count <= 40 else {
        refuse(
          "\(place(key))pools: a pool's name is at most 40 letters, digits, dots, hyphens and "
            + "underscores, not \"\(printable(poolName))\"")
        continue
      }
      readPool(poolName, value)
    }
  }

  private mutating func readPool(_ poolName: String, _ node: Node) {
    let path = "pools.\(poolName)"
    var pool = FleetConfiguration.Place(
      pool: Pool(name: poolName, threadCount: 1), engine: .local(logFolder: logFolder))
    var slurm = SlurmSettings(logFolder: logFolder)
    var kubernetes = KubernetesSettings(image: "")
    var engine = "local"
    var hasThreads = false
    var engineKeys: Set<String> = []
    each(node, at: path, known: Self.poolKeys) { reader, key, value in
      let path = "\(path).\(key)"
      switch key {
      case "engine": engine = reader.text(value, path) ?? engine
      case "threads":
        hasThreads = true
        pool.pool.threadCount = reader.number(value, path, in: 1...1_000) ?? 1
      case "logFolder":
        let folder = reader.filePath(value, path) ?? reader.logFolder
        slurm.logFolder = folder
        pool.engine = .local(logFolder: folder)
      case "slurm":
        engineKeys.insert(key)
        reader.readSlurm(value, path, &slurm)
      case "kubernetes":
        engineKeys.insert(key)
        reader.readKubernetes(value, path, &kubernetes)
      default: reader.readMember(key, value, path, &pool)
      }
    }
    switch engine {
    case "local": break
    case "slurm": pool.engine = .slurm(slurm)
    case "kubernetes":
      pool.engine = .kubernetes(kubernetes)
      if kubernetes.image.isEmpty { refuse("\(at(node, path)).kubernetes.image: which image?") }
    default:
      refuse(
        "\(at(node, path)): engine \"\(printable(engine))\" is not supported; use local, slurm or "
          + "kubernetes")
    }
    for key in engineKeys.sorted() where engine != key {
      refuse("\(at(node, path)).\(key): the engine is \(printable(engine))")
    }
    if !hasThreads { refuse("\(at(node, path)).threads: how many threads has a worker?") }
    if pool.pool.minReplicaCount > pool.pool.maxReplicaCount {
      refuse("\(at(node, path)): minReplicaCount is above maxReplicaCount")
    }
    configuration.places.append(pool)
  }

  /// The keys that all engines have.
  private mutating func readMember(
    _ key: String, _ value: Node, _ path: String, _ pool: inout FleetConfiguration.Place
  ) {
    switch key {
    case "pricePerHour":
      guard let price = decimal(value, path) else { return }
      guard price >= 0 else { return refuse("\(at(value, path)): a price is not negative") }
      pool.pool.pricePerHour = price
    case "spot": pool.pool.isSpot = flag(value, path) ?? false
    case "minReplicaCount":
      pool.pool.minReplicaCount = number(value, path, in: 0...Limits.workers) ?? 0
    case "maxReplicaCount":
      pool.pool.maxReplicaCount = number(value, path, in: 0...Limits.workers) ?? 0
    case "startUpTime":
      guard let time = duration(value, path) else { return }
      pool.pool.startUpTime = time
    case "program": pool.program = text(value, path)
    case "address": pool.address = text(value, path)
    case "tokenFile": pool.tokenFile = text(value, path)
    case "tls":
      each(value, at: path, known: Self.tlsKeys) { reader, key, value in
        guard let file = reader.text(value, "\(path).\(key)") else { return }
        pool.tlsArguments += ["--tls-\(key)", file]
      }
    default: pool.moreArguments = texts(value, path) ?? []
    }
  }

  private mutating func readSlurm(
    _ node: Node, _ path: String, _ settings: inout SlurmSettings
  ) {
    each(node, at: path, known: Self.slurmKeys) { reader, key, value in
      let path = "\(path).\(key)"
      switch key {
      case "partition": settings.partition = reader.text(value, path)
      case "account": settings.account = reader.text(value, path)
      case "qos": settings.qos = reader.text(value, path)
      case "constraint": settings.constraint = reader.text(value, path)
      case "timeLimit": settings.timeLimit = reader.duration(value, path)
      case "memoryMiB":
        guard let size = reader.number(value, path, in: 1...1 << 30) else { return }
        settings.memoryByteCount = UInt64(size) << 20
      case "options": settings.moreOptions = reader.texts(value, path) ?? []
      case "clientFolder": settings.clientFolder = reader.filePath(value, path)
      case "configuration":
        settings.variables["SLURM_CONF"] = reader.filePath(value, path)
      default:
        settings.taskCountLimit = reader.number(value, path, in: 1...1_000) ?? 1
      }
    }
  }

  private mutating func readKubernetes(
    _ node: Node, _ path: String, _ settings: inout KubernetesSettings
  ) {
    each(node, at: path, known: Self.kubernetesKeys) { reader, key, value in
      let path = "\(path).\(key)"
      switch key {
      case "image": settings.image = reader.text(value, path) ?? ""
      case "namespace": settings.namespace = reader.text(value, path)
      case "serviceAccount": settings.serviceAccount = reader.text(value, path)
      case "secret": settings.secret = reader.text(value, path)
      case "imagePullSecret": settings.imagePullSecret = reader.text(value, path)
      case "priorityClass": settings.priorityClass = reader.text(value, path)
      case "nodeSelector": settings.nodeSelector = reader.namedTexts(value, path)
      case "tolerations": settings.tolerations = reader.tolerations(value, path)
      case "claims": settings.claims = reader.namedTexts(value, path)
      case "memoryMiB":
        guard let size = reader.number(value, path, in: 1...1 << 30) else { return }
        settings.memoryByteCount = UInt64(size) << 20
      case "client": settings.client = reader.filePath(value, path)
      case "configuration": settings.configurationFile = reader.filePath(value, path)
      default: settings.context = reader.text(value, path)
      }
    }
  }

  private mutating func tolerations(
    _ node: Node, _ path: String
  ) -> [KubernetesSettings.Toleration] {
    guard let sequence = node.sequence else {
      refuse("\(at(node, path)): a list of tolerations is expected, each with key, value or effect")
      return []
    }
    return sequence.map { node in
      var toleration = KubernetesSettings.Toleration()
      each(node, at: path, known: Self.tolerationKeys) { reader, key, value in
        let text = reader.text(value, "\(path).\(key)")
        switch key {
        case "key": toleration.key = text
        case "value": toleration.value = text
        default: toleration.effect = text
        }
      }
      return toleration
    }
  }

  /// A mapping of names to texts.
  private mutating func namedTexts(_ node: Node, _ path: String) -> [String: String] {
    guard let mapping = node.mapping else {
      refuse("\(at(node, path)): a mapping of names to texts is expected")
      return [:]
    }
    var texts: [String: String] = [:]
    for (key, value) in mapping {
      guard let name = text(key, path), let text = text(value, "\(path).\(name)") else { continue }
      texts[name] = text
    }
    return texts
  }

  /// A file or folder of this machine.
  private mutating func filePath(_ node: Node, _ path: String) -> String? {
    text(node, path).map { Paths.absolute($0, in: folder) }
  }

  private mutating func duration(_ node: Node, _ path: String) -> Duration? {
    guard let text = text(node, path) else { return nil }
    if let seconds = TimeText.seconds(text), seconds > 0, seconds < 1 << 32 {
      return .seconds(seconds)
    }
    refuse("\(at(node, path)): a time such as 30s, 15m or 2h is expected, not \(printable(text))")
    return nil
  }
}
