import CoordinatorCore
import Jobs
import Leasing
import WorkerCore

/// A world in which bytes decide who says what to whom, when, and what breaks: for a fuzzer.
///
/// The real cores work in it as in any other world, with honest workers beside the strangers that
/// the bytes speak for. A stranger has a worker's token and no manners: it says anything in any
/// order, repeats, holds on to what is over, and reports what it likes of leases that it was given;
/// but it scores truly from the state that it names, because what a score is nobody can check. Then
/// the bytes end, the world heals, and the job has to come to its end. All that is checked in other
/// worlds is checked here, after every step.
package struct MessageSequence: Sendable {
  private(set) var world: World
  private var bytes: ArraySlice<UInt8>
  /// Worker numbers under which strangers speak.
  private let strangers = (0..<3).map { WorkerID(0x5712_A96E_0000_0000 | UInt64($0)) }
  /// Requests made so far; some are made again.
  private var requests: [Request] = []
  private var nextID = 1 << 20
  /// Whether a count was reported that is not true: then the job may rightly end otherwise.
  package private(set) var hasLied = false

  package var requestCount: Int { requests.count }
  package var tally: SimulationTally { world.tally }
  /// Equal for equal bytes.
  package var digest: UInt64 { world.digest }

  /// Steps that bytes may decide; fewer than the charges that a shard has in a world.
  private static let stepLimit = 180

  /// Reads a world's seed; the rest is told by `run`.
  ///
  /// - Parameter bytes: Anything.
  package init(_ bytes: [UInt8]) {
    self.bytes = bytes[...]
    let seed = UInt64(self.bytes.popFirst() ?? 0) | UInt64(self.bytes.popFirst() ?? 0) << 8
    var schedule = Schedule(seed: seed)
    schedule.allowed = []  // what breaks is up to the bytes
    world = World(schedule)
  }

  /// Runs the world to its end.
  ///
  /// - Returns: What was found wrong.
  package mutating func run() -> [String] {
    let end = Int64(world.faults.faultTime) * World.millisecond
    var stepCount = 0
    while !bytes.isEmpty, stepCount < Self.stepLimit, world.now < end, world.violations.isEmpty {
      step()
      stepCount += 1
    }
    if hasLied { runWithoutEnding() } else { world.run() }
    return world.violations
  }

  /// Safety alone: of a job whose counts are made up nobody can say how it has to end.
  private mutating func runWithoutEnding() {
    world.heal()
    let end = world.now + 60 * World.second
    while world.violations.isEmpty, world.now < end, world.advance() {}
    world.observe()
  }

  // MARK: Choices

  private mutating func byte() -> Int { Int(bytes.popFirst() ?? 0) }

  private mutating func below(_ bound: Int) -> Int {
    bound > 256 ? (byte() | byte() << 8) % bound : byte() % max(1, bound)
  }

  private mutating func flag() -> Bool { byte() & 1 == 1 }

  /// A number of any size, mostly small.
  private mutating func number(atMost limit: UInt64) -> UInt64 {
    let exponent = byte()
    return min(limit, UInt64(byte()) << UInt64(exponent % 56))
  }

  private mutating func coordinator() -> Int { below(world.coordinators.count) }

  private mutating func worker() -> Int { below(world.workers.count) }

  // MARK: Steps

  private mutating func step() {
    switch below(20) {
    case 0...3: pass(milliseconds: below(256))
    case 4: pass(milliseconds: below(256) * 40)
    case 5...12: say()
    case 13: repeatRequest()
    case 14: breakCoordinator()
    case 15: breakWorker()
    case 16: actAsUser()
    case 17: loseConnection()
    case 18: answerFalsely()
    default: damage()
    }
  }

  private mutating func pass(milliseconds: Int) {
    let end = world.now + Int64(milliseconds) * World.millisecond
    while world.now < end, world.violations.isEmpty, world.advance() {}
  }

  private mutating func breakCoordinator() {
    let place = coordinator()
    let pause = 1 + below(256) * 20
    switch below(5) {
    case 0: world.endCoordinator(place, .kill, pause: pause)
    case 1: world.endCoordinator(place, .powerLoss, pause: pause)
    case 2: world.endCoordinator(place, .termination, pause: pause)
    case 3: world.endCoordinator(place, .failedSync, pause: pause)
    default:
      let end = world.now + Int64(pause) * 5 * World.millisecond
      world.coordinators[place].pausedUntil = end
    }
  }

  private mutating func breakWorker() {
    let worker = worker()
    let end = world.now + Int64(below(256)) * 100 * World.millisecond
    switch below(5) {
    case 0: world.crashWorker(worker)
    case 1: world.terminate(worker)
    case 2: world.workers[worker].pausedUntil = end
    case 3: world.workers[worker].muteUntil = end
    default: world.workers[worker].deafUntil = end
    }
  }

  private mutating func actAsUser() {
    let place = coordinator()
    switch below(8) {
    case 0: world.act(as: .cancel, on: place)
    case 1...4: world.act(as: .pause, on: place)
    default: world.act(as: .resume, on: place)
    }
  }

  private mutating func loseConnection() {
    let place = coordinator()
    let sender = sender()
    let time = Duration.milliseconds(below(256) * 20)
    let now = world.instant(of: place)
    guard world.isUp(place) else { return }
    world.coordinators[place].core?.lostConnection(of: sender, time: time, now: now)
    world.checkTable(of: place)
  }

  /// A partial in the spool changes.
  private mutating func damage() {
    let place = coordinator()
    let rows = world.coordinators[place].journal.folded.rows
    guard !rows.isEmpty else { return }
    let digest = rows[below(rows.count)].partial.digest
    world.damaged.insert(digest)
    if flag() {
      world.coordinators[place].spool.remove(digest)
    } else {
      world.coordinators[place].spool.damage(digest)
    }
  }

  // MARK: What strangers say

  private mutating func sender() -> WorkerID {
    flag() ? world.workers[worker()].id : strangers[below(strangers.count)]
  }

  private mutating func say() {
    let place = coordinator()
    switch below(8) {
    case 0:
      let threadCount = 1 + Int(number(atMost: 4_095))
      send(.fleet(.hello(name: "stranger", threadCount: threadCount)), sender(), to: place)
    case 1, 2:
      let limit = 1 + Int(number(atMost: UInt64(Limits.leasesPerWorker - 1)))
      send(.fleet(.acquire(leaseLimit: limit)), sender(), to: place)
    case 3: heartbeat(place)
    case 4, 5: finish(place)
    case 6: giveUp(place)
    default: send(.fleet(.goodbye), sender(), to: place)
    }
  }

  private mutating func send(_ body: Request.Body, _ sender: WorkerID, to place: Int) {
    // A life that no worker has: the answer goes nowhere.
    let request = Request(
      worker: 0, life: -1, sender: sender, id: nextID, place: place, body: body)
    nextID += 1
    requests.append(request)
    world.arrive(request)
  }

  private mutating func repeatRequest() {
    guard !requests.isEmpty else { return }
    let again = requests[below(requests.count)]
    world.arrive(again)
  }

  /// One of the leases that were given, in any life; a lease of another's comes under its name,
  /// because the coordinator's seal names the worker.
  private mutating func lease(_ place: Int) -> Lease? {
    let given = world.coordinators[place].granted.values.sorted {
      ($0.shard, $0.attempt) < ($1.shard, $1.attempt)
    }
    guard !given.isEmpty else { return nil }
    // Mostly one of the newest.
    return flag() ? given[given.count - 1 - below(min(8, given.count))] : given[below(given.count)]
  }

  private mutating func heartbeat(_ place: Int) {
    guard let first = lease(place) else {
      return send(.fleet(.heartbeat([])), sender(), to: place)
    }
    var held: [HeldLease] = []
    for index in 0..<1 + below(4) {
      guard let lease = index == 0 ? first : lease(place), lease.worker == first.worker else {
        continue
      }
      let report = ScoringReport(
        finishedBlockCount: below(65), elapsed: .milliseconds(number(atMost: 1 << 42)),
        stalled: .milliseconds(number(atMost: 1 << 17)), isScored: flag())
      held.append(
        HeldLease(
          grant: Grant(job: World.job, lease: lease),
          progress: flag() ? number(atMost: 1 << 60) : nil, report: report,
          end: flag() ? UInt8(byte()) : nil))
    }
    send(.fleet(.heartbeat(held)), first.worker, to: place)
  }

  private mutating func giveUp(_ place: Int) {
    guard let lease = lease(place) else { return }
    let job = flag() ? World.job : JobID(9)
    let key = LeaseKey(job: job, shard: lease.shard, attempt: lease.attempt)
    let body: FleetRequest =
      flag() ? .handBack(key) : .fail(key, .environment, reason: "a stranger's")
    send(.fleet(body), lease.worker, to: place)
  }

  /// Scores some blocks of a lease, and reports them: with all of the partial, a part of it, or a
  /// damaged one.
  private mutating func finish(_ place: Int) {
    guard let lease = lease(place) else { return }
    let first = Int(lease.blocks.first) + below(lease.blocks.count)
    let blocks = BlockRange(first, first + 1 + below(Int(lease.blocks.end) - first))
    if let poison = world.poison, poison.shard == lease.shard,
      blocks.indices.contains(poison.block)
    {
      return  // a stranger dies of it as well
    }
    let entry = entry(lease, first)
    var state = entry
    var records: [[UInt64]] = []
    var results: [BlockResult] = []
    let lie = below(16) == 0 ? number(atMost: UInt64(UInt32.max)) : nil
    for block in blocks.indices {
      let scored = world.text.score(lease.shard, block, from: state)
      records.append(scored.records)
      state = scored.result.exit
      let counts = lie.map { RecordCounts(ok: $0, error: $0, filtered: $0) }
      results.append(BlockResult(counts: counts ?? scored.result.counts, exit: state))
    }
    if lie != nil { hasLied = true }
    let content = PartialContent(shard: lease.shard, blocks: blocks, records: records)
    let name = world.keep(content, of: lease.attempt)
    guard
      let result = ShardResult(
        shard: lease.shard, attempt: lease.attempt, entry: entry, blocks: blocks,
        results: results, partial: name)
    else { return }
    upload(name, of: lease, to: place)
    send(.fleet(.finish(World.job, result)), lease.worker, to: place)
  }

  private mutating func entry(_ lease: Lease, _ block: Int) -> RangeState {
    switch below(4) {
    case 0: lease.entry
    case 1: .recordStart
    case 2: .insideField(recordOffset: number(atMost: 1 << 40))
    default: world.text.trueEntry(lease.shard, block)
    }
  }

  private mutating func upload(_ name: PartialName, of lease: Lease, to place: Int) {
    let key = LeaseKey(job: World.job, shard: lease.shard, attempt: lease.attempt)
    let how = below(8)
    for offset in 0..<(how == 0 ? name.byteCount / 2 : name.byteCount) {
      let wanted = how == 1 ? number(atMost: 8) : offset
      send(
        .piece(key, name, offset: wanted, isDamaged: how == 2), lease.worker, to: place)
    }
  }

  // MARK: What a coordinator says that is out of its mind

  /// Answers a worker's request as no coordinator in order would.
  private mutating func answerFalsely() {
    let worker = worker()
    let open = world.workers[worker].inFlight.sorted { $0.key < $1.key }
    guard world.workers[worker].isUp, !open.isEmpty else { return }
    let (id, body) = open[below(open.count)]
    guard case .fleet(let request) = body, let said = falseAnswer(request) else { return }
    world.arrive(
      Answer(
        worker: worker, life: world.workers[worker].life, id: id, place: 0, body: .fleet(said)))
  }

  private mutating func falseAnswer(_ request: FleetRequest) -> FleetAnswer? {
    switch request {
    case .hello: return .welcome
    case .acquire:
      return [.wait(.milliseconds(below(256) * 50)), .unknownWorker, .drain][below(3)]
    case .heartbeat(let held):
      let keys = held.map(\.grant.key).filter { _ in flag() }
      let shortened = held.filter { _ in flag() }.map { held in
        ShortenedLease(key: held.grant.key, end: UInt8(byte()))
      }
      return below(8) == 0
        ? .unknownWorker : .alive(revoked: keys, shortened: shortened, drain: below(16) == 0)
    case .finish:
      let offset = number(atMost: Limits.partialByteCount)
      let answers: [FinishAnswer] = [
        .sendPieces(from: offset), .spoolFull, .wrongState, .already, .refused("no"),
      ]
      return .finish(answers[below(answers.count)])
    case .handBack, .fail, .goodbye: return .done
    }
  }
}

extension World {
  /// Lets the next event happen; false where there is none.
  mutating func advance() -> Bool {
    guard let (event, time) = queue.pop() else { return false }
    now = time
    happen(event)
    return true
  }

  func isUp(_ place: Int) -> Bool {
    coordinators[place].core != nil && coordinators[place].pausedUntil <= now
      && !coordinators[place].journalIsFull
  }

  /// Remembers what is in a stranger's partial, under a name of its own.
  mutating func keep(_ content: PartialContent, of attempt: Attempt) -> PartialName {
    var word = mixed(UInt64(attempt.incarnation.rawValue) << 32 | UInt64(attempt.counter))
    // One after the other: else two shards with other blocks could have one name.
    word = mixed(word ^ UInt64(content.shard.rawValue))
    word = mixed(word ^ BlockMask(content.blocks).bits)
    for record in content.records.joined() { word = mixed(word ^ record) }
    let name = PartialName(
      digest: ContentDigest(words: SIMD4(word, mixed(word), 1, 0)), byteCount: word % 3 + 1)
    contents[name.digest] = content
    return name
  }
}
