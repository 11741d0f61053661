import Digests

/// Which shards of a published job are scored again.
package enum ShardSample {
  /// Draws shards: the same for the same job, share and seed.
  ///
  /// Floyd's way ("A sample of brilliance", Bentley and Floyd, 1987), whose memory is that of the
  /// sample; the numbers are those of SplitMix64 from the SHA-256 of the job and the seed.
  ///
  /// - Parameters:
  ///   - share: Above 0, at most 1; rounded up to whole shards, and one at least.
  ///   - count: Shards of the job.
  ///   - job: The job's id.
  ///   - seed: Another one draws other shards.
  /// - Returns: In rising order; none where there are none.
  package static func draw(
    _ share: Double, of count: Int, job: String, seed: UInt64
  ) -> [Int] {
    guard count > 0 else { return [] }
    let wanted = min(count, max(1, Int((share * Double(count)).rounded(.up))))
    guard wanted < count else { return Array(0..<count) }
    var generator = Generator(job: job, seed: seed)
    var drawn: Set<Int> = []
    for last in count - wanted..<count {
      let shard = Int.random(in: 0...last, using: &generator)
      drawn.insert(drawn.contains(shard) ? last : shard)
    }
    return drawn.sorted()
  }

  /// Reads a share such as `10%`, `0.5 %` or `100`.
  ///
  /// - Returns: From above 0 to 1; `nil` for anything else.
  package static func share(_ text: String) -> Double? {
    var digits = text.filter { $0 != " " }
    if digits.hasSuffix("%") { digits.removeLast() }
    guard digits.allSatisfy({ $0.isASCII && ($0.isNumber || $0 == ".") }),
      let percent = Double(digits), percent > 0, percent <= 100
    else { return nil }
    return percent / 100
  }

  /// Reads numbers of shards such as `3,17`.
  ///
  /// - Returns: In rising order, each once; `nil` for anything else.
  package static func shards(_ text: String) -> [Int]? {
    var shards: Set<Int> = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      guard part.allSatisfy({ $0.isASCII && $0.isNumber }), let shard = Int(part) else {
        return nil
      }
      shards.insert(shard)
    }
    return shards.sorted()
  }

  /// SplitMix64 (Steele, Lea and Flood, 2014).
  private struct Generator: RandomNumberGenerator {
    private var state: UInt64

    init(job: String, seed: UInt64) {
      let digest = SHA256.digest(of: Array("\(job)\n\(seed)\n".utf8)).bytes
      state = digest.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }

    mutating func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var mixed = state
      mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
      mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
      return mixed ^ (mixed >> 31)
    }
  }
}
