/// How bad a world is; drawn from its seed, each rate zero in some worlds.
///
/// That is swarm testing (Groce, Zhang, Eide, Chen, Regehr, ISSTA 2012). Rates are chances in a million: of a message, of a fault strike, of an operation.
struct FaultRates: Sendable {
  var loss = 0
  var duplicate = 0
  var replay = 0
  var slowMessage = 0
  var partition = 0
  var coordinatorCrash = 0
  var workerCrash = 0
  var pause = 0
  var termination = 0
  var slowWorker = 0
  var spoolFull = 0
  var mergeBlocked = 0
  var damage = 0
  var userPause = 0
  var userCancel = 0
  /// Cuts that lie inside a quoted field.
  var insideField = 0
  /// Milliseconds between two fault strikes, and before the faults stop.
  var strikeInterval = 1_000
  var faultTime = 20_000

  static let none = FaultRates()

  static func drawn(using generator: inout SplitMix64) -> FaultRates {
    var rates = FaultRates()
    func rate(_ limit: Int, using generator: inout SplitMix64) -> Int {
      generator.below(2) == 0 ? 0 : generator.below(limit)
    }
    rates.loss = rate(300_000, using: &generator)
    rates.duplicate = rate(300_000, using: &generator)
    rates.replay = rate(200_000, using: &generator)
    rates.slowMessage = rate(100_000, using: &generator)
    rates.partition = rate(250_000, using: &generator)
    rates.coordinatorCrash = rate(400_000, using: &generator)
    rates.workerCrash = rate(250_000, using: &generator)
    rates.pause = rate(150_000, using: &generator)
    rates.termination = rate(100_000, using: &generator)
    rates.slowWorker = rate(600_000, using: &generator)
    rates.spoolFull = rate(200_000, using: &generator)
    rates.mergeBlocked = rate(400_000, using: &generator)
    rates.damage = rate(400_000, using: &generator)
    rates.userPause = generator.below(4) == 0 ? generator.below(200_000) : 0
    rates.userCancel = generator.below(16) == 0 ? generator.below(100_000) : 0
    rates.insideField = rate(500_000, using: &generator)
    rates.strikeInterval = generator.within(200...1_500)
    rates.faultTime = generator.within(5_000...40_000)
    return rates
  }
}
