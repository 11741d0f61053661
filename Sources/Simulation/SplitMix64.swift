/// A generator whose whole state is its seed (Steele, Lea, Flood, "Fast Splittable Pseudorandom
/// Number Generators", 2014).
struct SplitMix64: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) {
    state = seed
  }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    return mixed(state)
  }

  /// A number below `bound`; the bias of the modulus does not matter here, speed does.
  mutating func below(_ bound: Int) -> Int {
    Int(truncatingIfNeeded: next() >> 1) % max(1, bound)
  }

  mutating func within(_ range: ClosedRange<Int>) -> Int {
    range.lowerBound + below(range.count)
  }

  /// Whether something happens that does so this often in a million.
  mutating func chance(_ perMillion: Int) -> Bool {
    perMillion > 0 && below(1_000_000) < perMillion
  }
}

/// SplitMix64's finaliser: every bit of the result depends on every bit of the word.
func mixed(_ word: UInt64) -> UInt64 {
  var mixed = word
  mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
  mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
  return mixed ^ (mixed >> 31)
}
