import CKernels
import Foundation
import Testing

/// The kernel of ns_shap.h against LightGBM, XGBoost and the definition of Shapley values.
@Suite struct ShapKernelTests {
  static let names = [
    "lightgbm_categories", "lightgbm_deep", "lightgbm_forest", "lightgbm_missing",
    "lightgbm_multiclass", "lightgbm_single_leaf", "lightgbm_wide", "lightgbm_zero_missing",
    "xgboost_deep", "xgboost_missing", "xgboost_multiclass", "xgboost_regression",
  ]

  static let variants = [ns_isa_portable, ns_isa_avx2, ns_isa_avx512]
    .filter { $0.rawValue <= ns_isa_best().rawValue }

  @Test(arguments: names) func equalsTheLibrary(name: String) throws {
    let fixture = try ShapFixture(named: name)
    let found = try ShapExplainer(fixture.ensemble).contributions(fixture.rows)
    // XGBoost adds in float32; LightGBM in double, but divides where a path repeats a feature.
    let tolerance = name.hasPrefix("xgboost") ? 1e-6 : 1e-10
    for (row, expected) in fixture.expected.enumerated() {
      for (index, value) in expected.enumerated() {
        let error = abs(found[row][index] - value) / max(1, abs(value))
        #expect(error <= tolerance, "row \(row), contribution \(index): \(value)")
      }
    }
  }

  @Test(arguments: names) func everyVariantGivesTheSameBits(name: String) throws {
    let fixture = try ShapFixture(named: name)
    let explainer = try ShapExplainer(fixture.ensemble)
    let expected = bits(explainer.contributions(fixture.rows, isa: ns_isa_portable))
    for isa in Self.variants {
      #expect(bits(explainer.contributions(fixture.rows, isa: isa)) == expected)
    }
  }

  @Test(arguments: [1, 7, 8, 9, 16, 17, 63, 64, 65, 512, 1000])
  func bitsDoNotDependOnTheBlock(count: Int) throws {
    let fixture = try ShapFixture(named: "lightgbm_missing")
    let explainer = try ShapExplainer(fixture.ensemble)
    let alone = fixture.rows.map { explainer.contributions([$0], isa: ns_isa_portable)[0] }
    let order = (0..<count).map { ($0 * 77 + 5) % fixture.rows.count }
    for isa in Self.variants {
      let together = explainer.contributions(order.map { fixture.rows[$0] }, isa: isa)
      #expect(bits(together) == bits(order.map { alone[$0] }))
    }
  }

  @Test(arguments: ["lightgbm_multiclass", "xgboost_multiclass"])
  func outputsMayBeAskedForOneByOne(name: String) throws {
    let fixture = try ShapFixture(named: name)
    let explainer = try ShapExplainer(fixture.ensemble)
    let all = explainer.contributions(fixture.rows)
    let width = fixture.ensemble.featureCount + 1
    for output in 0..<fixture.ensemble.biases.count {
      let one = explainer.contributions(fixture.rows, outputs: output..<(output + 1))
      #expect(bits(one) == bits(all.map { Array($0[(output * width)..<((output + 1) * width)]) }))
      #expect(one[0].last == explainer.expected(output))
    }
  }

  @Test(arguments: names) func contributionsSumToTheScore(name: String) throws {
    let fixture = try ShapFixture(named: name)
    let found = try ShapExplainer(fixture.ensemble).contributions(fixture.rows)
    let width = fixture.ensemble.featureCount + 1
    for (row, ranks) in fixture.rows.enumerated() {
      for output in fixture.ensemble.biases.indices {
        let sum = found[row][(output * width)..<((output + 1) * width)].reduce(0, +)
        let score = fixture.ensemble.score(ranks, output: output)
        #expect(abs(sum - score) <= 1e-12 * max(1, abs(score)), "row \(row)")
      }
    }
  }

  @Test(arguments: 0..<60) func equalsTheDefinition(seed: Int) throws {
    var random = SplitMix(state: UInt64(seed))
    let ensemble = ShapEnsemble.random(using: &random)
    let rows = ensemble.randomRows(count: 20, using: &random)
    let found = try ShapExplainer(ensemble).contributions(rows)
    for (row, ranks) in rows.enumerated() {
      let expected = ensemble.definition(ranks)
      for (index, value) in expected.enumerated() {
        let error = abs(found[row][index] - value) / max(1, abs(value))
        #expect(error <= 1e-11, "row \(row), contribution \(index): \(value)")
      }
    }
  }

  /// Paths with more features than twice the kernel's points, where the rule is no longer exact.
  @Test(arguments: [64, 128, 129, 200, 300]) func equalsTheDefinitionOnLongPaths(count: Int) throws
  {
    let ensemble = ShapEnsemble.chain(featureCount: count)
    let satisfied = (0..<count).map { UInt8($0 % 5 == 0 ? 1 : 0) }
    let rows = [satisfied, Array(repeating: 0, count: count), Array(repeating: 1, count: count)]
    let found = try ShapExplainer(ensemble).contributions(rows)
    for (row, ranks) in rows.enumerated() {
      let expected = ensemble.definition(ranks)
      let scale = expected.map(abs).max() ?? 0
      for (index, value) in expected.enumerated() {
        #expect(abs(found[row][index] - value) <= 1e-11 * scale, "row \(row), feature \(index)")
      }
    }
  }

