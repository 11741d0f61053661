import Simulation
import Testing

/// Small runs: the benchmark finishes its job; its figures belong to `bench`, on a quiet machine.
struct LeaseBenchmarkTests {
  @Test func leasesEveryShard() {
    // Whole shards down to 65,536 blocks, quarters below, and shorter ones towards the end.
    let whole = LeaseBenchmark(shardCount: 2_000, workerCount: 2)
    #expect((976 + 4 * 1_024...5_200).contains(whole.leaseCount))
    let quarters = LeaseBenchmark(shardCount: 500, blockLimit: 16, workerCount: 2)
    #expect((2_000...2_100).contains(quarters.leaseCount))
  }
}
