import Commands
import CoordinatorCore
import Fleet
import Testing

/// What a fleet file says, and what is said of one that says nothing useful.
@Suite struct FleetFileTests {
  private func read(_ text: String) throws -> FleetConfiguration {
    try FleetFile.parse(text, name: "fleet.yaml", folder: "/etc/nightshift", logFolder: "/logs")
  }

  private static let whole = """
    currency: EUR
    pools:
      here:
        engine: local
        threads: 4
      batch:
        engine: slurm
        threads: 8
        pricePerHour: 0.25
        spot: true
        minReplicaCount: 1
        maxReplicaCount: 40
        startUpTime: 90s
        program: /opt/nightshift/bin/nightshift
        address: tls+tcp://head:7070
        tokenFile: /shared/fleet.token
        tls: {ca: /c/ca.pem, cert: /c/w.pem, key: /c/w.key}
        arguments: [--fetch-input]
        logFolder: logs
        slurm:
          partition: short
          account: research
          qos: low
          constraint: avx2
          timeLimit: 2h
          memoryMiB: 2048
          options: [--gres=gpu:0]
          clientFolder: /opt/slurm/bin
          configuration: slurm.conf
          arrayLimit: 100
    """

  private static var slurm: SlurmSettings {
    var slurm = SlurmSettings(logFolder: "/etc/nightshift/logs")
    slurm.partition = "short"
    slurm.account = "research"
    slurm.qos = "low"
    slurm.constraint = "avx2"
    slurm.timeLimit = .seconds(7_200)
    slurm.memoryByteCount = 2 << 30
    slurm.moreOptions = ["--gres=gpu:0"]
    slurm.clientFolder = "/opt/slurm/bin"
    slurm.variables = ["SLURM_CONF": "/etc/nightshift/slurm.conf"]
    slurm.taskCountLimit = 100
    return slurm
  }

