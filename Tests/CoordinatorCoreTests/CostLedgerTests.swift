import CoordinatorCore
import Jobs
import Leasing
import Testing

/// Who pays for the workers.
@Suite struct CostLedgerTests {
  private typealias Crew = CostLedger.Crew
  private typealias Payer = CostLedger.Payer
  private let first = JobID(1)
  private let second = JobID(2)

  private func after(_ seconds: Int) -> Instant { .start + .seconds(seconds) }

  @Test func jobsShareWhatTheyCanUse() {
    var ledger = CostLedger()
    let crews = [
      Crew(pool: "a", threadCount: 12, pricePerHour: 6),
      Crew(pool: "b", threadCount: 4, pricePerHour: 10),
    ]
    let payers = [
      Payer(job: first, stage: .scoring), Payer(job: second, stage: .scoring, pool: "b"),
    ]
    ledger.charge(crews, payers, now: .start)
    #expect(ledger.account(of: first) == CostLedger.Account(), "nothing has passed yet")
    ledger.charge(crews, payers, now: after(1_800))
    // All of a is the first job's, and half of b each job's.
    #expect(ledger.account(of: first).money == 3 + 2.5)
    #expect(ledger.account(of: first).present == 1_800 * (12 + 2))
    #expect(ledger.account(of: second).money == 2.5)
    #expect(ledger.account(of: second).present == 1_800 * 2)
    ledger.charge(crews, [], now: after(3_600))
    #expect(ledger.account(of: first).money == 5.5, "without a job nobody pays")
    ledger.forget(first)
    #expect(ledger.account(of: first) == CostLedger.Account())
  }

  @Test func whoseLeasesAreHeldPays() {
    var ledger = CostLedger()
    ledger.charge([], [], now: .start)
    ledger.charge(
      [Crew(threadCount: 8)],
      [
        Payer(job: first, stage: .scoring, leaseCount: 3),
        Payer(job: second, stage: .scoring, leaseCount: 1),
        Payer(job: JobID(3), stage: .scoring),
      ], now: after(10))
    #expect(ledger.account(of: first).present == 60)
    #expect(ledger.account(of: second).present == 20)
    #expect(ledger.account(of: JobID(3)) == CostLedger.Account())
  }

  @Test func eachStageHasItsAccount() {
    var ledger = CostLedger()
    ledger.charge([], [], now: .start)
    let (starting, present) = (
      Crew(pool: "a", threadCount: 2, isStarting: true), Crew(pool: "a", threadCount: 1)
    )
    let (merging, ended) = (Payer(job: first, stage: .merging), Payer(job: second, stage: .ended))
    ledger.charge([starting], [Payer(job: first, stage: .scoring), ended], now: after(10))
    ledger.charge([present], [merging, ended], now: after(13))
    ledger.charge([present], [ended], now: after(20))
    var expected = CostLedger.Account()
    expected.startUp = 20
    expected.merge = 3
    #expect(ledger.account(of: first) == expected)
    expected = CostLedger.Account()
    expected.present = 7
    #expect(ledger.account(of: second) == expected, "who stays after the end is idle")
  }

  @Test func aBudgetThatIsResumedBeginsAnew() {
    var ledger = CostLedger()
    ledger.charge([], [], now: .start)
    let crew = Crew(threadCount: 1, pricePerHour: 3_600)
    ledger.charge([crew], [Payer(job: first, stage: .scoring)], now: after(5))
    #expect(ledger.spent(by: first) == 5)
    ledger.settle(first)
    #expect(ledger.spent(by: first) == 0)
    ledger.charge([crew], [Payer(job: first, stage: .scoring)], now: after(7))
    #expect(ledger.spent(by: first) == 2)
    #expect(ledger.account(of: first).money == 7, "the job has cost both")
  }

  @Test func whatIsNotWorkIsIdle() {
    var ledger = CostLedger()
    ledger.charge([], [], now: .start)
    ledger.charge(
      [Crew(threadCount: 4, pricePerHour: 3.6)], [Payer(job: first, stage: .scoring)],
      now: after(10))
    var work = WorkAccount()
    (work.useful, work.repeated, work.backup, work.preempted) = (30, 2, 1, 3)
    let cost = JobCost(work, ledger.account(of: first), recordCount: 500_000)
    #expect(cost.idleSeconds == 4)
    #expect(cost.totalSeconds == 40)
    #expect(cost.secondsPerMillionRows == 80)
    #expect(abs((cost.money ?? 0) - 0.01) < 1e-12)
    #expect(abs((cost.moneyPerMillionRows ?? 0) - 0.02) < 1e-12)
    let none = JobCost(WorkAccount(), CostLedger.Account(), recordCount: 0)
    #expect(none.money == nil && none.secondsPerMillionRows == nil && none.totalSeconds == 0)
  }
}
