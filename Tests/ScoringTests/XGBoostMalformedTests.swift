import Foundation
import Models
import Scoring
import Testing

/// What a document says that is not a sound model of XGBoost or CatBoost.
struct XGBoostMalformedTests {
  /// One way to spoil a sound model.
  struct Damage: CustomTestStringConvertible, Sendable {
    var fixture = "xgboost/squarederror.json"
    let old: String
    let new: String
    var code = ModelError.Code.malformed
    /// Words that the error's context must hold.
    let context: [String]

    var testDescription: String { "\(fixture): \(old.prefix(30)) becomes \(new.prefix(30))" }
  }

  static let trees = "learner.gradient_booster.model.trees[0]"
  static let damages: [Damage] = [
    Damage(
      old: "\"version\":[3", new: "\"version\":[4", code: .unsupported, context: ["version", "4.2"]),
    Damage(old: "\"version\":[3,2,0]", new: "\"version\":[3]", context: ["three numbers"]),
    Damage(
      old: "\"objective\":{\"name\":\"reg:squarederror\"",
      new: "\"objective\":{\"name\":\"reg:magic\"", code: .unsupported,
      context: ["learner.objective.name", "reg:magic"]),
    Damage(
      old: "\"name\":\"gbtree\"", new: "\"name\":\"gbforest\"", code: .unsupported,
      context: ["learner.gradient_booster.name", "gbforest"]),
    Damage(
      old: "\"base_score\":\"[", new: "\"base_score\":\"[7,", context: ["base_score", "2 numbers"]),
    Damage(
      old: "\"base_score\":\"[", new: "\"base_score\":\"[x", context: ["base_score", "as text"]),
    Damage(
      old: "\"base_score\":\"[", new: "\"base_score\":\"[NaN,", context: ["base_score", "finite"]),
    Damage(
      fixture: "xgboost/logistic.json", old: "\"base_score\":\"[3E-1]",
      new: "\"base_score\":\"[3E0]",
      context: ["base_score", "reg:logistic"]),
    Damage(
      old: "\"num_feature\":\"5\",\"num_target\"",
      new: "\"num_feature\":\"99999999\",\"num_target\"",
      context: ["num_feature", "99999999"]),
    Damage(
      old: "\"num_class\":\"0\"", new: "\"num_class\":\"-1\"",
      context: ["num_class", "-1 is not in"]),
    Damage(
      old: "\"num_class\":\"0\"", new: "\"num_class\":\"many\"",
      context: ["num_class", "integer as text"]),
    Damage(
      old: "\"feature_names\":[\"a\"", new: "\"feature_names\":[\"b\"",
      context: ["learner.feature_names[1]", "twice"]),
    Damage(
      old: "\"feature_names\":[\"a\",", new: "\"feature_names\":[",
      context: ["feature_names", "4 names"]),
    Damage(
      old: "\"tree_info\":[0,", new: "\"tree_info\":[1,", context: ["tree_info", "element 0 is 1"]),
    Damage(old: "\"tree_info\":[0,", new: "\"tree_info\":[", context: ["tree_info", "5 elements"]),
    Damage(
      old: "\"num_trees\":\"6\"", new: "\"num_trees\":\"7\"", context: ["num_trees", "6 trees"]),
    Damage(old: "\"id\":0", new: "\"id\":1", context: ["trees[1].id", "twice"]),
    Damage(old: "\"id\":0", new: "\"id\":6", context: ["trees[0].id", "6 is not in"]),
    Damage(
      old: "\"num_nodes\":\"15\"", new: "\"num_nodes\":\"14\"", context: [trees, "15 elements"]),
    Damage(
      old: "\"num_nodes\":\"15\"", new: "\"num_nodes\":\"2147483647\"",
      context: [trees, "left_children", "15 elements instead of 2147483647"]),
    Damage(
      old: "\"left_children\":[1,", new: "\"left_children\":[0,",
      context: [trees, "node 0 is reached twice"]),
    Damage(
      old: "\"left_children\":[1,", new: "\"left_children\":[2,", context: [trees, "reached twice"]),
    Damage(
      old: "\"left_children\":[1,", new: "\"left_children\":[15,",
      context: [trees + ".left_children", "element 0 is 15"]),
    Damage(
      old: "\"right_children\":[2,", new: "\"right_children\":[-1,",
      context: [trees, "no right child"]),
    Damage(
      old: "\"split_indices\":[0", new: "\"split_indices\":[5",
      context: [trees + ".split_indices", "element 0 is 5"]),
    Damage(
      old: "\"split_indices\":[0", new: "\"split_indices\":[-1",
      context: ["split_indices", "is -1"]),
    Damage(
      old: "\"split_conditions\":[", new: "\"split_conditions\":[1e,",
      context: ["split_conditions", "16 elements"]),
    Damage(
      old: "\"default_left\":[0", new: "\"default_left\":[2", context: ["default_left", "is 2"]),
    Damage(
      old: "\"default_left\":[0", new: "\"default_left\":[0.5",
      context: ["default_left", "not a number"]),
    Damage(
      old: "\"sum_hessian\":[", new: "\"sum_hessian\":[3,", context: ["sum_hessian", "16 elements"]),
    Damage(old: "\"trees\":[{", new: "\"trees\":[7,{", context: ["tree_info", "instead of 7"]),
    Damage(
      old: "\"trees\":[", new: "\"trees\":{},\"other\":[", context: ["trees", "expected an array"]),
    Damage(
      old: "\"learner_model_param\"", new: "\"learner_model_params\"",
      context: ["learner at byte", "learner_model_param is missing"]),
    Damage(
      fixture: "xgboost/categories_sets.json", old: "\"categories_sizes\":[",
      new: "\"categories_sizes\":[99999,", context: ["categories_sizes", "elements instead"]),
    Damage(
      fixture: "xgboost/categories_sets.json", old: "\"categories_nodes\":[0",
      new: "\"categories_nodes\":[14",
      context: ["node 0 is categorical"]),
    Damage(
      fixture: "xgboost/categories_sets.json", old: "\"categories\":[",
      new: "\"categories\":[16777216,", context: ["categories", "16777216"]),
    Damage(
      fixture: "xgboost/vectors.json", old: "\"size_leaf_vector\":\"3\"",
      new: "\"size_leaf_vector\":\"2\"", context: ["2 values for 3 outputs"]),
    Damage(
      fixture: "xgboost/vectors.json", old: "\"leaf_weights\":[",
      new: "\"leaf_weights\":[],\"x\":[",
      context: ["leaf_weights", "leaf 0"]),
    Damage(
      fixture: "xgboost/dart.json", old: "\"weight_drop\":[", new: "\"weight_drop\":[1,",
      context: ["12 trees", "13 weights"]),
    Damage(
      fixture: "xgboost/gblinear.json", old: "\"weights\":[", new: "\"weights\":[1,",
      context: ["weights", "7 elements instead of 6"]),
    Damage(
      fixture: "xgboost/frame_json.json", old: "\"offsets\":[0,", new: "\"offsets\":[9,",
      context: ["cats.enc[0].offsets", "below the one before"]),
    Damage(
      fixture: "catboost/rmse.json", old: "\"float_feature_index\": 0",
      new: "\"float_feature_index\": 9",
      context: ["oblivious_trees[", "no such feature"]),
    Damage(
      fixture: "catboost/rmse.json", old: "\"split_type\": \"FloatFeature\"",
      new: "\"split_type\": \"OnlineCtr\"", code: .unsupported,
      context: ["oblivious_trees[0].splits[0].split_type", "OnlineCtr"]),
    Damage(
      fixture: "catboost/rmse.json", old: "\"leaf_values\": [", new: "\"leaf_values\": [1, ",
      context: ["oblivious_trees[0].leaf_values", "17 values for 16 leaves"]),
    Damage(
      fixture: "catboost/rmse.json", old: "\"leaf_weights\": [", new: "\"leaf_weights\": [1, ",
      context: ["leaf_weights", "17 elements instead of 16"]),
    Damage(
      fixture: "catboost/rmse.json", old: "\"scale_and_bias\": [1, [",
      new: "\"scale_and_bias\": [1, [1, ",
      context: ["scale_and_bias", "2 biases for 1 outputs"]),
    Damage(
      fixture: "catboost/rmse.json", old: "\"flat_feature_index\": 0",
      new: "\"flat_feature_index\": 1",
      context: ["float_features", "column 1 stands there twice"]),
    Damage(
      fixture: "catboost/rmse_max.json", old: "AsTrue", new: "AsMaybe", code: .unsupported,
      context: ["nan_value_treatment", "AsMaybe"]),
    Damage(
      fixture: "catboost/rmse.json", old: "\"features_info\": {",
      new: "\"features_info\": {\"text_features\": [1], ", code: .unsupported,
      context: ["text_features"]),
    Damage(
      fixture: "catboost/lossguide.json", old: "\"left\": {", new: "\"lift\": {",
      context: ["trees[0]", "left is missing"]),
    Damage(
      fixture: "catboost/rmse.json", old: "\"type\": \"RMSE\"",
      new: "\"type\": \"RMSEWithUncertainty\"",
      code: .unsupported, context: ["loss_function.type", "uncertainty"]),
  ]

