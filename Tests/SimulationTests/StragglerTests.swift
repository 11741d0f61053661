import Simulation
import Testing

/// One of eight workers at a tenth of its speed costs the job little.
struct StragglerTests {
  /// The bound of the issue; without relief these jobs take two to eight times as long.
  private static let bound = 1.3

  @Test(arguments: [
    // Blocks, milliseconds for one: a long job, a short one, slow blocks, few of them.
    (4_096, 100), (2_048, 50), (512, 500), (256, 1_000), (128, 2_000), (8_192, 20),
  ])
  func aSlowWorkerCostsLittle(blockCount: Int, milliseconds: Int) throws {
    for seed in 1...3 as ClosedRange<UInt64> {
      var model = StragglerModel()
      model.blockCount = blockCount
      model.blockTime = .milliseconds(milliseconds)
      model.seed = seed
      let undisturbed = try #require(model.duration())
      model.slowness = 10
      let disturbed = try #require(model.duration())
      let ratio = disturbed / undisturbed
      #expect(ratio <= Self.bound, "seed \(seed): \(undisturbed) and \(disturbed)")
    }
  }
}
