/// Something that goes wrong in a world.
package enum FaultKind: Int, CaseIterable, Sendable {
  // The network.
  case loss, duplicate, replay, slowMessage, damagedMessage
  /// Nothing gets from a worker to its coordinator, back, or either way, for a while.
  case mute, deaf, partition
  // Processes.
  case coordinatorKill, coordinatorPowerLoss, coordinatorTermination, coordinatorPause, upgrade
  case workerCrash, workerTermination, workerPause, slowWorker
  /// The wall clock jumps.
  case clockJump
  // Disks.
  case spoolFull, journalFull, mergeBlocked
  /// Of what was not synced a part is kept when the power fails.
  case tornWrite
  /// A partial at rest changes.
  case bitFlip
  case failedSync
  /// A state folder is put back from a copy made a while ago.
  case restoredBackup
  /// A copy of the state folder is started on another machine, with the same output.
  case secondCoordinator
  // The object store.
  case storeBusy, storeUnavailable, lostStoreAnswer, storeConflict, staleListing
  // The user.
  case userPause, userCancel

  /// As the command line has it.
  package var name: String { "\(self)" }

  package init?(_ name: String) {
    guard let kind = Self.allCases.first(where: { $0.name == name }) else { return nil }
    self = kind
  }

  /// The highest chance in a million that a seed may draw for it.
  var limit: Int {
    switch self {
    case .loss, .duplicate: 300_000
    case .replay, .workerTermination: 150_000
    case .slowMessage, .damagedMessage, .journalFull: 100_000
    case .mute, .deaf, .partition: 120_000
    case .coordinatorKill, .coordinatorPowerLoss: 250_000
    case .coordinatorTermination, .coordinatorPause, .upgrade: 60_000
    case .workerCrash: 250_000
    case .workerPause: 150_000
    case .slowWorker: 600_000
    case .clockJump: 200_000
    case .spoolFull, .userPause: 200_000
    case .mergeBlocked, .bitFlip, .staleListing, .lostStoreAnswer: 300_000
    case .tornWrite: 800_000
    case .failedSync: 30_000
    case .restoredBackup: 30_000
    case .secondCoordinator: 300_000
    case .storeBusy, .storeConflict: 200_000
    case .storeUnavailable: 60_000
    case .userCancel: 120_000
    }
  }

  /// The chance in a million in a drill of the end of a job.
  var drillRate: Int {
    switch self {
    case .secondCoordinator: 400_000
    case .coordinatorKill, .coordinatorPowerLoss, .coordinatorPause: 100_000
    case .userCancel, .mergeBlocked, .storeUnavailable, .storeBusy: 60_000
    case .lostStoreAnswer, .storeConflict, .staleListing, .tornWrite, .bitFlip: 100_000
    default: 0
    }
  }

  /// What two coordinators with one job do to each other, in a third of the drills.
  static let rivalry: Set<FaultKind> = [.secondCoordinator, .coordinatorPause, .userCancel]

  /// In one of how many worlds it happens at all.
  var rarity: Int {
    switch self {
    case .restoredBackup: 12
    case .userCancel: 8
    case .secondCoordinator: 5
    case .userPause, .failedSync, .upgrade: 4
    default: 2
    }
  }
}

/// One fault that struck: the how-manieth question of its kind that was answered with yes.
package struct Fault: Hashable, Sendable, CustomStringConvertible {
  package let kind: FaultKind
  package let number: Int

  package init(_ kind: FaultKind, _ number: Int) {
    self.kind = kind
    self.number = number
  }

  package var description: String { "\(kind.name):\(number)" }

  /// Reads what `description` writes.
  package init?(_ text: some StringProtocol) {
    let parts = text.split(separator: ":")
    guard parts.count == 2, let kind = FaultKind(String(parts[0])), let number = Int(parts[1])
    else { return nil }
    self.init(kind, number)
  }
}

/// How bad a world is; drawn from its seed, each rate zero in some worlds.
///
/// That is swarm testing (Groce, Zhang, Eide, Chen, Regehr, ISSTA 2012). Each kind has numbers of
/// its own, so that a world without one fault still has the others where they were: a schedule
/// can be made shorter fault by fault.
struct Faults: Sendable {
  /// Chances in a million: of a message, of a strike, of an operation.
  private(set) var rates = Array(repeating: 0, count: FaultKind.allCases.count)
  /// Cuts that lie inside a quoted field.
  let insideField: Int
  /// Milliseconds between two strikes, and before the faults stop.
  let strikeInterval: Int
  let faultTime: Int
  /// Whether they stop only once the job has ended, or after five times as long.
  let lastUntilTheEnd: Bool
  /// Most that a percentage makes of a rate: what always fails never gets anywhere else.
  private static let ceiling = 350_000
  private let seed: UInt64
  private var asked = Array(repeating: 0, count: FaultKind.allCases.count)
  /// The only faults that may strike; `nil`: all that the rates say.
  private let allowed: Set<Fault>?
  /// What struck, in order.
  private(set) var struck: [Fault] = []
  var haveStopped = false

  /// - Parameters:
  ///   - allowed: The only faults that may strike; `nil`: all that are drawn.
  ///   - isDrill: Whether only what endangers a publication is drawn.
  ///   - generator: Draws.
  init(allowed: Set<Fault>?, isDrill: Bool, using generator: inout SplitMix64) {
    self.allowed = allowed
    seed = generator.next()
    // Of two coordinators that go on undisturbed, each can get in the way of the other.
    let isRivalry = isDrill && generator.below(3) == 0
    for kind in FaultKind.allCases {
      let isThere = generator.below(kind.rarity) == 0
      let rate = generator.below(kind.limit)
      rates[kind.rawValue] = isThere ? rate : 0
      if isDrill { rates[kind.rawValue] = generator.below(2) == 0 ? kind.drillRate : 0 }
      if isRivalry { rates[kind.rawValue] = FaultKind.rivalry.contains(kind) ? kind.drillRate : 0 }
    }
    insideField = generator.below(2) == 0 ? 0 : generator.below(500_000)
    strikeInterval = generator.within(200...1_500)
    faultTime = generator.within(5_000...40_000)
    lastUntilTheEnd = isDrill || generator.below(2) == 0
  }

  /// Whether a fault of a kind happens here.
  ///
  /// - Parameters:
  ///   - kind: Which.
  ///   - percent: Of the world's rate.
  /// - Returns: Whether it does.
  mutating func strike(_ kind: FaultKind, percent: Int = 100) -> Bool {
    guard !haveStopped else { return false }
    let rate = rates[kind.rawValue]
    guard rate > 0 else { return false }
    let number = asked[kind.rawValue]
    asked[kind.rawValue] += 1
    let drawn = mixed(seed ^ UInt64(kind.rawValue) << 48 ^ UInt64(number)) % 1_000_000
    guard Int(drawn) < min(rate * percent / 100, max(rate, Self.ceiling)) else { return false }
    let fault = Fault(kind, number)
    if let allowed, !allowed.contains(fault) { return false }
    struck.append(fault)
    return true
  }

  func rate(of kind: FaultKind) -> Int { rates[kind.rawValue] }
}
