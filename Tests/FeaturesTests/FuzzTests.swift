import Features
import Models
import Scoring
import Testing

/// Damaged plans, states and bundles are refused or used, but never crash.
struct FuzzTests {
  @Test(arguments: FeatureCase.all)
  func damagedPlansNeverCrash(item: FeatureCase) throws {
    let content = try item.read()
    var generator = SplitMix(state: item.name.utf8.reduce(7) { $0 &* 31 &+ UInt64($1) })
    let table = content.apply.rows(0..<min(10, content.apply.rowCount))
    var refused = 0
    for _ in 0..<40 {
      var bytes = content.plan
      for _ in 0...Int.random(in: 0..<3, using: &generator) {
        bytes = mutate(bytes, using: &generator)
      }
      do {
        let plan = try PreprocessPlan(bytes)
        let scorer = try PreprocessingScorer(plan, before: EchoScorer(width: content.width))
        guard Self.fits(scorer.inputs, table) else { continue }
        _ = try outputs(scorer, width: content.width, of: table)
      } catch let error as ModelError {
        #expect(!error.context.isEmpty && error.context.utf8.count < 4_000)
        refused += 1
      }
    }
    #expect(refused > 5, "the mutations hardly damage anything")
  }

  private static func fits(_ inputs: [ModelInput], _ table: Table) -> Bool {
    inputs.allSatisfy { input in
      switch table.columns[input.name] {
      case .numbers?: !input.isText
      case .texts?: input.isText
      case nil: false
      }
    }
  }

  @Test(arguments: ["scale_robust", "one_hot", "target", "tfidf_bigrams"])
  func damagedStatesNeverCrash(name: String) throws {
    let content = try #require(FeatureCase.all.first { $0.name == name }).read()
    let fitting = try #require(try Fitting.next(of: PreprocessPlan(unfitted(content.plan))))
    var state = fitting.emptyState
    try add(content.fit, to: &state)
    var generator = SplitMix(state: 11)
    var refused = 0
    for _ in 0..<80 {
      let bytes = mutate(state.encoded, using: &generator)
      var total = fitting.emptyState
      do throws(ModelError) {
        try total.merge(encoded: bytes)
        _ = try total.finish()
      } catch {
        #expect(!error.context.isEmpty)
        refused += 1
      }
    }
    #expect(refused > 10)
  }

  /// Counts that no table has would overflow once several states are added up.
  @Test(arguments: [
    #"[{"rows":281474976710657,"sketch":{"exact":[],"weights":[],"levels":[],"turns":[]}}]"#,
    #"[{"rows":1,"sketch":{"exact":[1],"weights":[2],"levels":[],"turns":[]}}]"#,
    #"[{"rows":9,"sketch":{"exact":[1,2],"weights":[9007199254740991,9007199254740991],"#
      + #""levels":[],"turns":[]}}]"#,
    #"[{"rows":9,"sketch":{"exact":[],"weights":[],"levels":[[],[],[],[1,2]],"#
      + #""turns":[0,0,0,0]}}]"#,
  ]) func statesOfImpossibleCountsAreRefused(state: String) throws {
    let plan = #"{"version":1,"steps":[{"op":"scale","inputs":["a"],"method":"robust"}]}"#
    var total = try #require(try Fitting.next(of: PreprocessPlan(Array(plan.utf8)))).emptyState
    #expect(throws: ModelError.self) { try total.merge(encoded: Array(state.utf8)) }
  }

  @Test func statesOfTooManyRowsTogetherAreRefused() throws {
    let plan = #"{"version":1,"steps":[{"op":"scale","inputs":["a"],"method":"robust"}]}"#
    var total = try #require(try Fitting.next(of: PreprocessPlan(Array(plan.utf8)))).emptyState
    let state =
      #"[{"rows":281474976710656,"sketch":{"exact":[1],"weights":[9],"levels":[],"turns":[]}}]"#
    try total.merge(encoded: Array(state.utf8))
    #expect(throws: ModelError.self) { try total.merge(encoded: Array(state.utf8)) }
  }

  @Test func damagedBundlesNeverCrash() throws {
    let bytes = try BundleTests.sample().bytes
    var generator = SplitMix(state: 5)
    var refused = 0
    for _ in 0..<2_000 {
      var damaged = mutate(bytes, using: &generator)
      // Most of an archive is zeros: the headers are what matters.
      let header = [0, 1_024].randomElement(using: &generator) ?? 0
      let place = header + Int.random(in: 0..<512, using: &generator)
      if place < damaged.count { damaged[place] = .random(in: 0...255, using: &generator) }
      do {
        let bundle = try Bundle(damaged)
        #expect(bundle.model.count <= damaged.count)
      } catch {
        #expect(!error.context.isEmpty && error.context.utf8.count < 4_000)
        refused += 1
      }
    }
    #expect(refused > 500)
  }

  /// One flipped bit, cut, lost byte, or changed number or word.
  private func mutate(_ bytes: [UInt8], using generator: inout SplitMix) -> [UInt8] {
    guard bytes.count > 10 else { return bytes }
    let place = Int.random(in: 0..<bytes.count, using: &generator)
    var mutated = bytes
    switch Int.random(in: 0..<8, using: &generator) {
    case 0: mutated[place] ^= 1 << UInt8.random(in: 0..<7, using: &generator)
    case 1: mutated.removeSubrange(place...)
    case 2: mutated.remove(at: place)
    case 3:
      let other = Int.random(in: 0..<bytes.count, using: &generator)
      mutated.swapAt(place, other)
    case 4:
      let end = min(bytes.count, place + Int.random(in: 1..<30, using: &generator))
      mutated.insert(contentsOf: bytes[place..<end], at: place)
    default:
      let isDigit: (UInt8) -> Bool = { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }
      guard let digit = bytes[place...].firstIndex(where: isDigit) else { return bytes }
      let words = ["-1", "0", "99", "1e308", "NaN", "-Infinity", "null", "\"a\"", "[]", "1048576"]
      let end = bytes[digit...].firstIndex { !isDigit($0) } ?? bytes.count
      let word = words.randomElement(using: &generator) ?? ""
      mutated.replaceSubrange(digit..<end, with: Array(word.utf8))
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
