import Foundation
import Models
import Scoring
import Testing

/// What a model says that is not one, or not a sound one.
struct MalformedModelTests {
  /// One way to spoil a sound model.
  struct Damage: CustomTestStringConvertible, Sendable {
    var fixture = "missing_nan"
    let old: String
    let new: String
    var code = ModelError.Code.malformed
    /// Words that the error's context must hold.
    let context: [String]

    var testDescription: String { "\(old.prefix(30)) becomes \(new.prefix(30))" }
  }

  static let damages: [Damage] = [
    Damage(old: "tree\nversion", new: "forest\nversion", code: .notAModel, context: ["line 1"]),
    Damage(old: "version=v4", new: "version=v9", code: .unsupported, context: ["line 2", "v9"]),
    Damage(old: "num_class=1\n", new: "", context: ["header", "num_class"]),
    Damage(old: "num_class=1\n", new: "num_class=-1\n", context: ["line 3", "num_class", "-1"]),
    Damage(old: "num_class=1\n", new: "num_class=nan\n", context: ["num_class", "not an integer"]),
    Damage(old: "num_class=1\n", new: "num_class=2\n", code: .unsupported, context: ["2 outputs"]),
    Damage(
      old: "num_class=1\nnum_tree_per_iteration=1",
      new: "num_class=5\nnum_tree_per_iteration=5", context: ["regression", "5"]),
    Damage(old: "label_index=0\n", new: "num_class=1\n", context: ["num_class", "second time"]),
    Damage(old: "max_feature_idx=5", new: "max_feature_idx=6", context: ["feature_names", "7"]),
    Damage(
      old: "max_feature_idx=5", new: "max_feature_idx=99999999999", context: ["max_feature_idx"]),
    Damage(old: "feature_names=f0 f1", new: "feature_names=f0 f0", context: ["twice"]),
    Damage(old: "feature_infos=[", new: "feature_infos=none [", context: ["feature_infos", "7"]),
    Damage(
      old: "objective=regression", new: "objective=magic", code: .unsupported,
      context: ["line 7", "magic"]),
    Damage(
      fixture: "binary", old: "sigmoid:1\n", new: "sigmoid:0\n", context: ["sigmoid", "above zero"]),
    Damage(fixture: "binary", old: " sigmoid:1\n", new: "\n", context: ["sigmoid is missing"]),
    Damage(
      fixture: "multiclass", old: "num_class:3", new: "num_class:4", context: ["num_class is 4"]),
    Damage(
      old: "tree_sizes=", new: "tree_sizes=1 ", code: .truncated, context: ["tree_sizes", "13"]),
    Damage(old: "Tree=3", new: "Tree=4", context: ["Tree", "expected 3"]),
    Damage(old: "Tree=0\nnum_leaves=7", new: "Tree=0", context: ["tree 0", "num_leaves"]),
    Damage(
      old: "Tree=0\nnum_leaves=7", new: "Tree=0\nnum_leaves=8",
      context: ["tree 0", "leaf_value", "7 values instead of 8"]),
    Damage(
      old: "Tree=0\nnum_leaves=7", new: "Tree=0\nnum_leaves=6",
      context: ["tree 0", "leaf_value", "more than the expected 6"]),
    Damage(
      old: "Tree=0\nnum_leaves=7", new: "Tree=0\nnum_leaves=2000000000",
      context: ["tree 0", "leaf_value", "7 values"]),
    Damage(old: "Tree=0\nnum_leaves=7", new: "Tree=0\nnum_leaves=0", context: ["num_leaves"]),
    Damage(
      old: "Tree=0\nnum_leaves=7\nnum_cat=0", new: "Tree=0\nnum_leaves=7\nnum_cat=1",
      context: ["tree 0", "cat_boundaries"]),
    Damage(old: "left_child=", new: "left_child=0 ", context: ["left_child", "more than"]),
    Damage(old: "right_child=", new: "wrong_child=", context: ["tree 0", "right_child"]),
    Damage(old: "decision_type=", new: "decision_type=x", context: ["decision_type", "integer"]),
    Damage(old: "threshold=", new: "threshold=0x", context: ["threshold", "not a number"]),
    Damage(old: "threshold=", new: "threshold=nan ", context: ["threshold", "NaN"]),
    Damage(old: "leaf_value=", new: "leaf_value=nan ", context: ["leaf_value", "NaN"]),
    Damage(old: "leaf_count=", new: "leaf_count=nan ", context: ["leaf_count", "integer"]),
    Damage(old: "split_feature=", new: "split_feature=6 ", context: ["split_feature", "6 is not"]),
    Damage(old: "is_linear=0", new: "is_linear=1", context: ["tree 0", "leaf_const"]),
    Damage(
      fixture: "linear", old: "num_features=", new: "num_features=9 ",
      context: ["num_features"]),
    Damage(
      fixture: "categories", old: "cat_boundaries=0 ", new: "cat_boundaries=1 ",
      context: ["cat_boundaries", "does not rise"]),
    Damage(
      fixture: "categories", old: "cat_threshold=", new: "cat_threshold=4294967296 ",
      context: ["cat_threshold", "4294967296"]),
    Damage(
      fixture: "pandas", old: "pandas_categorical:[[", new: "pandas_categorical:[[],[",
      code: .unsupported, context: ["pandas_categorical", "5 lists", "4"]),
    Damage(
      fixture: "pandas", old: "[\"alpha\"", new: "[\"\\ud83dx\"",
      context: ["pandas_categorical", "surrogate"]),
    Damage(
      fixture: "pandas", old: "[\"alpha\"", new: "[[\"alpha\"]",
      context: ["pandas_categorical", "byte", "expected a string"]),
    Damage(
      fixture: "pandas", old: "categorical_feature: 0,", new: "categorical_feature: 9,",
      context: ["categorical_feature", "5 features"]),
  ]

