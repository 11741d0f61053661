import CoordinatorCore
import Jobs
import Leasing
import WorkerCore

/// A coordinator and its workers on a simulated network, with everything that can go wrong.
///
/// The cores are the real ones; clock, network, disks, scoring and the user are models. One
/// generator decides everything, so that a seed replays a world exactly. First come the faults;
/// then they stop, and the job must come to its end.
package struct World: Sendable {
  /// What was found wrong, with the time.
  package private(set) var violations: [String] = []
  /// A hash over all events in order: equal for equal seeds.
  package private(set) var digest: UInt64 = 0xCBF2_9CE4_8422_2325
  /// Events so far.
  package private(set) var stepCount = 0

  /// What happened, so that a test can see that enough does.
  package private(set) var tally = SimulationTally()

  /// What the job must come to.
  package enum Ending: Hashable, Sendable {
    case published
    /// A block can never be scored, or too many records are errors.
    case failed
  }

  let seed: UInt64
  let sabotage: Sabotage?
  let expectedEnding: Ending
  let rates: FaultRates
  let text: ScoredText
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

  var generator: SplitMix64
  var queue = EventQueue()
  /// Nanoseconds since the world began.
  var now: Int64 = 0
  var workers: [SimulatedWorker] = []
  var coordinator = SimulatedCoordinator()
  var destination = ModelDestination()
  var hasHealed = false
  /// The user has asked to cancel, and was not refused.
  var isCancelled = false
  /// Old requests that the network may bring again.
  var history: [Request] = []
  /// What was in each partial that was ever made.
  var contents: [ContentDigest: PartialContent] = [:]
  /// Partials that a fault took from the spool on purpose.
  var damaged: Set<ContentDigest> = []
  /// Every lease ever told to a worker, by its name.
  var granted: [LeaseKey: Lease] = [:]
  /// When the job was first seen to have ended.
  var endedAt: Int64?

  static let job = JobID(0x51)
  static let model = PlannedModel(digest: ContentDigest(words: .zero), byteCount: 1)
  static let second: Int64 = 1_000_000_000
  static let millisecond: Int64 = 1_000_000

  /// Draws the world that belongs to a seed.
  package init(seed: UInt64, sabotage: Sabotage? = nil) {
    var generator = SplitMix64(seed: mixed(seed))
    self.seed = seed
    self.sabotage = sabotage
    rates = .drawn(using: &generator)
    text = ScoredText(insideField: rates.insideField, using: &generator)
    var request = JobRequest(
      displayName: "simulated", model: "/model", inputConfig: .init(uris: ["/in"]),
      outputConfig: .init(uri: "/out"))
    request.errorThreshold = -1
    let kind = generator.below(20)
    if kind == 0 {
      let shard = ShardID(UInt32(generator.below(text.plan.shardCount)))
      let block = generator.below(text.plan.range(of: shard).blockCount)
      let kind = Poison.Kind.allCases[generator.below(Poison.Kind.allCases.count)]
      poison = Poison(shard: shard, block: block, kind: kind)
      expectedEnding = kind == .isolatable ? .published : .failed
    } else {
      poison = nil
      let isOverThreshold = kind == 1 && text.errorCount > 0
      if isOverThreshold { request.errorThreshold = Int64(text.errorCount) - 1 }
      expectedEnding = isOverThreshold ? .failed : .published
    }
    chargeLimit = poison == nil ? 1_000 : Limits.chargeLimit
    // Bad luck alone fails no shard where the job is to succeed.
    suspectChargeLimit = poison?.kind == .isolatable ? 1_000 : Limits.suspectChargeLimit
    self.request = request
    self.generator = generator
    begin()
  }

  /// Runs until the job has ended and a while longer, or until something is found wrong.
  package mutating func run() {
    while violations.isEmpty, let (event, time) = queue.pop() {
      now = time
      stepCount += 1
      note(event.code)
      note(UInt64(bitPattern: time))
      happen(event)
      if !hasHealed, now >= Int64(rates.faultTime) * Self.millisecond { heal() }
      guard !isOver else { break }
      checkProgress()
    }
    if violations.isEmpty { checkEnding() }
  }

  mutating func note(_ word: UInt64) { digest = mixed(digest ^ word) }

  mutating func count(_ what: WritableKeyPath<SimulationTally, Int>) {
    tally[keyPath: what] += 1
  }

  mutating func violate(_ what: String) {
    guard violations.count < 8 else { return }
    violations.append("\(now / Self.millisecond) ms: \(what)")
  }

  private mutating func happen(_ event: Event) {
    switch event {
    case .workerStarts(let worker): startWorker(worker)
    case .workerTicks(let worker, let life): tickWorker(worker, life: life)
    case .blockScored(let worker, let life, let slot, let token):
      blockScored(worker, life: life, slot: slot, token: token)
    case .requestArrives(let request): arrive(request)
    case .answerArrives(let answer): arrive(answer)
    case .requestTimesOut(let worker, let life, let id): timeOut(worker, life: life, id: id)
    case .coordinatorStarts: startCoordinator()
    case .coordinatorTicks(let life): tickCoordinator(life: life)
    case .journalSyncs(let life): syncJournal(life: life)
    case .planEnds(let life): endPlan(life: life)
    case .mergeBegins(let life): beginMerge(life: life)
    case .mergeEnds(let life, let folder): endMerge(life: life, folder: folder)
    case .faultStrikes: strike()
    case .userActs: actAsUser()
    }
  }

  /// The job has ended durably, and late messages have had their time.
  private var isOver: Bool {
    guard let endedAt else { return false }
    return now > endedAt + 8 * Self.second
  }
}
