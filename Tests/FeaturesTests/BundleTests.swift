import Features
import Models
import Scoring
import Testing

/// Models with what belongs to them, in one file.
struct BundleTests {
  /// One tree on the columns `age` and `fare`, as LightGBM saves it.
  static let model = Array(
    """
    tree
    version=v4
    num_class=1
    num_tree_per_iteration=1
    label_index=0
    max_feature_idx=1
    objective=regression
    feature_names=age fare
    feature_infos=[0:100] [0:100]

    Tree=0
    num_leaves=3
    num_cat=0
    split_feature=0 1
    split_gain=1 1
    threshold=0.5 0.25
    decision_type=2 2
    left_child=1 -1
    right_child=-2 -3
    leaf_value=1 2 3
    leaf_weight=1 1 1
    leaf_count=1 1 1
    internal_value=0 0
    internal_weight=0 0
    internal_count=3 2
    is_linear=0
    shrinkage=1


    end of trees

    """.utf8)

  static let plan = Array(
    #"""
    {"version":1,"steps":[{"op":"scale","method":"min_max","inputs":["age"],
    "fitted":{"minimum":[0],"maximum":[80]}}]}
    """#.utf8)

  static func sample() throws -> Bundle {
    try Bundle(model: model, fileName: "titanic.txt", plan: plan)
  }

  @Test func aBundleIsReadAsItWasWritten() throws {
    let bundle = try Self.sample()
    let read = try Bundle(bundle.bytes)
    #expect(read.model == Self.model)
    #expect(read.preprocess == Self.plan)
    #expect(read.modelName == "model.txt")
    #expect(read.signature == bundle.signature)
    #expect(read.bytes == bundle.bytes)
    #expect(read.signature?.inputs.map(\.name) == ["age", "fare"])
    #expect(read.signature?.inputs.map(\.type) == [.number, .number])
  }

  @Test func aBundleScoresWithItsSteps() throws {
    let model = try Model(bundle: Self.sample().bytes)
    let table = Table(
      columns: ["age": .numbers([20, 40, 41, 20]), "fare": .numbers([0.2, 0.3, 0.2, .nan])],
      rowCount: 4)
    #expect(try outputs(model.scorer, width: 1, of: table) == [1, 3, 2, 1])
  }

  @Test func aPlainModelIsABundleOfItself() throws {
    let bundle = try Bundle(Self.model)
    #expect(bundle.signature == nil && bundle.bytes == Self.model)
    #expect(try Model(bundle: Self.model).inputs.map(\.name) == ["age", "fare"])
  }

  @Test func inputsMayGetNames() throws {
    let bundle = try Bundle(
      model: Self.model, fileName: "m.txt", plan: nil, columns: ["Alter", "Preis"])
    let model = try Model(bundle: bundle.bytes)
    #expect(model.inputs.map(\.name) == ["Alter", "Preis"])
    #expect(throws: ModelError.self) {
      try Bundle(model: Self.model, fileName: "m.txt", plan: nil, columns: ["Alter"])
    }
  }

  @Test func aSignatureThatSaysSomethingElseIsRefused() throws {
    let model = try Model(Self.model)
    let other = Signature(
      inputs: [ModelInput(name: "age", kind: .text)], outputs: model.outputs)
    let bundle = Bundle(model: Self.model, fileName: "m.txt", signature: other)
    let error = #expect(throws: ModelError.self) { try Model(bundle: bundle.bytes) }
    #expect(error?.context.contains("signature.json") == true)
  }

  @Test func errorsNameThePart() throws {
    let signature = try #require(try Self.sample().signature)
    let bundle = Bundle(
      model: Self.model, fileName: "m.txt", signature: signature, preprocess: Array("{}".utf8))
    let error = #expect(throws: ModelError.self) { try Model(bundle: bundle.bytes) }
    #expect(error?.context.hasPrefix("preprocess.json") == true)
  }

  @Test(arguments: [
    ["model.txt"], ["signature.json"], ["model.txt", "signature.json", "readme.md"],
    ["model.txt", "model.json", "signature.json"],
  ])
  func filesThatDoNotBelongTogetherAreRefused(names: [String]) throws {
    let signature = Signature(inputs: [], outputs: []).bytes
    let files = names.map { (name: $0, bytes: $0.hasPrefix("s") ? signature : Self.model) }
    let error = #expect(throws: ModelError.self) { try Bundle(Archive.write(files)) }
    #expect(error?.context.hasPrefix("bundle") == true)
  }

  @Test func archivesAreTheSameForTheSameFiles() {
    let one = Archive.write([("b", [1]), ("a", [])])
    #expect(one == Archive.write([("a", []), ("b", [1])]))
    #expect(one.count == 512 + 1_024 + 1_024)
  }

  /// Changes of a header that its checksum knows of.
  @Test(arguments: [
    (156, UInt8(ascii: "2")), (156, UInt8(ascii: "5")), (156, UInt8(ascii: "x")),
    (0, UInt8(ascii: "/")), (0, UInt8(ascii: ".")), (0, 0), (3, UInt8(ascii: " ")),
    (345, UInt8(ascii: "p")), (124, UInt8(ascii: "7")), (130, UInt8(ascii: "z")),
  ])
  func otherEntriesAreRefused(offset: Int, byte: UInt8) throws {
    var bytes = Archive.write([("model.txt", Self.model), ("signature.json", [])])
    bytes[offset] = byte
    var sum = 256
    for index in 0..<512 where !(148..<156).contains(index) { sum += Int(bytes[index]) }
    let digits = String(sum, radix: 8)
    let text = String(repeating: "0", count: 6 - digits.count) + digits
    bytes.replaceSubrange(148..<154, with: Array(text.utf8))
    let error = #expect(throws: ModelError.self) { try Archive(bytes) }
    #expect(error?.context.hasPrefix("archive, byte 0") == true, "\(error?.context ?? "")")
  }

  @Test func cutArchivesAreRefused() {
    let bytes = Archive.write([("model.txt", Self.model)])
    for count in [512, 700, 1_023, bytes.count - 1_024] {
      let error = #expect(throws: ModelError.self) { try Archive(Array(bytes[..<count])) }
      #expect(error?.code == .truncated)
    }
  }
}
