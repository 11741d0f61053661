import Commands
import Jobs
import Testing

/// Which job a prefix means, which name a typo means, and how workers are kept.
@Suite struct JobNamesTests {
  private let jobs = [
    JobID(0x3f9a_0000_0000_0001), JobID(0x3f9b_0000_0000_0002), JobID(0xa000_0000_0000_0003),
  ]

  private func failure(_ prefix: String) -> String? {
    do {
      _ = try JobNames.resolve(prefix, among: jobs)
      return nil
    } catch {
      return error.context
    }
  }

  @Test(arguments: [("3f9a", 0), ("3F9B", 1), ("a", 2), ("a000000000000003", 2)])
  func aUniquePrefixIsEnough(_ prefix: String, _ index: Int) throws {
    #expect(try JobNames.resolve(prefix, among: jobs) == jobs[index])
  }

  @Test func whatIsNotUniqueIsRefusedWithTheCandidates() {
    #expect(
      failure("3f9")
        == "2 jobs' ids begin with 3f9: 3f9a000000000001, 3f9b000000000002; write more of the id")
    #expect(failure("b") == "no job's id begins with b: see `nightshift list`")
    for text in ["", "xyz", "3f9a0000000000011", "+f", "３"] {
      #expect(failure(text)?.contains("is no job id") == true, "\(text)")
    }
  }

  @Test(arguments: [
    ("modle", "model"), ("MODEL", "model"), ("lables", "labels"), ("outputconfig", "outputConfig"),
    ("errorTreshold", "errorThreshold"), ("x", nil), ("somethingElse", nil), ("", nil),
  ])
  func aTypoFindsItsName(_ typo: String, _ expected: String?) {
    #expect(nearestName(to: typo, among: JobFileKeys.children(of: "")) == expected)
  }

  @Test func quickDeathsInARowEndTheRestarts() {
    var policy = RestartPolicy()
    var pauses: [Duration] = []
    for _ in 1..<Limits.quickDeathLimit {
      guard case .restart(let pause) = policy.died(afterLiving: .milliseconds(4_999)) else { break }
      pauses.append(pause)
    }
    let expected = [50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]
    #expect(pauses == expected.map { .milliseconds($0) })
    #expect(policy.died(afterLiving: .zero) == .giveUp)
  }

  @Test func aLongLifeForgivesQuickDeaths() {
    var policy = RestartPolicy()
    for _ in 0..<8 { _ = policy.died(afterLiving: .zero) }
    #expect(policy.died(afterLiving: .seconds(5)) == .restart(after: .milliseconds(50)))
    #expect(policy.quickDeathCount == 0)
    #expect(policy.died(afterLiving: .zero) == .restart(after: .milliseconds(50)))
  }

  /// Of a record that kills its workers there is an end in sight: however many of them a job has.
  @Test func deathsThatCountAgainstAShardEndNoRestarts() {
    var policy = RestartPolicy()
    _ = policy.died(afterLiving: .zero)
    for _ in 0..<30 {
      let decision = policy.died(afterLiving: .zero, isCharged: true)
      #expect(decision == .restart(after: .milliseconds(50)))
    }
    #expect(policy.quickDeathCount == 1)
  }

  @Test(arguments: [
    (8, 1, 64, 1), (8, 24, 1_000, 8), (2, 24, 1_000, 2), (8, 3, 100, 3), (8, 3, 3, 1),
    (8, 3, 5, 2), (8, 0, 0, 1), (0, 5, 50, 1),
  ])
  func workersAreAsManyAsHelp(_ cores: Int, _ shards: UInt64, _ blocks: UInt64, _ expected: Int) {
    let count = defaultWorkerCount(coreCount: cores, shardCount: shards, blockCount: blocks)
    #expect(count == expected)
  }
}
