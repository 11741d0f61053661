import CoordinatorCore
import Jobs
import Leasing
import WorkerCore

/// Coordinators and their workers on a simulated network, with everything that can go wrong.
///
/// Real are the cores of coordinator and worker, the leases, the group commit, the order in which
/// a partial becomes durable, the order of the merge, and the publication. Models are the clock,
/// the network, the disks (SQLite among them), the object store, scoring, and the user. One seed
/// decides everything, so that it replays a world exactly. First come the faults; then they stop,
/// and the job must come to its end.
package struct World: Sendable {
  /// What was found wrong, with the time.
  private(set) var violations: [String] = []
  /// A hash over all events in order: equal for equal seeds.
  private(set) var digest: UInt64 = 0xCBF2_9CE4_8422_2325
  /// Events so far.
  private(set) var stepCount = 0
  /// What happened, so that a test can see that enough does.
  var tally = SimulationTally()
  /// Whether lines are kept for a reader.
  var isTraced = false
  private var lines: [String] = []

  /// What the job must come to.
  enum Ending: Hashable, Sendable {
    case published
    /// A block can never be scored, or too many records are errors.
    case failed
  }

  let schedule: Schedule
  let expectedEnding: Ending
  let text: ScoredText
  let expectedRecords: [UInt64]
  let poison: Poison?
  let request: JobRequest
  let chargeLimit: Int
  let suspectChargeLimit: Int

  /// A block that cannot be scored like others.
  struct Poison: Sendable {
    enum Kind: CaseIterable { case reported, fatal, isolatable }

    let shard: ShardID
    let block: Int
    /// Its workers report it, die of it always, or die of it unless they score it apart.
    let kind: Kind
  }

  var faults: Faults
  var generator: SplitMix64
  var queue = EventQueue()
  /// Nanoseconds since the world began.
  var now: Int64 = 0
  /// What the wall clocks are ahead, by nanoseconds.
  var clockError: Int64 = 0
  var workers: [SimulatedWorker] = []
  var coordinators: [SimulatedCoordinator] = []
  /// Where the output goes: one of the two is used.
  var folder: ModelFolder
  var store = ModelStore()
  let publishesToStore: Bool
  /// How often a publication is struck, in percent of the rates.
  let publicationStress: Int
  /// Milliseconds that a call of the destination may take.
  let longestCall: Int
  /// What readers have seen of the output, once they saw anything.
  var seen: VisibleOutput?
  /// The store is busy until then.
  var storeBusyUntil: Int64 = 0
  var hasHealed = false
  /// When the faults stopped.
  var healedAt: Int64 = 0
  /// Old requests that the network may bring again.
  var history: [Request] = []
  /// What was in each partial that was ever made.
  var contents: [ContentDigest: PartialContent] = [:]
  /// Partials that a fault has damaged on purpose.
  var damaged: Set<ContentDigest> = []
  /// Whether a state folder was put back from a copy: what it published since is not in its journal.
  var hasRestored = false
  /// When all jobs were first seen to have ended.
  var endedAt: Int64?

  static let job = JobID(0x51)
  static let model = PlannedModel(digest: ContentDigest(words: .zero), byteCount: 1)
  static let second: Int64 = 1_000_000_000
  static let millisecond: Int64 = 1_000_000

  /// Draws the world that belongs to a seed.
  package init(_ schedule: Schedule) {
    var generator = SplitMix64(seed: mixed(schedule.seed))
    self.schedule = schedule
    let isDrill = generator.below(5) == 0
    faults = Faults(allowed: schedule.allowed, isDrill: isDrill, using: &generator)
    text = ScoredText(
      insideField: faults.insideField, inputLimit: schedule.inputLimit, isDrill: isDrill,
      using: &generator)
    expectedRecords = text.allRecords
    var request = JobRequest(
      displayName: "simulated", model: "/model", inputConfig: .init(uris: ["/in"]),
      outputConfig: .init(uri: "/out"))
    request.errorThreshold = -1
    let kind = generator.below(20)
    if kind < 2, text.plan.shardCount > 0 {
      let shard = ShardID(UInt32(generator.below(text.plan.shardCount)))
      // A first block kills its worker before it can tell that it began.
      let isFirst = generator.below(2) == 0
      let block = isFirst ? 0 : generator.below(text.plan.range(of: shard).blockCount)
      let kind = Poison.Kind.allCases[generator.below(Poison.Kind.allCases.count)]
      poison = Poison(shard: shard, block: block, kind: kind)
      expectedEnding = kind == .isolatable ? .published : .failed
    } else {
      poison = nil
      let isOverThreshold = kind == 2 && text.errorCount > 0
      if isOverThreshold { request.errorThreshold = Int64(text.errorCount) - 1 }
      expectedEnding = isOverThreshold ? .failed : .published
    }
    chargeLimit = poison == nil ? 200 : Limits.chargeLimit
    // Bad luck alone fails no shard where the job is to succeed.
    suspectChargeLimit = poison?.kind == .isolatable ? 200 : Limits.suspectChargeLimit
    self.request = request
    publishesToStore = generator.below(2) == 0
    publicationStress = [60, 60, 200, 500][generator.below(4)]
    longestCall = [20, 200, 2_000, 8_000][generator.below(4)]
    folder = ModelFolder(knowsRename: generator.below(3) != 0)
    self.generator = generator
    begin()
  }

  /// Runs until the job has ended and a while longer, or until something is found wrong.
  mutating func run(_ tell: (String) -> Void = { _ in }) {
    while violations.isEmpty, let (event, time) = queue.pop() {
      now = time
      stepCount += 1
      note(event.code)
      note(UInt64(bitPattern: time))
      if isTraced { traceEvent(event) }
      happen(event)
      if !hasHealed, now >= Int64(faults.faultTime) * Self.millisecond, mayHeal { heal() }
      for line in lines { tell(line) }
      lines.removeAll(keepingCapacity: true)
      guard !isOver else { break }
      checkProgress()
    }
    if violations.isEmpty { checkEnding() }
    for line in lines { tell(line) }
    lines = []
  }

  mutating func note(_ word: UInt64) { digest = mixed(digest ^ word) }

  mutating func count(_ what: SimulationTally.Happening) { tally.happenings[what.rawValue] += 1 }

  mutating func violate(_ what: String) {
    guard violations.count < 8 else { return }
    violations.append("\(now / Self.millisecond) ms: \(what)")
    if isTraced { trace("VIOLATION: \(what)") }
  }

  /// Tells a reader of the world what happens; asked for only where `isTraced`.
  mutating func trace(_ what: String) {
    let time = now / 1_000
    let fraction = String(time % 1_000_000)
    let zeros = String(repeating: "0", count: 6 - fraction.count)
    lines.append("\(time / 1_000_000).\(zeros)\(fraction) s  \(what)")
  }

  /// Asks whether a fault strikes here, and tells of it.
  mutating func strikes(_ kind: FaultKind, percent: Int = 100) -> Bool {
    guard faults.strike(kind, percent: percent) else { return false }
    if isTraced { trace("fault \(faults.struck.last.map { "\($0)" } ?? "")") }
    return true
  }

  mutating func happen(_ event: Event) {
    switch event {
    case .workerStarts(let worker): startWorker(worker)
    case .workerTicks(let worker, let life): tickWorker(worker, life: life)
    case .blockScored(let worker, let life, let slot, let token):
      blockScored(worker, life: life, slot: slot, token: token)
    case .requestArrives(let request): arrive(request)
    case .answerArrives(let answer): arrive(answer)
    case .requestTimesOut(let worker, let life, let id): timeOut(worker, life: life, id: id)
    case .coordinatorStarts(let place): startCoordinator(place)
    case .coordinatorTicks(let place, let life): tickCoordinator(place, life: life)
    case .journalSyncs(let place, let life): syncJournal(place, life: life)
    case .planEnds(let place, let life): endPlan(place, life: life)
    case .mergeBegins(let place, let life): beginMerge(place, life: life)
    case .destinationActs(let place, let life, let call):
      act(on: call, of: place, life: life)
    case .cleanUp(let place, let life): cleanUp(place, life: life)
    case .faultStrikes: strike()
    case .userActs(let place): actAsUser(place)
    }
  }

  /// In half of the worlds the faults go on until the job has long ended, though not for ever: most of
  /// the others are past them when they publish.
  private var mayHeal: Bool {
    guard faults.lastUntilTheEnd else { return true }
    if let endedAt { return now > endedAt + 4 * Self.second }
    return now >= 5 * Int64(faults.faultTime) * Self.millisecond
  }

  /// Every job has ended durably, and late messages have had their time.
  private var isOver: Bool {
    guard let endedAt else { return false }
    return now > endedAt + 8 * Self.second
  }
}
