package import Jobs

/// The fleet as users see it, on the wire and under `--output json`.
package struct FleetStatus: Hashable, Sendable, Codable {
  package struct PoolStatus: Hashable, Sendable, Codable {
    package var name: String
    package var engine: String
    package var threadsPerWorker: Int
    package var pricePerHour: Double
    package var spot: Bool
    package var minReplicaCount: Int
    package var maxReplicaCount: Int
    /// Workers on their way, at work or idle, and on their way out.
    package var starting: Int
    package var joined: Int
    package var leaving: Int
    /// From asking for a worker to its hello, as measured or as first said.
    package var startUpSeconds: Double
    /// What its engine says of workers that wait.
    package var waits: String?
    /// Until its engine is asked for workers again, and why not now.
    package var pausedSeconds: Double?
    package var pauseReason: String?
    /// Why no workers are started any more.
    package var stopped: String?
    /// Since its engine was asked for the last list that it gave; nil where it has given none.
    package var listedSecondsAgo: Double?
  }

  package var pools: [PoolStatus]
  package var isDraining: Bool
  package var currency: String

  package init(pools: [PoolStatus], isDraining: Bool, currency: String) {
    self.pools = pools
    self.isDraining = isDraining
    self.currency = currency
  }
}

extension Autoscaler {
  /// Longest text of an engine that users are told.
  package static let textLimit = 600

  /// Likewise in a status, where all pools fit in one answer.
  private var statusTextLimit: Int { min(Self.textLimit, 12_000 / max(1, pools.count)) }

  /// What is known of a pool.
  ///
  /// - Parameters:
  ///   - place: in `pools`.
  ///   - engine: its name.
  ///   - listed: when the engine was asked for the last list that it gave.
  ///   - now: the time.
  /// - Returns: the pool as users see it.
  package func status(
    ofPoolAt place: Int, engine: String, listed: Instant?, now: Instant
  ) -> FleetStatus.PoolStatus {
    let (state, pool) = (pools[place], pools[place].pool)
    let own = members.values.filter { $0.pool == pool.name }
    return FleetStatus.PoolStatus(
      name: pool.name, engine: engine, threadsPerWorker: pool.threadCount,
      pricePerHour: pool.pricePerHour, spot: pool.isSpot, minReplicaCount: pool.minReplicaCount,
      maxReplicaCount: pool.maxReplicaCount, starting: own.count { $0.phase == .starting },
      joined: own.count { $0.phase == .joined }, leaving: own.count { !$0.isPresent },
      startUpSeconds: state.startUpTime.inSeconds,
      waits: waitReasons(in: pool.name).map { String($0.prefix(statusTextLimit)) },
      pausedSeconds: state.pausedUntil > now ? (state.pausedUntil - now).inSeconds : nil,
      pauseReason: state.pausedUntil > now
        ? String(state.pauseReason.prefix(statusTextLimit)) : nil,
      stopped: state.haltReason.map { String($0.prefix(statusTextLimit)) },
      listedSecondsAgo: listed.map { (now - $0).inSeconds })
  }

  /// What the workers of a pool that are on their way wait for, each reason once, that of the first
  /// ones first; nil where the engine says nothing.
  private func waitReasons(in pool: String) -> String? {
    let starting = members.values.filter { $0.pool == pool && $0.phase == .starting }
      .sorted { ($0.launched, $0.name) < ($1.launched, $1.name) }
    var reasons: [String] = []
    for member in starting where !member.waitReason.isEmpty && !reasons.contains(member.waitReason)
    {
      reasons.append(member.waitReason)
    }
    return reasons.isEmpty ? nil : reasons.joined(separator: ", ")
  }

  /// Why jobs that could be leased have no worker.
  ///
  /// - Parameters:
  ///   - demands: of the jobs.
  ///   - now: the time.
  /// - Returns: for each of them what the pools that it may use wait for, at most `textLimit`
  ///   characters; nothing for those that a worker of such a pool is here for.
  package func waitReasons(of demands: [Demand], now: Instant) -> [JobID: String] {
    // Of each pool once: there may be many jobs and many workers.
    let joined = Set(members.values.filter { $0.phase == .joined }.map(\.pool))
    var texts: [String: String] = [:]
    var reasons: [JobID: String] = [:]
    for demand in demands {
      let eligible = eligiblePools(for: demand)
      guard !eligible.contains(where: { joined.contains($0.pool.name) }) else { continue }
      let parts = eligible.map { state in
        let text = texts[state.pool.name] ?? waitText(of: state, now: now)
        texts[state.pool.name] = text
        return text
      }
      let text = "waits for workers: " + parts.joined(separator: "; ")
      reasons[demand.job] =
        text.count > Self.textLimit ? text.prefix(Self.textLimit - 1) + "…" : text
    }
    return reasons
  }

  private func waitText(of state: PoolState, now: Instant) -> String {
    let name = state.pool.name
    if let reason = state.haltReason { return "pool \(name) is stopped: \(reason)" }
    if let reason = waitReasons(in: name) { return "pool \(name): \(reason)" }
    let startingCount = members.values.count { $0.pool == name && $0.phase == .starting }
    if startingCount > 0 { return "pool \(name): starting \(startingCount)" }
    guard state.pausedUntil > now else { return "pool \(name): none is started" }
    return "pool \(name): \(state.pauseReason)"
  }

  /// Changes how many workers a pool keeps and has at most; nil leaves what is.
  package mutating func scale(pool: String, least: Int?, most: Int?) {
    guard let place = pools.firstIndex(where: { $0.pool.name == pool }) else { return }
    if let least { pools[place].pool.minReplicaCount = least }
    if let most { pools[place].pool.maxReplicaCount = most }
  }
}
