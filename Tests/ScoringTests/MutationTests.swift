import Models
import Scoring
import Testing

/// Damaged models are refused or scored, but never crash.
struct MutationTests {
  @Test(arguments: Fixture.all.filter { $0.name != "categories_large" })
  func damagedModelsNeverCrash(fixture: Fixture) throws {
    let sound = try fixture.modelBytes()
    var generator = SplitMix(
      state: fixture.name.utf8.reduce(7) { $0 &* 31 &+ UInt64($1) })
    var scratch = ScoringScratch()
    var refused = 0
    for _ in 0..<80 {
      var bytes = sound
      for _ in 0...Int.random(in: 0..<3, using: &generator) {
        bytes = mutate(bytes, using: &generator)
      }
      do throws(ModelError) {
        let model = try Model(lightGBM: bytes)
        #expect(model.inputs.count < 1_000 && model.outputCount < 1_000)
        let values = [0, 1, -1, 3, 1e9, -1e9, .nan, .infinity, -0.5, 1e-36]
        let features = (0..<model.inputs.count * 10).map { _ in
          values.randomElement(using: &generator) ?? 0
        }
        let scores = model.scores(
          features, stride: 10, rowCount: 10, mode: .transformed, scratch: &scratch)
        #expect(scores.count == 10 * model.outputCount)
      } catch {
        #expect(!error.context.isEmpty && error.context.utf8.count < 4_000)
        refused += 1
      }
    }
    #expect(refused > 10, "the mutations hardly damage anything")
  }

  /// One flipped bit, cut, swap of lines, repeated or lost line, or changed number.
  private func mutate(_ bytes: [UInt8], using generator: inout SplitMix) -> [UInt8] {
    guard bytes.count > 10 else { return bytes }
    // The header and the trees are about the first two thirds; parameters hardly matter.
    let place = Int.random(in: 0..<bytes.count * 2 / 3, using: &generator)
    var mutated = bytes
    switch Int.random(in: 0..<7, using: &generator) {
    case 0: mutated[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
    case 1: mutated.removeSubrange(place...)
    case 2, 3:
      var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
      let (first, second) = (
        Int.random(in: 0..<lines.count / 2, using: &generator),
        Int.random(in: 0..<lines.count / 2, using: &generator)
      )
      if Bool.random(using: &generator) {
        lines.swapAt(first, second)
      } else {
        lines[first] = lines[second]
      }
      mutated = Array(lines.joined(separator: [UInt8(ascii: "\n")]))
    case 4: mutated.remove(at: place)
    default:
      guard
        let digit = bytes[place...].firstIndex(where: {
          UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0
        })
      else { return bytes }
      let numbers = [
        "", "-1", "-2", "7", "99", "2147483648", "1e308", "nan", "-", "18446744073709551616",
      ]
      let number = numbers.randomElement(using: &generator) ?? ""
      mutated.replaceSubrange(digit...digit, with: Array(number.utf8))
    }
    return mutated
  }
}

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}