  @Test func memoryIsBoundedByTheModel() throws {
    for name in Self.names {
      let ensemble = try ShapFixture(named: name).ensemble
      let points = 64 * 3 * 8 * 8
      #expect(try ShapExplainer(ensemble).byteCount <= 128 * ensemble.nodes.count + points + 1024)
    }
  }
}

/// What the builder refuses, and that no damage makes it trap.
@Suite struct ShapRefusalTests {
  struct Damage: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let status: ns_shap_status
    let make: @Sendable (inout ShapEnsemble) -> Void
  }

  static let damages = [
    Damage(testDescription: "child out of range", status: ns_shap_bad_index) {
      $0.nodes[0].left = 5
    },
    Damage(testDescription: "one child", status: ns_shap_bad_index) { $0.nodes[0].left = 0 },
    Damage(testDescription: "child twice", status: ns_shap_bad_index) { $0.nodes[0].left = 2 },
    Damage(testDescription: "cycle", status: ns_shap_bad_index) {
      ($0.nodes[1].left, $0.nodes[1].right) = (1, 2)
    },
    Damage(testDescription: "unreachable", status: ns_shap_bad_index) {
      ($0.nodes[2].left, $0.nodes[2].right) = (0, 0)
    },
    Damage(testDescription: "feature", status: ns_shap_bad_index) { $0.nodes[0].feature = 2 },
    Damage(testDescription: "column", status: ns_shap_bad_index) { $0.nodes[0].column = 2 },
    Damage(testDescription: "rank", status: ns_shap_bad_index) { $0.nodes[0].rank = 256 },
    Damage(testDescription: "output", status: ns_shap_bad_index) { $0.trees[0].output = 1 },
    Damage(testDescription: "first node", status: ns_shap_bad_index) {
      $0.trees[0].first_node = .max
    },
    Damage(testDescription: "node count", status: ns_shap_bad_index) {
      $0.trees[0].node_count = .max
    },
    Damage(testDescription: "shared nodes", status: ns_shap_bad_index) {
      $0.trees.append($0.trees[0])
    },
    Damage(testDescription: "no nodes", status: ns_shap_bad_index) { $0.trees[0].node_count = 0 },
    Damage(testDescription: "negative cover", status: ns_shap_bad_cover) {
      $0.nodes[1].cover = -1
    },
    Damage(testDescription: "NaN cover", status: ns_shap_bad_cover) { $0.nodes[3].cover = .nan },
    Damage(testDescription: "infinite cover", status: ns_shap_bad_cover) {
      ($0.nodes[0].cover, $0.nodes[1].cover) = (.infinity, .infinity)
    },
    Damage(testDescription: "no cover", status: ns_shap_bad_cover) {
      for index in $0.nodes.indices { $0.nodes[index].cover = 0 }
    },
    Damage(testDescription: "covers that do not sum", status: ns_shap_bad_cover) {
      $0.nodes[0].cover *= 1.01
    },
  ]

  /// Two splits: root, leaf, split, leaf, leaf.
  static let intact = ShapEnsemble(
    nodes: [
      .split(cover: 8, left: 1, right: 2, column: 0, feature: 0, rank: 0),
      .leaf(cover: 2, value: 1),
      .split(cover: 6, left: 3, right: 4, column: 1, feature: 1, rank: 0),
      .leaf(cover: 3, value: 2), .leaf(cover: 3, value: 4),
    ],
    trees: [ns_shap_tree(first_node: 0, node_count: 5, output: 0)], biases: [0], featureCount: 2,
    columnCount: 2)

  @Test(arguments: damages) func refuses(damage: Damage) throws {
    _ = try ShapExplainer(Self.intact)
    var ensemble = Self.intact
    damage.make(&ensemble)
    let refusal = #expect(throws: ShapRefusal.self) { try ShapExplainer(ensemble) }
    #expect(refusal?.status == damage.status.rawValue)
  }

  @Test func refusesWhatIsTooDeep() throws {
    for ensemble in [ShapEnsemble.chain(featureCount: 513), .chain(featureCount: 3, depth: 4097)] {
      let refusal = #expect(throws: ShapRefusal.self) { try ShapExplainer(ensemble) }
      #expect(refusal?.status == ns_shap_too_deep.rawValue)
    }
    _ = try ShapExplainer(.chain(featureCount: 512))
    _ = try ShapExplainer(.chain(featureCount: 3, depth: 4096))
  }

  @Test(arguments: 0..<20) func survivesDamage(seed: Int) {
    var random = SplitMix(state: UInt64(seed))
    var refusalCount = 0
    for _ in 0..<200 {
      var ensemble = ShapEnsemble.random(using: &random)
      for _ in 0..<Int.random(in: 1...3, using: &random) { ensemble.damage(using: &random) }
      do {
        let explainer = try ShapExplainer(ensemble)
        let rows = ensemble.randomRows(count: 3, using: &random)
        #expect(explainer.contributions(rows).count == rows.count)
      } catch {
        refusalCount += 1
      }
    }
    #expect((20..<180).contains(refusalCount))
  }
}

private func bits(_ rows: [[Double]]) -> [[UInt64]] { rows.map { $0.map(\.bitPattern) } }
