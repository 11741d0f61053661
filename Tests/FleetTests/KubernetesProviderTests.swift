import CoordinatorCore
import Fleet
import Foundation
import Testing

private func workerLaunch() -> WorkerLaunch {
  var launch = WorkerLaunch(
    fleet: "ns-1f2e", pool: "main", program: "nightshift",
    address: "tls+tcp://coordinator.batch.svc:7070", threadCount: 4,
    tokenFile: "/etc/nightshift/fleet.token")
  launch.moreArguments = ["--scratch", "/tmp/$(reboot)"]
  return launch
}

/// What `kubectl get` prints with our template; the lines are of a server of 1.20 and a client of
/// 1.32.
@Suite struct KubernetesListingTests {
  private func entries(_ lines: String...) -> [FleetEntry] {
    KubernetesObject.entries(KubernetesObject.objects(lines.joined(separator: "\n"))).entries
  }

  private static let job = "Job|w-1|w-1|||||||"
  private static let failed =
    "Job|w-1|w-1|||||Failed=True=BackoffLimitExceeded=Job+has+reached+the+specified+backoff+limit;||"

  @Test(arguments: [
    ([job], FleetEntry.State.waiting("")),
    ([job, "Pod|w-1-x|w-1||Pending|||||"], .waiting("")),
    (
      [
        job,
        "Pod|w-1-x|w-1||Pending|||PodScheduled=False=Unschedulable=0%2F1+nodes+are+available%3A+1"
          + "+Insufficient+cpu.;||",
      ], .waiting("Unschedulable: 0/1 nodes are available: 1 Insufficient cpu.")
    ),
    (
      [
        job,
        "Pod|w-1-x|w-1||Pending|||PodScheduled=True==;|waiting=ErrImagePull=image+%22a%7Cb%22+is+not"
          + "+to+be+had=;|",
      ], .waiting("ErrImagePull: image \"a|b\" is not to be had")
    ),
    (
      [job, "Pod|w-1-x|w-1||Pending|||PodScheduled=True==;|waiting=ContainerCreating==;|"],
      .waiting("")
    ),
    ([job, "Pod|w-1-x|w-1||Running|||PodScheduled=True==;|;|"], .running),
    // It is asked to end, and its Job is gone: it is there until it has ended.
    (["Pod|w-1-x|w-1|2026-11-24T03%3A58%3A14Z|Running|||PodScheduled=True==;|;|"], .running),
    // Its node is silent.
    ([job, "Pod|w-1-x|w-1||Unknown|NodeLost|||;|"], .running),
    // A disruption took the first pod, and the second one is to come.
    ([job, "Pod|w-1-x|w-1||Failed|Preempting|By+a+pod+of+more+worth|||"], .waiting("")),
    (
      [job, "Pod|w-1-x|w-1||Failed|||||", "Pod|w-1-y|w-1||Running|||||"], .running
    ),
    (
      [
        "Job|w-1|w-1|||||Complete=True==;||",
        "Pod|w-1-x|w-1||Succeeded|||PodScheduled=True==;|terminated=Completed==0;|",
      ], .ended("exit code 0 (Completed)")
    ),
    (
      [
        failed,
        "Pod|w-1-x|w-1||Failed|||PodScheduled=True==;|terminated=Error=one%0Athe+token+is+wrong%0A=1"
          + ";|",
      ], .ended("exit code 1 (Error): the token is wrong")
    ),
    (
      [failed, "Pod|w-1-x|w-1||Failed|||PodScheduled=True==;|terminated=OOMKilled==137;|"],
      .ended("exit code 137 (OOMKilled)")
    ),
    (
      [failed, "Pod|w-1-x|w-1||Failed|Evicted|The+node+was+low+on+resource%3A+memory.|||"],
      .ended("Evicted: The node was low on resource: memory.")
    ),
    ([failed], .ended("BackoffLimitExceeded: Job has reached the specified backoff limit")),
    (["Job|w-1|w-1|2026-11-24T03%3A58%3A14Z||||||"], .ended("it is deleted")),
  ])
  func aWorkerIsWhatItsJobAndItsPodsSay(lines: [String], state: FleetEntry.State) {
    #expect(
      KubernetesObject.entries(KubernetesObject.objects(lines.joined(separator: "\n"))).entries
        == [FleetEntry(name: "w-1", state: state)])
  }

  @Test func linesOfOthersAreLeftOut() {
    #expect(
      entries(
        "", "Pod|p||||||||", "Service|s|w-9|||||||", "Pod|p|w-9", "Job|w-2|w-2|||||||",
        "Job|w-1|w-1|||||||"
      ).map(\.name) == ["w-1", "w-2"])
  }

  /// Of what says nothing itself, the events are looked up.
  @Test func theFirstThatIsSilentIsNamed() {
    let objects = KubernetesObject.objects(
      """
      Job|w-1|w-1|||||||
      Pod|w-1-x|w-1||Pending|||PodScheduled=False=Unschedulable=no+room;||
      Job|w-2|w-2|||||||
      Pod|w-2-x|w-2||Pending|||PodScheduled=True==;|waiting=ContainerCreating==;|
      Job|w-3|w-3|||||||
      """)
    #expect(KubernetesObject.entries(objects).silent?.name == "w-2-x")
  }
}

