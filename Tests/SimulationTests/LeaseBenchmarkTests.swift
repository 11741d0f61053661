import Simulation
import Testing

/// Small runs: the benchmark finishes its job; its figures belong to `bench`, on a quiet machine.
struct LeaseBenchmarkTests {
  @Test func leasesEveryShard() {
    // More leases than shards, because leases get shorter towards the end.
    let whole = LeaseBenchmark(shardCount: 2_000, workerCount: 2)
    #expect((2_000...2_100).contains(whole.leaseCount))
    let quarters = LeaseBenchmark(shardCount: 500, blockLimit: 16, workerCount: 2)
    #expect((2_000...2_100).contains(quarters.leaseCount))
  }
}
