package import Jobs
package import Leasing

/// What the workers cost each job.
///
/// Each moment of a worker, from asking for it until it is gone, is on the account of one job or of
/// several: those whose leases the workers hold, in proportion; without leases, those that could
/// have them, then those that are being merged, then those after whose end the workers are still
/// here, in equal parts; else on nobody's. An account is that of one life of the coordinator.
package struct CostLedger: Sendable {
  /// Workers that are alike.
  package struct Crew: Hashable, Sendable {
    /// Their pool; nil where somebody else has started them.
    package var pool: String?
    /// Threads of all of them.
    package var threadCount: Int
    /// Money for all of them and an hour.
    package var pricePerHour = 0.0
    /// Whether they have been asked for, and have not joined.
    package var isStarting = false

    package init(
      pool: String? = nil, threadCount: Int, pricePerHour: Double = 0, isStarting: Bool = false
    ) {
      self.pool = pool
      self.threadCount = threadCount
      self.pricePerHour = pricePerHour
      self.isStarting = isStarting
    }
  }

  /// A job that may have to pay.
  package struct Payer: Hashable, Sendable {
    package enum Stage: Int, Hashable, Sendable { case scoring, merging, ended }

    package let job: JobID
    package var stage: Stage
    package var leaseCount = 0
    /// The pool that it asks for; nil for any.
    package var pool: String?

    package init(job: JobID, stage: Stage, leaseCount: Int = 0, pool: String? = nil) {
      self.job = job
      self.stage = stage
      self.leaseCount = leaseCount
      self.pool = pool
    }
  }

  /// Seconds of one thread, but for the money.
  package struct Account: Hashable, Sendable {
    package var startUp = 0.0
    package var present = 0.0
    package var merge = 0.0
    package var money = 0.0
    /// The money that an earlier budget has paid.
    fileprivate var settled = 0.0

    package init() {}
  }

  private var accounts: [JobID: Account] = [:]
  private var last: Instant?

  package init() {}

  package func account(of id: JobID) -> Account { accounts[id] ?? Account() }

  /// Money that a job has cost since its budget began, in the currency of the fleet file.
  package func spent(by id: JobID) -> Double {
    let account = account(of: id)
    return account.money - account.settled
  }

  /// Begins a job's budget anew.
  package mutating func settle(_ id: JobID) {
    let money = account(of: id).money
    accounts[id]?.settled = money
  }

  /// Charges what the workers cost since the last call.
  ///
  /// - Parameters:
  ///   - crews: all workers, as they were since then.
  ///   - payers: jobs that can be leased or are being merged, and those that have ended since there
  ///     was no worker.
  ///   - now: the time.
  package mutating func charge(_ crews: [Crew], _ payers: [Payer], now: Instant) {
    defer { last = now }
    guard let last, now > last else { return }
    let seconds = (now - last).inSeconds
    for crew in crews where crew.threadCount > 0 {
      let able = payers.filter { crew.pool == nil || $0.pool == nil || $0.pool == crew.pool }
      guard let stage = able.map(\.stage.rawValue).min() else { continue }
      let jobs = able.filter { $0.stage.rawValue == stage }
      let leaseCount = jobs.reduce(0) { $0 + $1.leaseCount }
      for job in jobs {
        let share =
          leaseCount > 0
          ? Double(job.leaseCount) / Double(leaseCount) : 1 / Double(jobs.count)
        guard share > 0 else { continue }
        let time = seconds * Double(crew.threadCount) * share
        var account = account(of: job.job)
        switch (crew.isStarting, job.stage) {
        case (true, _): account.startUp += time
        case (false, .merging): account.merge += time
        case (false, .scoring), (false, .ended): account.present += time
        }
        account.money += crew.pricePerHour * seconds / 3_600 * share
        accounts[job.job] = account
      }
    }
  }

  /// Forgets a job that is deleted.
  package mutating func forget(_ id: JobID) { accounts[id] = nil }
}

/// What a job has cost: seconds of one thread by what they went into, and money.
package struct JobCost: Hashable, Sendable, Codable {
  /// For the results that count.
  package var usefulSeconds = 0.0
  /// From asking for workers to their hello.
  package var startUpSeconds = 0.0
  /// Workers without work of it, also after its end.
  package var idleSeconds = 0.0
  /// Blocks that were scored more than once.
  package var repeatedSeconds = 0.0
  /// Second tries of slow leases, or what they made superfluous.
  package var backupSeconds = 0.0
  /// Work that was lost with workers that were taken away or died.
  package var preemptedSeconds = 0.0
  /// Workers that were here while its results were merged.
  package var mergeSeconds = 0.0
  package var totalSeconds = 0.0
  package var secondsPerMillionRows: Double?
  /// In the currency of the fleet file; nil where no worker has a price.
  package var money: Double?
  package var moneyPerMillionRows: Double?

  /// - Parameters:
  ///   - work: what workers did for it.
  ///   - account: what they cost.
  ///   - recordCount: of confirmed blocks.
  package init(_ work: WorkAccount, _ account: CostLedger.Account, recordCount: UInt64) {
    usefulSeconds = Self.rounded(work.useful)
    repeatedSeconds = Self.rounded(work.repeated)
    backupSeconds = Self.rounded(work.backup)
    preemptedSeconds = Self.rounded(work.preempted)
    startUpSeconds = Self.rounded(account.startUp)
    mergeSeconds = Self.rounded(account.merge)
    let idle = max(0, account.present - work.total)
    idleSeconds = Self.rounded(idle)
    let total = work.total + account.startUp + idle + account.merge
    totalSeconds = Self.rounded(total)
    let millions = Double(recordCount) / 1e6
    if millions > 0 { secondsPerMillionRows = Self.rounded(total / millions) }
    guard account.money > 0 else { return }
    money = account.money
    if millions > 0 { moneyPerMillionRows = account.money / millions }
  }

  /// To milliseconds.
  private static func rounded(_ seconds: Double) -> Double {
    (seconds * 1_000).rounded() / 1_000 + 0
  }
}