/// What Kubernetes is asked for.
@Suite struct KubernetesManifestTests {
  private var settings: KubernetesSettings {
    var settings = KubernetesSettings(image: "registry.test/nightshift:1")
    settings.serviceAccount = "worker"
    settings.secret = "keys"
    settings.imagePullSecret = "pull"
    settings.priorityClass = "low"
    settings.nodeSelector = ["zone": "a"]
    settings.tolerations = [.init(key: "spot", value: "true", effect: "NoSchedule"), .init()]
    settings.claims = ["tables": "/data"]
    settings.memoryByteCount = 512 << 20
    return settings
  }

  private func items(_ names: [String]) throws -> [[String: Any]] {
    let text = KubernetesManifest(workerLaunch(), settings: settings).text(names)
    let list = try #require(
      JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    return try #require(list["items"] as? [[String: Any]])
  }

  /// One value deep in a manifest, as JSON.
  private func value(_ path: String, of object: Any?) throws -> String {
    var value = object
    for key in path.split(separator: ".") {
      if let place = Int(key) {
        value = (value as? [Any])?[place]
      } else {
        value = (value as? [String: Any])?[String(key)]
      }
    }
    let found = try #require(value, "\(path)")
    let data = try JSONSerialization.data(
      withJSONObject: found, options: [.fragmentsAllowed, .sortedKeys, .withoutEscapingSlashes])
    return String(decoding: data, as: UTF8.self)
  }

  @Test func eachWorkerHasAJobOfItsOwn() throws {
    let jobs = try items(["w-1", "w-2"])
    #expect(try jobs.map { try value("metadata.name", of: $0) } == [#""w-1""#, #""w-2""#])
    let expected: [String: String] = [
      "kind": #""Job""#, "apiVersion": #""batch/v1""#, "spec.backoffLimit": "0",
      "metadata.labels.nightshift/worker": #""w-1""#,
      "spec.template.metadata.labels.nightshift/worker": #""w-1""#,
      "spec.template.metadata.labels.nightshift/pool": #""main""#,
      "spec.podFailurePolicy.rules.0":
        #"{"action":"Ignore","onPodConditions":[{"status":"True","type":"DisruptionTarget"}]}"#,
      "spec.template.spec.restartPolicy": #""Never""#,
      "spec.template.spec.terminationGracePeriodSeconds": "30",
      "spec.template.spec.serviceAccountName": #""worker""#,
      "spec.template.spec.imagePullSecrets": #"[{"name":"pull"}]"#,
      "spec.template.spec.priorityClassName": #""low""#,
      "spec.template.spec.nodeSelector": #"{"zone":"a"}"#,
      "spec.template.spec.tolerations":
        #"[{"effect":"NoSchedule","key":"spot","operator":"Equal","value":"true"},{"operator":"Exists"}]"#,
      "spec.template.spec.securityContext.runAsNonRoot": "true",
      "spec.template.spec.containers.0.securityContext.readOnlyRootFilesystem": "true",
      "spec.template.spec.containers.0.image": #""registry.test/nightshift:1""#,
      "spec.template.spec.containers.0.command": #"["nightshift"]"#,
      "spec.template.spec.containers.0.args":
        #"["worker","--join","tls+tcp://coordinator.batch.svc:7070","--name","w-1","--threads","4","#
        + #""--token-file","/etc/nightshift/fleet.token","--scratch","/tmp/$$(reboot)"]"#,
      "spec.template.spec.containers.0.resources":
        #"{"limits":{"cpu":"4","memory":"512Mi"},"requests":{"cpu":"4","memory":"512Mi"}}"#,
      "spec.template.spec.containers.0.volumeMounts":
        #"[{"mountPath":"/tmp","name":"scratch"},"#
        + #"{"mountPath":"/etc/nightshift","name":"secret","readOnly":true},"#
        + #"{"mountPath":"/data","name":"claim-0","readOnly":true}]"#,
      "spec.template.spec.volumes.1.secret": #"{"defaultMode":288,"secretName":"keys"}"#,
      "spec.template.spec.volumes.2.persistentVolumeClaim":
        #"{"claimName":"tables","readOnly":true}"#,
    ]
    for (path, text) in expected.sorted(by: { $0.key < $1.key }) {
      #expect(try value(path, of: jobs[0]) == text, "\(path)")
    }
  }

