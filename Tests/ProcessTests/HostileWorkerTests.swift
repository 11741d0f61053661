import Foundation
import Glibc
import Jobs
import Leasing
import Synchronization
import Testing
import Transport
import Wire

/// A worker that has a token and does what it should not, against a real coordinator.
@Suite struct HostileWorkerTests {
  /// A fleet with a job of many small blocks, whose leases last long enough to be counted.
  private func busyFleet() async throws -> (TestFleet, Program) {
    let fleet = try await TestFleet(
      rowCount: 15_000, options: ["--lease-duration", "60"])
    let file = try fleet.jobFile()
    let text = try String(contentsOfFile: file, encoding: .utf8)
      .replacingOccurrences(of: "blockByteCount: 8192", with: "blockByteCount: 256")
    try text.write(toFile: file, atomically: true, encoding: .utf8)
    return (fleet, try fleet.client(["submit", file, "--wait"]))
  }

  @Test func aFrameIsTakenOnceFromWhoeverSendsIt() async throws {
    let fleet = try await TestFleet()
    let worker = try ScriptedWorker(of: fleet)
    let eavesdropper = try ScriptedWorker(of: fleet, id: 99)
    let hello = try await worker.hello()
    guard case .welcome = try await worker.send(hello) else {
      Issue.record("not welcome")
      return
    }
    let frame = try worker.frame(.acquire(leaseLimit: 1))
    guard case .wait = try await worker.send(frame) else {
      Issue.record("not answered")
      return
    }
    // Again as it is, by its own connection and by another.
    #expect(try await worker.send(frame).refusal?.text.contains("came before") == true)
    #expect(try await eavesdropper.send(frame).refusal?.text.contains("came before") == true)
    // With any byte changed: the number, the worker, the body, the proof.
    for place in frame.indices {
      var changed = frame
      changed[place] ^= 1
      let answer = try await eavesdropper.send(changed)
      #expect(answer == .unknownWorker || answer.refusal != nil, "byte \(place): \(answer)")
    }
    // To the other listener.
    #expect(try await eavesdropper.sendBulk(frame).refusal != nil)
    // The hello, while the session lasts and after its end.
    #expect(try await eavesdropper.send(hello).refusal?.code == .unavailable)
    #expect(try await worker.ask(.goodbye) == .done)
    for old in [hello, frame] {
      let answer = try await eavesdropper.send(old)
      #expect(answer == .unknownWorker || answer.refusal?.code == .unavailable, "\(answer)")
    }
    await worker.close()
    await eavesdropper.close()
  }

  /// What crosses the wire has neither token in it, and is of no use to who hears it.
  @Test func noTokenCrossesTheWire() async throws {
    let fleet = try await TestFleet()
    let wiretap = try Wiretap(to: UInt16(fleet.ports[0]))
    let worker = try Program(
      ["worker", "--join", wiretap.address, "--state", fleet.sandbox.state, "--threads", "1"],
      in: fleet.sandbox)
    #expect(await waitUntil(.seconds(20)) { worker.errors.contains("joined") })
    let list = try Program(
      ["list", "--coordinator", wiretap.address, "--state", fleet.sandbox.state],
      in: fleet.sandbox)
    #expect(await list.wait(.seconds(20)) == 0, "\(list.errors)")
    await fleet.end(worker)
    let heard = wiretap.heard
    #expect(heard.count > 300)
    for name in ["fleet", "client"] {
      let file = "\(fleet.sandbox.state)/\(name).token"
      let digits = try String(contentsOfFile: file, encoding: .utf8)
      let token = stride(from: 0, to: 64, by: 2).compactMap { offset in
        UInt8(digits.dropFirst(offset).prefix(2), radix: 16)
      }
      #expect(token.count == 32)
      #expect(heard.firstRange(of: token) == nil, "the \(name) token was heard")
      #expect(heard.firstRange(of: Array(token.prefix(8))) == nil)
    }
    // Said once more, word for word: nobody joins.
    for stream in wiretap.streams { try wiretap.say(stream) }
    try await Task.sleep(for: .milliseconds(500))
    let workers = try fleet.client(["workers"])
    #expect(await workers.wait(.seconds(20)) == 0)
    #expect(workers.output.contains("no workers"), "\(workers.output)")
  }

  /// Reports about leases of others.
  enum Foreign: CaseIterable, Sendable {
    case handBack, fail, finish, piece, input
  }

