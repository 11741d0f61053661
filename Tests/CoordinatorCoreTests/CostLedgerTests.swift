import CoordinatorCore
import Jobs
import Testing

/// Who pays for the workers.
@Suite struct CostLedgerTests {
  private static func pool(_ name: String, price: Double) -> Pool {
    var pool = Pool(name: name, threadCount: 4)
    pool.pricePerHour = price
    return pool
  }

  private static func demand(_ id: UInt64, pool: String? = nil) -> Demand {
    var demand = Demand(job: JobID(id), blockCount: 1, byteCount: 1)
    demand.pool = pool
    return demand
  }

  @Test func jobsShareWhatTheyCanUse() {
    var ledger = CostLedger()
    let pools = [(Self.pool("a", price: 2), 3), (Self.pool("b", price: 10), 1)]
    let demands = [Self.demand(1), Self.demand(2, pool: "b")]
    ledger.charge(pools, demands, now: .start)
    #expect(ledger.money(of: JobID(1)) == 0, "nothing has passed yet")
    ledger.charge(pools, demands, now: .start + .seconds(1_800))
    // Half an hour: 3 of a at 2, all of it the first job's; 1 of b at 10, half of it each job's.
    #expect(ledger.money(of: JobID(1)) == 3 + 2.5)
    #expect(ledger.money(of: JobID(2)) == 2.5)
    ledger.charge(pools, [], now: .start + .seconds(3_600))
    #expect(ledger.money(of: JobID(1)) == 5.5, "without a job nobody pays")
    ledger.forget(JobID(1))
    #expect(ledger.money(of: JobID(1)) == 0)
  }
}