  @Test func everyKeyIsRead() throws {
    let fleet = try read(Self.whole)
    #expect(fleet.currency == "EUR")
    try #require(fleet.places.count == 2)
    #expect(fleet.places[0].pool == Pool(name: "here", threadCount: 4))
    #expect(fleet.places[0].engine == .local(logFolder: "/logs"))
    var pool = Pool(name: "batch", threadCount: 8)
    pool.pricePerHour = 0.25
    pool.isSpot = true
    pool.minReplicaCount = 1
    pool.maxReplicaCount = 40
    pool.startUpTime = .seconds(90)
    let place = fleet.places[1]
    #expect(place.pool == pool)
    #expect(place.program == "/opt/nightshift/bin/nightshift")
    #expect(place.address == "tls+tcp://head:7070")
    #expect(place.tokenFile == "/shared/fleet.token")
    #expect(
      place.tlsArguments == [
        "--tls-ca", "/c/ca.pem", "--tls-cert", "/c/w.pem", "--tls-key", "/c/w.key",
      ])
    #expect(place.moreArguments == ["--fetch-input"])
    #expect(place.engine == .slurm(Self.slurm))
  }

  @Test func everyKeyOfKubernetesIsRead() throws {
    let fleet = try read(
      """
      pools:
        cloud:
          engine: kubernetes
          threads: 8
          kubernetes:
            image: registry.test/nightshift:1
            namespace: batch
            serviceAccount: worker
            secret: keys
            imagePullSecret: pull
            priorityClass: low
            nodeSelector: {disk: ssd, zone: a}
            tolerations: [{key: spot, value: "true", effect: NoSchedule}, {key: gpu}]
            claims: {tables: /data}
            memoryMiB: 512
            client: bin/kubectl
            configuration: kubeconfig
            context: blue
      """)
    var settings = KubernetesSettings(image: "registry.test/nightshift:1")
    settings.namespace = "batch"
    settings.serviceAccount = "worker"
    settings.secret = "keys"
    settings.imagePullSecret = "pull"
    settings.priorityClass = "low"
    settings.nodeSelector = ["disk": "ssd", "zone": "a"]
    settings.tolerations = [
      .init(key: "spot", value: "true", effect: "NoSchedule"), .init(key: "gpu"),
    ]
    settings.claims = ["tables": "/data"]
    settings.memoryByteCount = 512 << 20
    settings.client = "/etc/nightshift/bin/kubectl"
    settings.configurationFile = "/etc/nightshift/kubeconfig"
    settings.context = "blue"
    #expect(fleet.places.map(\.engine) == [.kubernetes(settings)])
  }

  /// What people begin with.
  @Test func theFleetFileForKubernetesIsOne() throws {
    let path = #filePath.replacing(
      "Tests/CommandTests/FleetFileTests.swift", with: "cluster/kubernetes/common/fleet.yaml")
    let fleet = try FleetFile.read(path, logFolder: "/logs")
    try #require(fleet.places.count == 1)
    guard case .kubernetes(let settings) = fleet.places[0].engine else {
      Issue.record("it is \(fleet.places[0].engine.name)")
      return
    }
    #expect(settings.secret == "nightshift-worker")
    #expect(settings.serviceAccount == "nightshift-worker")
    #expect(fleet.places[0].engine.secretFolder == "/etc/nightshift")
  }

  /// A limit, and what is beyond it.
  @Test func poolsAreLimited() throws {
    func file(_ count: Int) -> String {
      "pools:\n" + (0..<count).map { "  p\($0): {threads: 1}\n" }.joined()
    }
    #expect(try read(file(64)).places.count == 64)
    let error = #expect(throws: CommandError.self) { try read(file(65)) }
    #expect(error.map { "\($0)".contains("65 pools, of 64 at most") } == true)
  }

  @Test(arguments: [
    ("{}", "fleet.yaml: no pool: name at least one below pools"),
    ("pools: {}", "fleet.yaml: no pool: name at least one below pools"),
    ("pool: 3", "fleet.yaml:1: unknown key pool; did you mean pools?"),
    ("pools: [a]", "fleet.yaml:1: pools: a mapping of names to pools is expected"),
    (
      "pools: {a: {engine: local}}", "fleet.yaml:1: pools.a.threads: how many threads has a worker?"
    ),
    (
      "pools: {a: {threads: 1, engine: nomad}}",
      "fleet.yaml:1: pools.a: engine \"nomad\" is not supported; use local, slurm or "
        + "kubernetes"
    ),
    (
      "pools: {a: {threads: 1, engine: kubernetes, kubernetes: {namespace: x}}}",
      "fleet.yaml:1: pools.a.kubernetes.image: which image?"
    ),
    (
      "pools: {a: {threads: 1, engine: kubernetes, kubernetes: {image: i, tolerations: spot}}}",
      "fleet.yaml:1: pools.a.kubernetes.tolerations: a list of tolerations is expected, each with "
        + "key, value or effect"
    ),
    (
      "pools: {a: {threads: 1, engine: kubernetes, kubernetes: {image: i, nodeSelector: [spot]}}}",
      "fleet.yaml:1: pools.a.kubernetes.nodeSelector: a mapping of names to texts is expected"
    ),
    ("pools: {a: {threads: 0}}", "fleet.yaml:1: pools.a.threads: from 1 to 1000, not 0"),
    (
      "pools: {a: {threads: 1, slurm: {partition: x}}}",
      "fleet.yaml:1: pools.a.slurm: the engine is local"
    ),
    (
      "pools: {a: {threads: 1, minReplicaCount: 3, maxReplicaCount: 2}}",
      "fleet.yaml:1: pools.a: minReplicaCount is above maxReplicaCount"
    ),
    (
      "pools: {a: {threads: 1, startUpTime: soon}}",
      "fleet.yaml:1: pools.a.startUpTime: a time such as 30s, 15m or 2h is expected, not soon"
    ),
    (
      "pools: {a: {threads: 1, pricePerHour: -1}}",
      "fleet.yaml:1: pools.a.pricePerHour: a price is not negative"
    ),
    (
      "pools: {a: {threads: 1, maxReplica: 1}}",
      "fleet.yaml:1: unknown key pools.a.maxReplica; did you mean maxReplicaCount?"
    ),
    (
      "pools: {\"a b\": {threads: 1}}",
      "fleet.yaml:1: pools: a pool's name is at most 40 letters, digits, dots, hyphens and "
        + "underscores, not \"a b\""
    ),
  ])
  func aMistakeIsToldWithItsLine(text: String, problem: String) {
    let error = #expect(throws: CommandError.self) { try read(text) }
    #expect(error.map { "\($0)" } == "fleet.yaml does not describe a fleet:\n  \(problem)")
  }

  @Test func whatIsNoFileIsNamed() {
    let error = #expect(throws: CommandError.self) {
      try FleetFile.read("/no such fleet.yaml", logFolder: "/logs")
    }
    #expect(error.map { "\($0)".contains("the fleet file /no such fleet.yaml") } == true)
  }

  @Test(arguments: ["90s": 90, "15m": 900, "2h": 7_200, "1d": 86_400, "0s": 0])
  func timesAreReadAsPeopleWriteThem(text: String, seconds: Int64) {
    #expect(TimeText.seconds(text) == seconds)
  }

  @Test(arguments: ["", "s", "1", "-1s", "+1s", "1.5h", "1w", "999999999999999999d", "1 h"])
  func otherTimesAreNone(text: String) {
    #expect(TimeText.seconds(text) == nil)
    #expect(TimeText.unixSeconds(text) == nil)
  }

  @Test(arguments: ["1970-01-01T00:01:00Z": 60, "2026-03-01T06:00:00+01:00": 1_772_341_200])
  func timesOfDayHaveTheirZone(text: String, seconds: Int64) {
    #expect(TimeText.unixSeconds(text) == seconds)
  }
}
