import Foundation
import Models
import Scoring
import Testing

/// Damaged ONNX files are refused or scored, but never crash.
struct ONNXMutationTests {
  @Test(arguments: ONNXFixture.all)
  func damagedFilesNeverCrash(fixture: ONNXFixture) throws {
    let sound = try ONNXFixture.bytes(fixture.name)
    let columns = try fixture.expectation().columns
    var generator = SplitMix(
      state: fixture.name.utf8.reduce(11) { $0 &* 31 &+ UInt64($1) })
    var scratch = ScoringScratch()
    for _ in 0..<60 {
      var bytes = sound
      for _ in 0...Int.random(in: 0..<3, using: &generator) {
        mutate(&bytes, using: &generator)
      }
      do throws(ModelError) {
        let scorer = try GraphScorer(ONNXModel(bytes))
        let scores = scorer.scores(columns, rowCount: 17, scratch: &scratch)
        #expect(scores.count == 17 * scorer.outputs.reduce(0) { $0 + $1.width })
      } catch {
        #expect(!error.context.isEmpty && error.context.utf8.count < 100_000)
      }
    }
  }

  /// One flipped bit, other byte, cut, lost or repeated byte, or a piece put somewhere else.
  private func mutate(_ bytes: inout [UInt8], using generator: inout SplitMix) {
    guard bytes.count > 16 else { return }
    let place = Int.random(in: 0..<bytes.count, using: &generator)
    switch Int.random(in: 0..<8, using: &generator) {
    case 0, 1: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
    case 2: bytes[place] = [0, 1, 2, 7, 0x7f, 0x80, 0xff].randomElement(using: &generator) ?? 0
    case 3: bytes.removeSubrange(place...)
    case 4: bytes.remove(at: place)
    case 5: bytes.insert(bytes[place], at: place)
    case 6:
      // A number becomes another one of as many bytes.
      let value = Int64.random(in: .min ... .max, using: &generator)
      for index in 0..<min(8, bytes.count - place) {
        bytes[place + index] = UInt8(truncatingIfNeeded: value >> Int64(8 * index))
      }
    default:
      let count = min(bytes.count - place, Int.random(in: 1..<24, using: &generator))
      let piece = Array(bytes[place..<place + count])
      let target = Int.random(in: 0...bytes.count - count, using: &generator)
      bytes.replaceSubrange(target..<target + count, with: piece)
    }
  }

  @Test(arguments: ["op_gemm", "pipeline_logistic", "trees_mixed"])
  func cutFilesNeverCrash(name: String) throws {
    let sound = try ONNXFixture.bytes(name)
    var refusedCount = 0
    for count in 0..<sound.count where count < 2_000 || count % 7 == 0 {
      do throws(ModelError) {
        _ = try GraphScorer(ONNXModel(Array(sound[..<count])))
      } catch {
        refusedCount += 1
      }
    }
    // Only what stands after the graph may be missing.
    #expect(refusedCount > min(sound.count, 2_000) * 9 / 10)
  }

  @Test func whatIsNoModelIsRefused() throws {
    for bytes in [[], [0x08], [0x08, 0x07], Array("tree\nversion=v4".utf8), [0x3a, 0x00]] {
      let error = try #require(throws: ModelError.self) { try GraphScorer(ONNXModel(bytes)) }
      #expect(error.context.contains("ONNX"))
    }
  }
}
