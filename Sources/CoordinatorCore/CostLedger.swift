package import Jobs

/// What the workers of a fleet cost each job.
///
/// Each moment of a worker, from asking for it until it is gone, is on the account of the jobs that
/// could have used it then, in equal parts; without such a job, on nobody's.
package struct CostLedger: Sendable {
  private var money: [JobID: Double] = [:]
  private var last: Instant?

  package init() {}

  /// Money that a job has cost, in the currency of the fleet file.
  package func money(of id: JobID) -> Double { money[id] ?? 0 }

  /// Charges what the workers cost since the last call.
  ///
  /// - Parameters:
  ///   - pools: with the workers that each has.
  ///   - demands: of all jobs that can be leased.
  ///   - now: the time.
  package mutating func charge(
    _ pools: [(pool: Pool, count: Int)], _ demands: [Demand], now: Instant
  ) {
    defer { last = now }
    guard let last else { return }
    let hours = (now - last).inSeconds / 3_600
    for (pool, count) in pools where count > 0 && pool.pricePerHour > 0 {
      let jobs = demands.filter { $0.pool == nil || $0.pool == pool.name }.map(\.job)
      for job in jobs {
        money[job, default: 0] += pool.pricePerHour * Double(count) * hours / Double(jobs.count)
      }
    }
  }

  /// Forgets jobs that have ended.
  package mutating func forget(_ id: JobID) { money[id] = nil }
}