  @Test func whatIsNotAskedForIsLeftOut() throws {
    let text = KubernetesManifest(workerLaunch(), settings: KubernetesSettings(image: "i"))
      .text(["w-1"])
    for key in [
      "serviceAccountName", "imagePullSecrets", "priorityClassName", "nodeSelector", "tolerations",
      "persistentVolumeClaim", "secretName",
    ] {
      #expect(!text.contains(key), "\(key)")
    }
  }

  @Test func theSelectorFindsThisPoolAlone() {
    #expect(
      KubernetesManifest(workerLaunch(), settings: settings).selector
        == "app.kubernetes.io/instance=ns-1f2e,nightshift/pool=main")
  }
}

/// What people are told when Kubernetes does not do what it is asked; a script stands for its client.
@Suite(.timeLimit(.minutes(1)))
struct KubernetesErrorTests {
  /// A provider whose client is a script.
  private func provider(_ script: String) throws -> KubernetesProvider {
    let path = NSTemporaryDirectory() + "/kubectl-\(UInt64.random(in: 0..<1 << 40))"
    try Data("#!/bin/sh\n\(script)\n".utf8).write(to: URL(filePath: path))
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
    var settings = KubernetesSettings(image: "i")
    settings.client = path
    settings.context = "blue"
    return KubernetesProvider(workerLaunch(), settings: settings)
  }

  @Test func whoWasRefusedIsToldAndNobodyElse() async throws {
    let provider = try provider(
      """
      cat >/dev/null
      echo job.batch/w-1
      echo 'Error from server (Forbidden): jobs.batch "w-2" is forbidden: exceeded quota: few' >&2
      exit 1
      """)
    let error = await #expect(throws: FleetError.self) {
      try await provider.launch(["w-1", "w-2"])
    }
    #expect(error?.names == ["w-2"])
    #expect(error?.description.contains("exceeded quota: few; kubectl describe quota") == true)
  }

  @Test func theClientsOwnLogIsNotItsError() async throws {
    let provider = try provider(
      """
      echo 'E1124 03:57:22.735094   30105 memcache.go:265] "Unhandled Error"' >&2
      echo 'The connection to the server 127.0.0.1:1 was refused' >&2
      exit 1
      """)
    let error = await #expect(throws: FleetError.self) { try await provider.list() }
    #expect(
      error?.description
        == "kubectl get: The connection to the server 127.0.0.1:1 was refused; kubectl "
        + "cluster-info tells whether the API server can be reached")
  }

  @Test func aWarningTellsWhyAWorkerWaits() async throws {
    let provider = try provider(
      #"""
      case "$*" in
      *"get events"*involvedObject.name=w-1,*) exit 9 ;;
      *"get events"*involvedObject.name=w-1*) echo 'old: x'; echo 'FailedCreate: secret "k" not found' ;;
      *--context=blue*" get jobs,pods "*) echo 'Job|w-1|w-1|||||||' ;;
      *) exit 9 ;;
      esac
      """#)
    #expect(
      try await provider.list() == [
        FleetEntry(
          name: "w-1",
          state: .waiting(
            #"FailedCreate: secret "k" not found; make the secret, or mend the pool's "#
              + "kubernetes.secret"))
      ])
  }

  @Test(arguments: ["w 1", "W-1", "-w", "w-", "w.1", "", String(repeating: "w", count: 64)])
  func badNamesGoNowhere(name: String) async throws {
    let provider = try provider("exit 0")
    let error = await #expect(throws: FleetError.self) { try await provider.launch(["w-1", name]) }
    #expect(error?.names == ["w-1", name])
    #expect(error?.description.hasPrefix("'\(name)' cannot be a name under Kubernetes") == true)
  }

  @Test func aClientThatIsNotThereIsNamed() async {
    var settings = KubernetesSettings(image: "i")
    settings.client = "/no such folder/kubectl"
    let provider = KubernetesProvider(workerLaunch(), settings: settings)
    let error = await #expect(throws: FleetError.self) { try await provider.launch(["w-1"]) }
    #expect(error?.names == ["w-1"])
    #expect(error?.description.contains("/no such folder/kubectl: there is no such") == true)
  }

  /// Those of a service account have its name in them, and are not about it.
  @Test func rightsThatLackAreNoLackingServiceAccount() {
    let words =
      #"jobs.batch is forbidden: User "system:serviceaccount:batch:c" cannot create resource"#
    #expect(KubernetesProvider.advised(words).contains("let the coordinator's service account"))
  }
}