  @Test(arguments: Foreign.allCases)
  func leasesOfOthersAreRefused(_ report: Foreign) async throws {
    let (fleet, submit) = try await busyFleet()
    let honest = try ScriptedWorker(of: fleet)
    let thief = try ScriptedWorker(of: fleet)
    try await honest.join()
    try await thief.join()
    let stolen = try #require(try await honest.grants(1).first).lease
    // As it was given, and with the thief's own name on it.
    let lease = stolen.grant.lease
    let renamed = SealedLease(
      grant: Grant(
        job: stolen.grant.job,
        lease: Lease(
          shard: lease.shard, blocks: lease.blocks, attempt: lease.attempt, worker: thief.worker,
          entry: lease.entry, deadline: lease.deadline)), seal: stolen.seal)
    for lease in [stolen, renamed] {
      #expect(try await refusalCode(of: report, lease, by: thief) == .seal)
    }
    // The lease is still its holder's.
    let held = HeldSealedLease(lease: stolen, progress: 1)
    let answer = try await honest.ask(.heartbeat(Heartbeat(held: [held])))
    #expect(answer == .alive(revoked: [], drain: false))
    submit.signal(SIGKILL)
    await honest.close()
    await thief.close()
  }

  private func refusalCode(
    of report: Foreign, _ lease: SealedLease, by thief: ScriptedWorker
  ) async throws -> RefusalCode? {
    switch report {
    case .handBack: return try await thief.ask(.handBack(lease)).refusal?.code
    case .fail: return try await thief.ask(.fail(lease, .crashed, reason: "x")).refusal?.code
    case .finish:
      let blocks = lease.grant.lease.blocks
      let result = ShardResult(
        shard: lease.grant.lease.shard, attempt: lease.grant.lease.attempt, entry: .recordStart,
        blocks: blocks,
        results: (0..<blocks.count).map { _ in
          BlockResult(counts: RecordCounts(ok: 1), exit: .recordStart)
        },
        partial: PartialName(digest: ContentDigest(words: .zero), byteCount: 9))
      let finished = try #require(result.flatMap { FinishedLease(lease: lease, result: $0) })
      guard case .finish(let answers) = try await thief.ask(.finish([finished])),
        case .refused(let text)? = answers.first, text.contains("not given by this coordinator")
      else { return nil }
      return .seal
    case .piece: return try await thief.putFirstByte(of: lease, name: 1, byteCount: 9).refusal?.code
    case .input:
      return try await thief.askBulk(.getInput(lease, offset: 0, byteCount: 10)).refusal?.code
    }
  }

  /// Whoever says that it holds nothing gets no more than one who says the truth.
  @Test func leasesOfOneWorkerAreLimited() async throws {
    let (fleet, submit) = try await busyFleet()
    let greedy = try ScriptedWorker(of: fleet)
    try await greedy.join(threadCount: 4_096)
    var grants = try await greedy.grants(Limits.leasesPerGrant)
    for _ in 0..<8 {
      let alive = try await greedy.ask(.heartbeat(Heartbeat(held: [])))
      #expect(alive == .alive(revoked: [], drain: false))
      let answer = try await greedy.ask(.acquire(leaseLimit: Limits.leasesPerGrant))
      if case .grants(let more) = answer { grants += more }
    }
    #expect(grants.count == Limits.leasesPerWorker)
    // Room that is given back can be had again, and others have theirs.
    #expect(try await greedy.ask(.handBack(grants[0].lease)) == .done)
    #expect(try await greedy.grants(9).count == 1)
    let modest = try ScriptedWorker(of: fleet)
    try await modest.join()
    #expect(try await !modest.grants(1).isEmpty)
    submit.signal(SIGKILL)
    await greedy.close()
    await modest.close()
  }

  @Test func partialsOfOneWorkerAreLimited() async throws {
    let (fleet, submit) = try await busyFleet()
    let worker = try ScriptedWorker(of: fleet)
    try await worker.join(threadCount: 4_096)
    let leases = try await worker.grants(4).map(\.lease)
    try #require(leases.count == 4)
    let most = Limits.partialByteCount
    for (number, lease) in leases.prefix(2).enumerated() {
      let answer = try await worker.putFirstByte(of: lease, name: UInt64(number), byteCount: most)
      #expect(answer == .pieceTaken(nextOffset: 1))
    }
    let third = try await worker.putFirstByte(of: leases[2], name: 2, byteCount: 1_000)
    #expect(third.refusal?.code == .limit)
    let second = try await worker.putFirstByte(of: leases[0], name: 9, byteCount: 1_000)
    #expect(second.refusal?.text.contains("another partial of this lease") == true)
    #expect(try await worker.ask(.handBack(leases[1])) == .done)
    let again = try await worker.putFirstByte(of: leases[2], name: 2, byteCount: 1_000)
    #expect(again == .pieceTaken(nextOffset: 1))
    // What was begun goes with its lease, and with its worker.
    let spool = "\(fleet.sandbox.state)/spool"
    #expect(arrivals(below: spool) == 2)
    #expect(try await worker.ask(.fail(leases[0], .crashed, reason: "x")) == .done)
    #expect(arrivals(below: spool) == 1)
    #expect(try await worker.ask(.goodbye) == .done)
    #expect(await waitUntil(.seconds(5)) { arrivals(below: spool) == 0 })
    submit.signal(SIGKILL)
    await worker.close()
  }

