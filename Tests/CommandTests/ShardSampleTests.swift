import Commands
import Testing

/// Which shards `verify --rescore` takes.
@Suite struct ShardSampleTests {
  @Test(
    arguments: [
      ("10%", 0.1), ("10", 0.1), ("0.5 %", 0.005), ("100%", 1), ("0", nil), ("0%", nil),
      ("101", nil), ("100.1%", nil), ("-5%", nil), ("1e1", nil), ("ten", nil), ("", nil),
      ("%", nil),
      ("nan", nil),
    ] as [(String, Double?)])
  func sharesAreRead(_ text: String, _ expected: Double?) {
    #expect(ShardSample.share(text) == expected)
  }

  @Test(
    arguments: [
      ("3,17", [3, 17]), ("5", [5]), ("9,2,9", [2, 9]), ("", nil), ("1,", nil), ("-1", nil),
      ("1 2", nil),
    ] as [(String, [Int]?)])
  func shardsAreRead(_ text: String, _ expected: [Int]?) {
    #expect(ShardSample.shards(text) == expected)
  }

  @Test func theSameJobAndSeedGiveTheSameShards() {
    let first = ShardSample.draw(0.1, of: 1_000, job: "3f9a", seed: 0)
    #expect(first.count == 100 && Set(first).count == 100 && first == first.sorted())
    #expect(first.allSatisfy { (0..<1_000).contains($0) })
    #expect(ShardSample.draw(0.1, of: 1_000, job: "3f9a", seed: 0) == first)
    #expect(ShardSample.draw(0.1, of: 1_000, job: "3f9a", seed: 1) != first)
    #expect(ShardSample.draw(0.1, of: 1_000, job: "3f9b", seed: 0) != first)
  }

  @Test func oneShardAtLeastAndAllAtMost() {
    #expect(ShardSample.draw(0.001, of: 30, job: "a", seed: 0).count == 1)
    #expect(ShardSample.draw(0.11, of: 30, job: "a", seed: 0).count == 4)
    #expect(ShardSample.draw(1, of: 30, job: "a", seed: 0) == Array(0..<30))
    #expect(ShardSample.draw(1, of: 0, job: "a", seed: 0) == [])
  }

  /// Every shard is as likely as any other.
  @Test func allShardsComeUp() {
    var counts = [Int](repeating: 0, count: 10)
    for seed in 0..<1_000 as Range<UInt64> {
      for shard in ShardSample.draw(0.3, of: 10, job: "a", seed: seed) { counts[shard] += 1 }
    }
    #expect(counts.reduce(0, +) == 3_000)
    #expect(counts.allSatisfy { (240...360).contains($0) }, "\(counts)")
  }
}