  @Test(arguments: damages)
  func isRefusedWithItsPlace(damage: Damage) throws {
    let fixture = Fixture.named(damage.fixture)
    let text = String(decoding: try fixture.modelBytes(), as: UTF8.self)
    let place = try #require(text.range(of: damage.old), "nothing to spoil")
    let spoiled = text.replacingCharacters(in: place, with: damage.new)
    let error = try #require(throws: ModelError.self) { try Model(lightGBM: Array(spoiled.utf8)) }
    #expect(error.code == damage.code, "\(error.context)")
    for words in damage.context { #expect(error.context.contains(words), "\(error.context)") }
  }

  /// A cut text is never taken for the whole model.
  ///
  /// Only between `end of trees` and the parameters, and between these and the last line, does
  /// nothing tell that there was more.
  @Test func truncatedModelsAreRefused() throws {
    let bytes = try Fixture.named("pandas").modelBytes()
    func place(_ words: String) throws -> Int {
      try #require(bytes.indices.first { bytes[$0...].starts(with: Array(words.utf8)) })
    }
    let treesEnd = try place("end of trees") + "end of trees".utf8.count
    let parameters = try place("parameters:\n") + "parameters:\n".utf8.count
    let parametersEnd = try place("end of parameters") + "end of parameters".utf8.count
    let categories = try place("pandas_categorical")
    for range in [0..<treesEnd, parameters..<parametersEnd, categories + 1..<bytes.count - 1] {
      for count in range {
        let isRefused: Bool
        do throws(ModelError) {
          _ = try Model(lightGBM: Array(bytes[..<count]))
          isRefused = false
        } catch {
          isRefused = error.code != .limitExceeded && error.code != .columnsDiffer
        }
        #expect(isRefused, "cut after \(count) bytes")
      }
    }
    _ = try Model(lightGBM: Array(bytes[..<(bytes.count - 1)]))  // without the last line's end
  }

  @Test func linksMustFormATree() throws {
    func model(left: String, right: String) -> [UInt8] {
      Array(
        """
        tree
        version=v4
        num_class=1
        num_tree_per_iteration=1
        label_index=0
        max_feature_idx=0
        objective=regression
        feature_names=x
        feature_infos=[0:1]
        tree_sizes=208

        Tree=0
        num_leaves=4
        num_cat=0
        split_feature=0 0 0
        threshold=1 2 3
        decision_type=2 2 2
        left_child=\(left)
        right_child=\(right)
        leaf_value=1 2 3 4
        shrinkage=1


        end of trees

        """.utf8)
    }
    _ = try Model(lightGBM: model(left: "1 2 -1", right: "-4 -3 -2"))
    for (left, right, message) in [
      ("1 1 -1", "-4 -3 -2", "split 1 is reached twice"),
      ("0 2 -1", "-4 -3 -2", "split 0 is reached twice"),
      ("1 0 -1", "-4 -3 -2", "split 0 is reached twice"),
      ("-1 2 1", "-4 -3 -2", "split 1 is never reached"),
      ("1 2 -1", "-1 -3 -2", "leaf 0 is reached twice"),
      ("1 2 -1", "-5 -3 -2", "-5 is not in"),
      ("1 3 -1", "-4 -3 -2", "3 is not in"),
    ] {
      let error = try #require(throws: ModelError.self) {
        try Model(lightGBM: model(left: left, right: right))
      }
      #expect(error.code == .malformed)
      #expect(error.context.contains(message) && error.context.contains("tree 0"), "\(error)")
    }
  }
}