  /// Files below a folder.
  private func arrivals(below folder: String) -> Int {
    let names = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
    return names.count { name in
      var status = stat()
      return stat("\(folder)/\(name)", &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }
  }

  /// Who asks too much at once is told to wait, and the contexts are there for others.
  @Test func requestsOfOneWorkerAreLimited() async throws {
    let fleet = try await TestFleet()
    let worker = try ScriptedWorker(of: fleet, contextCount: 60)
    try await worker.join()
    let answers = try await withThrowingTaskGroup(of: FleetAnswerBody.self) { group in
      for _ in 0..<60 {
        group.addTask { try await worker.ask(.acquire(leaseLimit: 1)) }  // waits for work
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    let refused = answers.compactMap(\.refusal)
    #expect(refused.allSatisfy { $0.code == .unavailable && $0.text.contains("at work") })
    #expect(answers.count - refused.count >= Limits.requestsPerWorker)
    #expect(refused.count >= 20)
    #expect(try await worker.ask(.goodbye) == .done)
    await worker.close()
  }

  /// On the bulk listener too, whoever leaves and comes again meanwhile.
  @Test func bulkRequestsOfOneWorkerAreLimited() async throws {
    let fleet = try await TestFleet(rowCount: 10, badRows: [])
    let worker = try ScriptedWorker(of: fleet)
    try await worker.join()
    // A model whose file nobody can read yet.
    let models = "\(fleet.sandbox.state)/models"
    try FileManager.default.createDirectory(atPath: models, withIntermediateDirectories: true)
    let pipe = "\(models)/\(String(repeating: "ab", count: 32))"
    #expect(mkfifo(pipe, 0o600) == 0)
    let digest = ContentDigest(words: SIMD4(repeating: 0xabab_abab_abab_abab))
    let body = BulkRequest.getModel(digest, offset: 0, byteCount: 1)
    let answerCount = Counter()
    for _ in 0..<Limits.bulkRequestsPerWorker {
      let frame = try worker.bulkFrame(body)
      Task {
        _ = try await worker.sendBulk(frame)
        answerCount.value.withLock { $0 += 1 }
      }
    }
    try await Task.sleep(for: .milliseconds(500))
    let second = try ScriptedWorker(of: fleet, id: worker.worker.rawValue)
    try await second.join()
    #expect(try await second.askBulk(body).refusal?.text.contains("at work") == true)
    #expect(try await second.ask(.goodbye) == .done)
    try await second.join()
    #expect(try await second.askBulk(body).refusal?.text.contains("at work") == true)
    let other = try ScriptedWorker(of: fleet)
    try await other.join()
    let absent = BulkRequest.getModel(ContentDigest(words: .zero), offset: 0, byteCount: 1)
    #expect(try await other.askBulk(absent).refusal?.code == .changed)
    #expect(answerCount.value.withLock { $0 } == 0)
    let writer = open(pipe, O_WRONLY | O_NONBLOCK)
    #expect(writer >= 0)
    close(writer)
    #expect(await waitUntil(.seconds(5)) { answerCount.value.withLock { $0 } == 8 })
    #expect(try await second.askBulk(absent).refusal?.code == .changed)
    for worker in [worker, second, other] { await worker.close() }
  }

  @Test func sessionsUnderOneTokenAreLimited() async throws {
    let fleet = try await TestFleet(options: ["--lease-duration", "60"])
    let file = try await fleet.tokenFile(of: "node7")
    var workers: [ScriptedWorker] = []
    for _ in 0..<Limits.sessionsPerToken {
      let worker = try ScriptedWorker(of: fleet, tokenFile: file, contextCount: 1)
      try await worker.join()
      workers.append(worker)
    }
    let last = try ScriptedWorker(of: fleet, tokenFile: file, contextCount: 1)
    let answer = try await last.send(try await last.hello())
    #expect(answer.refusal?.code == .limit)
    #expect(answer.refusal?.text.contains("node7") == true)
    // One that leaves makes room; and the fleet's own token is another matter.
    #expect(try await workers[0].ask(.goodbye) == .done)
    try await last.join()
    let other = try ScriptedWorker(of: fleet, contextCount: 1)
    try await other.join()
    // A worker of one token cannot take the place of one of another.
    let impostor = try ScriptedWorker(of: fleet, id: workers[1].worker.rawValue, contextCount: 1)
    #expect(try await impostor.send(try await impostor.hello()).refusal?.code == .limit)
    for worker in workers + [last, other, impostor] { await worker.close() }
  }

  /// Of processes that died without a word the longest silent makes room, and a newcomer waits for it.
  @Test func deadSessionsMakeRoom() async throws {
    let fleet = try await TestFleet(rowCount: 10, badRows: [])
    let file = try await fleet.tokenFile(of: "node7")
    var dead: [ScriptedWorker] = []
    for _ in 0..<Limits.sessionsPerToken {
      let worker = try ScriptedWorker(of: fleet, tokenFile: file, contextCount: 1)
      try await worker.join()
      dead.append(worker)
    }
    // All 64 have been heard within two seconds, the time of a lease.
    for worker in dead {
      #expect(
        try await worker.ask(.heartbeat(Heartbeat(held: []))) == .alive(revoked: [], drain: false))
    }
    let newcomer = try await fleet.startWorker(tokenFile: file)
    #expect(newcomer.errors.contains("64 workers work under the token"), "\(newcomer.errors)")
    #expect(try await dead[0].ask(.heartbeat(Heartbeat(held: []))) == .unknownWorker)
    #expect(newcomer.process.isRunning)
    await fleet.end(newcomer)
    for worker in dead { await worker.close() }
  }

  /// Names that are paths, or nobody's, open nothing.
  @Test(arguments: [
    "../fleet.token", "/etc/passwd", ".", "..", "", "nobody", "a/b", "node7\n", "nöde",
    String(repeating: "n", count: 900),
  ])
  func namesOfTokensAreNames(_ name: String) async throws {
    let fleet = try await TestFleet(rowCount: 10, badRows: [])
    let file = try await fleet.tokenFile(of: "node7")
    let worker = try ScriptedWorker(of: fleet, tokenFile: file, contextCount: 1)
    let answer = try await worker.send(try await worker.hello(name: name))
    #expect(answer.refusal?.code == .unauthorized)
    await worker.close()
  }
}

/// A number that tasks share.
private final class Counter: Sendable {
  let value = Mutex(0)
}

/// Passes bytes on to a port of loopback and keeps what was said to it.
private final class Wiretap: Sendable {
  let address: String
  private let listener: Int32
  private let target: UInt16
  private let said = Mutex<[[UInt8]]>([])

  init(to target: UInt16) throws {
    self.target = target
    let port = try TestFleet.freePorts()
    listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    self.address = "tcp://127.0.0.1:\(port)"
    var address = Self.loopback(UInt16(port))
    let listener = listener
    let status = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard status == 0, listen(listener, 16) == 0 else { throw TestFailure("listen on \(port)") }
    Thread.detachNewThread { [self] in
      while true {
        let descriptor = accept(listener, nil, nil)
        guard descriptor >= 0 else { return }
        pass(descriptor)
      }
    }
  }

  deinit { close(listener) }

  /// What each connection said.
  var streams: [[UInt8]] { said.withLock { $0 } }
  var heard: [UInt8] { streams.flatMap { $0 } }

  private func pass(_ descriptor: Int32) {
    guard let other = try? Self.connection(to: target) else { return }
    let number = said.withLock { said in
      said.append([])
      return said.count - 1
    }
    pump(from: descriptor, to: other) { [self] bytes in
      said.withLock { $0[number] += bytes }
    }
    pump(from: other, to: descriptor) { _ in }
  }

  private func pump(
    from source: Int32, to target: Int32, _ note: @escaping @Sendable ([UInt8]) -> Void
  ) {
    Thread.detachNewThread {
      var buffer = [UInt8](repeating: 0, count: 65_536)
      while true {
        let count = recv(source, &buffer, buffer.count, 0)
        guard count > 0 else { break }
        note(Array(buffer.prefix(count)))
        guard send(target, buffer, count, Int32(MSG_NOSIGNAL)) == count else { break }
      }
      shutdown(target, Int32(SHUT_WR))
    }
  }

  /// Says something over a connection of its own.
  func say(_ bytes: [UInt8]) throws {
    let descriptor = try Self.connection(to: target)
    defer { close(descriptor) }
    _ = send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    usleep(200_000)
  }

  private static func connection(to port: UInt16) throws -> Int32 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = loopback(port)
    let status = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard status == 0 else { throw TestFailure("connect to \(port)") }
    return descriptor
  }

  private static func loopback(_ port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    return address
  }
}
