import Foundation
import Synchronization
import Testing
import Transport

/// Certificates that end and are replaced while everything runs.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct RenewalTests {
  /// What a server says of certificates that change.
  private final class Notices: Sendable {
    let all = Mutex<[Server.Notice]>([])

    init(of server: Server) {
      server.hearNotices { [self] notice in all.withLock { $0.append(notice) } }
    }

    var kept: String? {
      all.withLock { notices in
        notices.lazy.compactMap { if case .kept(let text) = $0 { text } else { nil } }.first
      }
    }
  }

  /// Quick, but for a busy machine, which is not what this is about.
  private var timing: Server.Timing {
    var timing = Server.Timing.quick
    timing.probeTimeout = .seconds(5)
    return timing
  }

  private func identity(_ name: String, in folder: String) -> TLSIdentity {
    TLSIdentity(
      caFile: "\(folder)/ca.pem", certificateFile: "\(folder)/\(name).pem",
      keyFile: "\(folder)/\(name).key")
  }

  private func copy(_ names: [String], from folder: String, to other: String) throws {
    let disk = FileManager.default
    try disk.createDirectory(atPath: other, withIntermediateDirectories: true)
    for name in names {
      let data = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)"))
      try data.write(to: URL(fileURLWithPath: "\(other)/\(name)"), options: .atomic)
    }
  }

  /// Connections that stand live on; newcomers are refused and told why until the files are renewed,
  /// which is noticed without a restart, on both sides.
  @Test func expiredCertificatesAreRenewedWithoutARestart() async throws {
    let folder = Certificates.shared.fresh("short")
    Certificates.make(in: folder, ["--seconds", "6"])
    let begin = ContinuousClock.now
    let own = identity("coordinator", in: folder)
    let worker = identity("worker", in: folder)
    let lasting = folder + "/lasting"
    try copy(["ca.pem", "ca.key"], from: folder, to: lasting)
    Certificates.make(in: lasting, [])
    try await withServer("tls+tcp", tls: own, timing: timing) { server in
      let established = try Client(
        address: server.boundAddress, channel: .control, tls: worker, contextCount: 1,
        redialAfter: .seconds(1))
      #expect(await reply(of: established, to: [1]) == [1])
      #expect(own.warnings().contains { $0.contains("coordinator.pem") })
      try await Task.sleep(for: .seconds(8) - begin.duration(to: .now))
      #expect(await reply(of: established, to: [2]) == [2])
      let expired = #expect(throws: TransportError.self) { try worker.check() }
      #expect(expired?.context.contains("expired") == true)
      // A newcomer whose own certificate is good.
      try await withClient(of: server, tls: identity("worker", in: lasting)) { newcomer in
        #expect(await failure(of: newcomer, timeout: .milliseconds(500)) == .timedOut)
        let text = await newcomer.diagnose(within: .seconds(2))
        #expect(text.contains("the server's certificate is expired"), "\(text)")
      }
      let renewal = ContinuousClock.now
      Certificates.make(in: folder, ["--renew"])
      #expect(await holds(within: .seconds(5)) { server.statistics.renewalCount == 1 })
      try await withClient(of: server, tls: identity("worker", in: lasting)) { newcomer in
        #expect(await eventualReply(of: newcomer, to: [3]) == [3])
      }
      #expect(await eventualReply(of: established, to: [4]) == [4])
      print("certificates renewed, and both sides again in touch, in", renewal.duration(to: .now))
      #expect(established.redialCount > 0)  // with the files as they are now
      #expect(await established.close(within: .seconds(5)))
    }
  }

  /// Files that do not go together are not taken up, and cost nobody a connection.
  @Test func certificatesThatDoNotGoTogetherAreNotUsed() async throws {
    let folder = Certificates.shared.fresh("mixed")
    let other = Certificates.shared.fresh("mixed-other")
    let mixed = folder + "/served"
    let files = ["ca.pem", "coordinator.pem", "coordinator.key"]
    try copy(files, from: folder, to: mixed)
    let own = identity("coordinator", in: mixed)
    let worker = identity("worker", in: folder)
    try await withServer("tls+tcp", tls: own, timing: timing) { server in
      let notices = Notices(of: server)
      try await withClient(of: server, tls: worker) { established in
        #expect(await reply(of: established, to: [1]) == [1])
        try copy(["coordinator.key"], from: other, to: mixed)
        #expect(await holds(within: .seconds(5)) { notices.kept != nil })
        #expect(notices.kept?.contains("do not go together") == true, "\(notices.kept ?? "")")
        try Data("nothing".utf8).write(to: URL(fileURLWithPath: own.certificateFile))
        try await Task.sleep(for: .seconds(1))
        try await withClient(of: server, tls: worker) { newcomer in
          #expect(await eventualReply(of: newcomer, to: [2]) == [2])
        }
        #expect(await reply(of: established, to: [3]) == [3])
        #expect(server.statistics.recreationCount == 0)
        #expect(server.statistics.renewalCount == 0)
        try copy(files, from: folder, to: mixed)
        Certificates.make(in: folder, ["--renew"])
        try copy(files, from: folder, to: mixed)
        #expect(await holds(within: .seconds(5)) { server.statistics.renewalCount == 1 })
        #expect(await eventualReply(of: established, to: [4]) == [4])
      }
    }
  }

  /// What is refused for a reason that passes is tried again, and said once.
  @Test func certificatesWhoseTimeComesAreTakenUpThen() async throws {
    let folder = Certificates.shared.fresh("soon")
    let own = identity("coordinator", in: folder)
    var timing = timing
    timing.renewalRetryInterval = .milliseconds(500)
    try await withServer("tls+tcp", tls: own, timing: timing) { server in
      let notices = Notices(of: server)
      Certificates.make(in: folder, ["--seconds", "5:600", "--renew"])
      #expect(await holds(within: .seconds(4)) { notices.kept != nil })
      #expect(notices.kept?.contains("valid only in") == true, "\(notices.kept ?? "")")
      #expect(await holds(within: .seconds(15)) { server.statistics.renewalCount == 1 })
      #expect(await holds(within: .seconds(2)) { notices.all.withLock { $0.last == .renewed } })
      // Its figure changes from second to second, and nothing else.
      #expect(notices.all.withLock { $0.count } <= 8)
    }
  }

  /// The three steps of `--rotate`: at each of them old and new files meet, and everybody gets in.
  @Test func anAuthorityIsReplacedWhileEverythingRuns() async throws {
    let source = Certificates.shared.fresh("rotated")
    let (head, node) = (source + "/head", source + "/node")
    let (own, theirs) = (
      ["ca.pem", "coordinator.pem", "coordinator.key"], ["ca.pem", "worker.pem", "worker.key"]
    )
    try copy(own, from: source, to: head)
    try copy(theirs, from: source, to: node)
    let first = try Data(contentsOf: URL(fileURLWithPath: "\(source)/ca.pem"))
    try await withServer("tls+tcp", tls: identity("coordinator", in: head), timing: timing) {
      server in
      func expectEntry(_ step: Int) async throws {
        try await withClient(of: server, tls: identity("worker", in: node)) { client in
          #expect(await eventualReply(of: client, to: [UInt8(step)]) == [UInt8(step)], "\(step)")
        }
      }
      try await expectEntry(0)
      for step in 1...3 {
        Certificates.make(in: source, ["--rotate"])
        // The coordinator has the new files, the worker still the old ones; then both.
        try copy(own, from: source, to: head)
        #expect(await holds(within: .seconds(5)) { server.statistics.renewalCount == step })
        try await expectEntry(step)
        try copy(theirs, from: source, to: node)
        try await expectEntry(step)
      }
      let last = try Data(contentsOf: URL(fileURLWithPath: "\(source)/ca.pem"))
      #expect(first != last)
      // Who still has the old authority's files is told so.
      let stranger = source + "/late"
      try copy(["ca.pem"], from: source, to: stranger)
      try first.write(to: URL(fileURLWithPath: "\(stranger)/ca.pem"))
      try copy(["worker.pem", "worker.key"], from: source, to: stranger)
      try await withClient(of: server, tls: identity("worker", in: stranger)) { client in
        let text = await client.diagnose(within: .seconds(2))
        #expect(text.contains("is not signed by"), "\(text)")
      }
    }
  }
}