  @Test(arguments: damages)
  func isRefusedWithItsPlace(damage: Damage) throws {
    let url = Fixture.folder.appending(path: damage.fixture)
    let text = try String(contentsOf: url, encoding: .utf8)
    let place = try #require(text.range(of: damage.old), "nothing to spoil")
    let spoiled = text.replacingCharacters(in: place, with: damage.new)
    let error = try #require(throws: ModelError.self) { try Model(Array(spoiled.utf8)) }
    #expect(error.code == damage.code, "\(error.context)")
    for words in damage.context { #expect(error.context.contains(words), "\(error.context)") }
  }

  /// A cut file is never taken for the whole model.
  @Test(arguments: [
    "xgboost/categories_sets.json", "xgboost/frame_ubj.ubj", "catboost/lossguide.json",
    "linear/logistic_softmax.json",
  ])
  func truncatedModelsAreRefused(file: String) throws {
    let bytes = Array(try Data(contentsOf: Fixture.folder.appending(path: file)))
    // A line's end may be missing.
    let end = bytes.last == UInt8(ascii: "\n") ? bytes.count - 1 : bytes.count
    for count in stride(from: 0, to: end, by: 1 + end / 3_000) {
      let error = try #require(throws: ModelError.self) { try Model(Array(bytes[..<count])) }
      let expected: [ModelError.Code] = count < 2 ? [.notAModel, .truncated] : [.truncated]
      #expect(expected.contains(error.code), "\(count): \(error.context)")
    }
  }
}

/// How the format of a file is told.
struct ModelFormatTests {
  @Test(arguments: [
    ("xgboost/dart.json", "XGBoost JSON"), ("xgboost/vectors_ubj.ubj", "XGBoost UBJSON"),
    ("catboost/depthwise.json", "CatBoost JSON"),
    ("linear/pca.json", "plain JSON (linear, logistic, kmeans, pca)"),
    ("binary.model.txt", "LightGBM text"),
  ])
  func isToldFromTheFirstBytesAndKeys(file: String, name: String) throws {
    let bytes = Array(try Data(contentsOf: Fixture.folder.appending(path: file)))
    let model = try Model(bytes)
    #expect(model.format == name)
    if bytes.first == UInt8(ascii: "{"), name.hasSuffix("JSON"), name != "XGBoost UBJSON" {
      #expect(try Model(Array(" \n\t".utf8) + bytes).format == name)
    }
  }

  @Test(arguments: [
    ("", "an empty file", ModelError.Code.notAModel), ("PK\u{3}\u{4}", "byte 0", .notAModel),
    ("{\"a\":1,\"b\":2}", "keys a, b", .notAModel), ("{}", "keys", .notAModel),
    ("\u{0}\u{0}\u{0}?reg:squarederror......gbtree", "save_model(\"m.json\")", .unsupported),
    ("binf\u{0}", "save_model(\"m.json\")", .unsupported),
    ("CBM1xxxx", "save_model(\"m.json\", \"json\")", .unsupported),
    ("[\n  { \"nodeid\": 0,", "save_model", .unsupported),
  ])
  func othersAreRefused(text: String, words: String, code: ModelError.Code) throws {
    let error = try #require(throws: ModelError.self) { try Model(Array(text.utf8)) }
    #expect(error.code == code && error.context.contains(words), "\(error.context)")
    guard code == .notAModel else { return }
    #expect(error.context.contains("LightGBM text") && error.context.contains("CatBoost JSON"))
  }
}
