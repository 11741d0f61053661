import Features
import Models
import Scoring
import Testing

/// Documents that say something else than a plan.
struct PlanErrorTests {
  @Test(arguments: [
    (#"{"steps":[]}"#, "version"),
    (#"{"version":2,"steps":[]}"#, "version"),
    (#"{"version":1}"#, "steps"),
    (#"{"version":1,"steps":{}}"#, "steps"),
    (#"{"version":1,"steps":[1]}"#, "steps"),
    (#"{"version":1,"steps":[],"extra":1}"#, "extra"),
    (#"{"version":1,"steps":[],"inputs":{"a":"date"}}"#, "inputs.a"),
    (#"{"version":1,"steps":[{"op":"clip"}]}"#, "steps[0]"),
    (#"{"version":1,"steps":[{"op":"clip","inputs":[]}]}"#, "steps[0]"),
    (#"{"version":1,"steps":[{"op":"clip","inputs":["a"],"outputs":["b","c"]}]}"#, "steps[0]"),
    (#"{"version":1,"steps":[{"op":"sing","inputs":["a"]}]}"#, "steps[0].op"),
  ])
  func frameErrorsNameThePath(text: String, place: String) {
    expectError(text, place)
  }

  @Test(arguments: [
    (#""op":"impute""#, "steps[0]"),
    (#""op":"impute","strategy":"guess""#, "steps[0].strategy"),
    (#""op":"impute","strategy":"constant""#, "steps[0]"),
    (#""op":"impute","strategy":"constant","value":[]"#, "steps[0].value"),
    (#""op":"impute","strategy":"mean","fitted":{"values":[1,2]}"#, "steps[0].fitted.values"),
    (#""op":"impute","strategy":"mean","fitted":{"values":[NaN]}"#, "steps[0].fitted.values"),
    (#""op":"impute","strategy":"mean","indicator":1"#, "steps[0].indicator"),
    (#""op":"scale","method":"none""#, "steps[0].method"),
    (#""op":"scale","method":"min_max","range":[1,0]"#, "steps[0].range"),
    (#""op":"scale","method":"max_abs","center":true"#, "steps[0].center"),
    (#""op":"scale","method":"robust","quantiles":[5,101]"#, "steps[0]"),
    (#""op":"scale","method":"standard","fitted":{"center":[1]}"#, "steps[0].fitted"),
    (#""op":"scale","method":"standard","fitted":{"center":["1"],"scale":[1]}"#, "fitted.center"),
    (#""op":"clip","lower":2,"upper":1"#, "steps[0]"),
    (#""op":"clip","lower":NaN"#, "steps[0]"),
    (#""op":"log","method":"log2""#, "steps[0].method"),
    (#""op":"log","method":"log1p","offset":1"#, "steps[0].offset"),
    (#""op":"power""#, "steps[0]"),
    (#""op":"power","method":"box_cox","exponent":2"#, "steps[0].exponent"),
    (#""op":"power","method":"box_cox","fitted":{"lambda":[Infinity]}"#, "fitted.lambda"),
    (#""op":"bucketize""#, "steps[0]"),
    (#""op":"bucketize","edges":[1,1]"#, "steps[0].edges"),
    (#""op":"bucketize","edges":[[1,2],[3]]"#, "steps[0].edges"),
    (#""op":"bucketize","buckets":1"#, "steps[0].buckets"),
    (#""op":"one_hot","unknown":"error""#, "steps[0].unknown"),
    (#""op":"one_hot","categories":[["a","a"]]"#, "steps[0].categories[0]"),
    (#""op":"one_hot","categories":[["a",1]]"#, "steps[0].categories[0][1]"),
    (#""op":"one_hot","categories":["a"]"#, "steps[0].categories[0]"),
    (#""op":"one_hot","categories":[[2,1,2]]"#, "steps[0].categories[0]"),
    (#""op":"ordinal","max_categories":0"#, "steps[0].max_categories"),
    (#""op":"frequency","fitted":{"categories":[["a"]],"values":[[1,2]]}"#, "fitted.values[0]"),
    (#""op":"target""#, "steps[0]"),
    (#""op":"target","target":"y","smooth":-1"#, "steps[0]"),
    (#""op":"target","target":"y","fitted":{"categories":[[]],"values":[[]]}"#, "steps[0].fitted"),
    (#""op":"hash""#, "steps[0]"),
    (#""op":"hash","buckets":1048577"#, "steps[0].buckets"),
    (#""op":"hash","buckets":4,"as":"list""#, "steps[0].as"),
    (#""op":"date_parts","parts":[]"#, "steps[0].parts"),
    (#""op":"date_parts","parts":["year","year"]"#, "steps[0].parts"),
    (#""op":"date_parts","parts":["year"],"unit":"h""#, "steps[0].unit"),
    (#""op":"cross","separator":1"#, "steps[0].separator"),
    (#""op":"lowercase","language":"tr""#, "steps[0].language"),
    (#""op":"hash_text","buckets":8,"ngrams":[2,1]"#, "steps[0].ngrams"),
    (#""op":"hash_text","buckets":8,"ngrams":[1,9]"#, "steps[0].ngrams"),
    (#""op":"hash_text","buckets":8,"analyzer":"byte""#, "steps[0].analyzer"),
    (#""op":"hash_text","buckets":8,"sublinear":true"#, "steps[0].sublinear"),
    (#""op":"tfidf","norm":"l3""#, "steps[0].norm"),
    (#""op":"tfidf","fitted":{"terms":[["a"]],"idf":[[1,2]]}"#, "steps[0].fitted.idf[0]"),
    (#""op":"tfidf","fitted":{"terms":[[1]],"idf":[[1]]}"#, "steps[0].fitted.terms[0]"),
  ])
  func stepErrorsNameThePath(members: String, place: String) {
    expectError(#"{"version":1,"steps":[{"inputs":["a"],"# + members + "}]}", place)
  }

  private func expectError(_ text: String, _ place: String) {
    let error = #expect(throws: ModelError.self) { try PreprocessPlan(Array(text.utf8)) }
    #expect(error?.context.contains(place) == true, "\(error?.context ?? "")")
  }

  /// Errors that only show when names are looked up.
  @Test(arguments: [
    (#"[{"op":"scale","method":"standard","inputs":["a"]}]"#, "not fitted"),
    (
      #"[{"op":"lowercase","inputs":["a"]},{"op":"clip","upper":1,"inputs":["a"]}]"#,
      ": clip: the input a is text"
    ),
    (
      #"[{"op":"clip","inputs":["a"],"upper":1},{"op":"lowercase","inputs":["a"]}]"#,
      "lowercase: the input a is numbers"
    ),
    (#"[{"op":"lowercase","inputs":["a"]}]"#, "the steps make text"),
    (#"[{"op":"hash","as":"index","buckets":3,"inputs":["a","b"]}]"#, "one input of text"),
  ])
  func errorsOfUseNameTheStep(steps: String, words: String) throws {
    let text = #"{"version":1,"steps":"# + steps + "}"
    let plan = try PreprocessPlan(Array(text.utf8))
    let error = #expect(throws: ModelError.self) {
      try PreprocessingScorer(plan, before: EchoScorer(names: ["a"]))
    }
    #expect(error?.context.contains(words) == true, "\(error?.context ?? "")")
  }

  @Test func tooManyColumnsAreRefused() throws {
    let step = #"{"op":"hash","buckets":1048576,"inputs":["a"],"outputs":["h"]}"#
    let text = #"{"version":1,"steps":["# + [step, step, step].joined(separator: ",") + "]}"
    let plan = try PreprocessPlan(Array(text.utf8))
    let error = #expect(throws: ModelError.self) {
      try PreprocessingScorer(plan, before: EchoScorer(names: ["h_1"]))
    }
    #expect(error?.code == .limitExceeded)
  }

  @Test func featuresHaveToBeAsMany() throws {
    let text = #"{"version":1,"steps":[],"features":["a","b"]}"#
    let plan = try PreprocessPlan(Array(text.utf8))
    let error = #expect(throws: ModelError.self) {
      try PreprocessingScorer(plan, before: EchoScorer(names: ["a"]))
    }
    #expect(error?.code == .columnsDiffer)
  }
}
