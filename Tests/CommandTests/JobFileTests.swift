import Commands
import Foundation
import Jobs
import Testing

/// What job files are understood to say, and how they are refused.
@Suite struct JobFileTests {
  private func request(_ text: String) throws -> JobRequest {
    try JobFile.parse(text, name: "job.yaml", folder: "/jobs").finished(from: "job.yaml")
  }

  /// The refusal's lines without the first.
  private func problems(_ text: String) -> [String] {
    do {
      _ = try request(text)
      return []
    } catch let error as CommandError {
      let lines = error.context.split(separator: "\n").map(String.init)
      guard lines.count > 1 else { return lines }
      return lines.dropFirst().map { String($0.drop { $0 == " " }) }
    } catch {
      return ["\(error)"]
    }
  }

  private static let whole = """
    displayName: churn of March
    model: models/churn.txt
    inputConfig:
      instancesFormat: csv
      uris: [customers/*.csv, /data/more.csv.gz, "file:///data/last.csv"]
      delimiter: ";"
      nullWords: [NA, "null", ""]
      schema: {age: integer}
      filter: age >= 18
      onParseError: "null"
      hivePartitioning: true
      allowEmpty: true
    instanceConfig:
      instanceType: object
      excludedFields: [name]
    outputConfig:
      predictionsFormat: csv
      compression: none
      uri: ./predictions/
      errorsUri: s3://bucket/errors/
      table: scores
      writeMode: upsert
      upsertKeys: [id]
      outputFields: [probabilities]
      topK: 3
    dedicatedResources:
      maxReplicaCount: 4
      startingReplicaCount: 2
      machineSpec:
        machineType: big
      spot: true
      deadline: 2h
      budget: 12.5
    modelParameters:
      rawScore: true
      fastSums: true
    generateExplanation: true
    labels: {team: growth, cost: 17}
    errorThreshold: -1
    blockByteCount: 65536
    """

  private var wholeRequest: JobRequest {
    var expected = JobRequest(
      displayName: "churn of March", model: "/jobs/models/churn.txt",
      inputConfig: .init(
        uris: ["/jobs/customers/*.csv", "/data/more.csv.gz", "/data/last.csv"]),
      outputConfig: .init(uri: "/jobs/predictions"))
    expected.inputConfig.delimiter = ";"
    expected.inputConfig.nullWords = ["NA", "null", ""]
    expected.inputConfig.schema = ["age": .integer]
    expected.inputConfig.filter = "age >= 18"
    expected.inputConfig.onParseError = .null
    expected.inputConfig.hivePartitioning = true
    expected.inputConfig.allowEmpty = true
    expected.outputConfig.errorsUri = "s3://bucket/errors/"
    expected.outputConfig.table = "scores"
    expected.outputConfig.writeMode = .upsert
    expected.outputConfig.upsertKeys = ["id"]
    expected.outputConfig.outputFields = ["probabilities"]
    expected.outputConfig.topK = 3
    expected.instanceConfig.instanceType = .object
    expected.instanceConfig.excludedFields = ["name"]
    expected.outputConfig.predictionsFormat = .csv
    expected.outputConfig.compression = .none
    expected.dedicatedResources.maxReplicaCount = 4
    expected.dedicatedResources.startingReplicaCount = 2
    expected.dedicatedResources.machineSpec = .init(machineType: "big")
    expected.dedicatedResources.spot = true
    expected.dedicatedResources.deadline = .after(seconds: 7_200)
    expected.dedicatedResources.budget = 12.5
    expected.modelParameters.rawScore = true
    expected.modelParameters.fastSums = true
    expected.generateExplanation = true
    expected.labels = ["team": "growth", "cost": "17"]
    expected.errorThreshold = -1
    expected.blockByteCount = 65_536
    return expected
  }

  @Test func everyKeyIsRead() throws {
    #expect(try request(Self.whole) == wholeRequest)
  }

  @Test func everyKnownKeyIsInTheWholeFile() throws {
    let names = JobFileKeys.all.compactMap { $0.split(separator: ".").last.map(String.init) }
    let missing = names.filter { !Self.whole.contains($0 + ":") }
    // They exclude excludedFields; a query is asked of a database.
    #expect(missing.sorted() == ["includedFields", "keyField", "query", "splitColumn"])
  }

  /// A folder, a prefix of a store or, in a database, a table.
  @Test func errorsHaveAPlaceOfTheirOwn() throws {
    for (output, errors, place) in [
      ("o", "errors", "/jobs/errors"), ("o", "/e/", "/e"), ("o", "file:///e", "/e"),
      ("o", "gs://b/e", "gs://b/e"), ("s3://b/o", "errors", "/jobs/errors"),
      ("sqlite:///d.db?table=t", "errors", "errors"),
    ] {
      let found = try request(
        "{model: m, inputConfig: {uris: [a]}, outputConfig: {uri: \"\(output)\", errorsUri: "
          + "\"\(errors)\"}}")
      #expect(found.outputConfig.errorsUri == place, "\(output) \(errors)")
    }
    for (output, errors, problem) in [
      ("o", "http://h/e", "http:// is not supported; use a local path or s3://, gs://"),
      (
        "sqlite:///d.db?table=t", "a/b",
        "error records of a database go to one of its tables: name it"
      ),
    ] {
      let text =
        "model: m\ninputConfig: {uris: [a]}\noutputConfig: {uri: \"\(output)\", errorsUri: "
        + "\"\(errors)\"}\n"
      #expect(problems(text) == ["job.yaml:3: outputConfig.errorsUri: \(problem)"])
    }
  }

  @Test func jsonIsReadLikeYAML() throws {
    var known = wholeRequest
    known.inputConfig.uris = ["/a.csv"]
    let text = String(decoding: try JSONEncoder().encode(known), as: UTF8.self)
    #expect(try request(text) == known)
  }

  @Test func theLeastFileTakesEveryDefault() throws {
    let found = try request("{model: m.txt, inputConfig: {uris: a.csv}, outputConfig: {uri: o}}")
    let expected = JobRequest(
      displayName: "m", model: "/jobs/m.txt", inputConfig: .init(uris: ["/jobs/a.csv"]),
      outputConfig: .init(uri: "/jobs/o"))
    #expect(found == expected)
  }

  @Test func emptyValuesAreAsIfAbsent() throws {
    let found = try request(
      """
      model: m.txt
      displayName:
      inputConfig: {uris: [a.csv], nullWords: ~}
      instanceConfig: {keyField: null}
      outputConfig: {uri: o}
      """)
    #expect(found.displayName == "m")
    #expect(found.instanceConfig.keyField == nil)
    #expect(found.inputConfig.nullWords == nil)
  }

  @Test func aTabHasItsNames() throws {
    for spelling in [#""\t""#, #"'\t'"#, "tab"] {
      let found = try request(
        "{model: m, inputConfig: {uris: [a], delimiter: \(spelling)}, outputConfig: {uri: o}}")
      #expect(found.inputConfig.delimiter == "\t", "\(spelling)")
    }
  }

  @Test func missingKeysAreListedTogether() {
    #expect(problems("displayName: x") == ["missing: model, inputConfig.uris, outputConfig.uri"])
    #expect(
      problems("{model: m, inputConfig: {uris: []}}")
        == ["missing: inputConfig.uris, outputConfig.uri"])
  }

  /// A change to a good file, and what is then said about it.
  struct Refusal: Sendable, CustomTestStringConvertible {
    let lines: String
    let problems: [String]

    init(_ lines: String, _ problems: String...) {
      self.lines = lines
      self.problems = problems
    }

    var testDescription: String { lines }
  }

  static let refusals = [
    Refusal("modle: m", "job.yaml:4: unknown key modle; did you mean model?"),
    Refusal("uris: [a]", "job.yaml:4: unknown key uris; did you mean inputConfig.uris?"),
    Refusal(
      "zzzzzzz: 1",
      "job.yaml:4: unknown key zzzzzzz; known here: displayName, model, inputConfig, "
        + "instanceConfig, outputConfig, dedicatedResources, modelParameters, generateExplanation, "
        + "labels, errorThreshold, blockByteCount"),
    Refusal(
      "instanceConfig: {keyfield: id}",
      "job.yaml:4: unknown key instanceConfig.keyfield; did you mean instanceConfig.keyField?"),
    Refusal(
      "dedicatedResources: {machineSpec: {acceleratorCount: 1}}",
      "job.yaml:4: dedicatedResources.machineSpec.acceleratorCount is not supported: "
        + "workers score on processors"),
    Refusal(
      "dedicatedResources: {minReplicaCount: 1}",
      "job.yaml:4: dedicatedResources.minReplicaCount is not supported: "
        + "workers go when the work does; what a pool keeps is said in the fleet file"),
    Refusal(
      "dedicatedResources: {deadline: tomorrow}",
      "job.yaml:4: dedicatedResources.deadline: a time such as 90m, 2h or 2026-03-01T06:00:00Z is "
        + "expected, not \"tomorrow\""),
    Refusal(
      "dedicatedResources: {budget: -3}",
      "job.yaml:4: dedicatedResources.budget: a positive amount of money is expected, not -3.0"),
    Refusal(
      "dedicatedResources: {startingReplicaCount: 0}",
      "job.yaml:4: dedicatedResources.startingReplicaCount: from 1 to 10000, not 0"),
    Refusal(
      "explanationSpec: {}",
      "job.yaml:4: explanationSpec is not supported: "
        + "contributions are exact and need no settings: use generateExplanation"),
    Refusal("errorThreshold: many", "job.yaml:4: errorThreshold: a whole number is expected"),
    Refusal(
      "errorThreshold: -2",
      "job.yaml:4: errorThreshold: -2 error records; use 0 or more, or -1 for no limit"),
    Refusal(
      "blockByteCount: 255",
      "job.yaml:4: blockByteCount: a block has from 256 to 16777216 bytes, not 255"),
    Refusal(
      "blockByteCount: 16777217",
      "job.yaml:4: blockByteCount: a block has from 256 to 16777216 bytes, not 16777217"),
    Refusal(
      "modelParameters: {rawScore: perhaps}",
      "job.yaml:4: modelParameters.rawScore: true or false is expected"),
    Refusal(
      "dedicatedResources: {maxReplicaCount: 0}",
      "job.yaml:4: dedicatedResources.maxReplicaCount: from 1 to 10000, not 0"),
    Refusal(
      "instanceConfig: {instanceType: list}",
      "job.yaml:4: instanceConfig.instanceType: \"list\" is not supported; use array, object"),
    Refusal("labels: [a]", "job.yaml:4: labels: a mapping of names to texts is expected"),
    Refusal("instanceConfig: 3", "job.yaml:4: instanceConfig: a mapping of keys is expected"),
    Refusal("displayName: [a]", "job.yaml:4: displayName: one text is expected"),
    Refusal(
      "instanceConfig: {includedFields: {a: b}}",
      "job.yaml:4: instanceConfig.includedFields: a list of texts is expected"),
    Refusal(
      "instanceConfig: {includedFields: [a], excludedFields: [b]}",
      "instanceConfig.includedFields and instanceConfig.excludedFields exclude each other: "
        + "keep one of them"),
    Refusal(
      "instanceConfig: {keyField: id, includedFields: [a]}",
      "instanceConfig.keyField writes the key alone: remove instanceConfig.includedFields and "
        + "instanceConfig.excludedFields, or instanceConfig.keyField"),
    Refusal(
      "instanceConfig: {includedFields: [a, a]}",
      "instanceConfig.includedFields names a column twice"),
    Refusal(
      "errorThreshold: x\nblockByteCount: y",
      "job.yaml:4: errorThreshold: a whole number is expected",
      "job.yaml:5: blockByteCount: a whole number is expected"),
  ]

  @Test(arguments: refusals)
  func mistakesAreNamedWithTheirPlace(_ refusal: Refusal) {
    let good = "model: m\ninputConfig: {uris: [a]}\noutputConfig: {uri: o}\n"
    #expect(problems(good).isEmpty)
    #expect(problems(good + refusal.lines) == refusal.problems)
  }

  static let inputRefusals = [
    Refusal(
      "{uris: [a], instancesFormat: avro}",
      "job.yaml:2: inputConfig.instancesFormat: \"avro\" is not supported; use "
        + "csv, jsonl, parquet, orc, arrow, files, postgresql"),
    Refusal(
      "{gcsSource: {uris: [\"gs://b/a.csv\"]}}",
      "job.yaml:2: inputConfig.gcsSource is not supported: "
        + "list gs:// URIs under inputConfig.uris"),
    Refusal(
      "{uris: [\"abfs://bucket/a.csv\", b.csv]}",
      "job.yaml:2: inputConfig.uris: abfs:// is not supported; use a local path or s3://, gs://, "
        + "http://, https://, postgresql://, postgres://"),
    Refusal("{uris: [\"\"]}", "job.yaml:2: inputConfig.uris: an empty path"),
    Refusal(
      "{uris: [a], delimiter: \"::\"}",
      "job.yaml:2: inputConfig.delimiter: the delimiter has to be one byte that is no quote and "
        + "no line end, not \"::\""),
    Refusal(
      "{uris: [a], delimiter: \"é\"}",
      "job.yaml:2: inputConfig.delimiter: the delimiter has to be one byte that is no quote and "
        + "no line end, not \"é\""),
    Refusal(
      "{uris: [a], delimiter: '\"'}",
      "job.yaml:2: inputConfig.delimiter: the delimiter has to be one byte that is no quote and "
        + "no line end, not \"\"\""),
  ]

  @Test(arguments: inputRefusals)
  func mistakesOfTheInputAreNamed(_ refusal: Refusal) {
    let text = "model: m\ninputConfig: \(refusal.lines)\noutputConfig: {uri: o}\n"
    #expect(problems(text) == refusal.problems)
  }

  @Test(arguments: [
    ("", "job.yaml holds no keys: begin with `model: FILE`"),
    ("- a\n- b", "job.yaml holds no keys: begin with `model: FILE`"),
    ("just text", "job.yaml holds no keys: begin with `model: FILE`"),
    ("model: a\nmodel: b", "job.yaml is neither YAML nor JSON: line"),
    ("model: [a", "job.yaml is neither YAML nor JSON: line 2, column 1: did not find"),
    ("\"model: a", "job.yaml is neither YAML nor JSON: line 1"),
  ])
  func whatIsNoJobFileIsRefused(_ text: String, _ beginning: String) {
    let found = problems(text).joined(separator: "\n")
    #expect(found.hasPrefix(beginning), "\(found)")
  }

  @Test func controlCharactersDoNotReachTheTerminal() {
    let found = problems("\"mod\\u001b[31mel\": 1").joined()
    #expect(!found.unicodeScalars.contains("\u{1B}"))
    #expect(found.contains("mod\u{FFFD}[31mel"))
  }

  @Test func pathsOfAFileBeginInItsFolder() throws {
    let folder = NSTemporaryDirectory() + "nightshift-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }  // only litter is left
    let file = folder + "/nightly.yaml"
    try "{model: m.txt, inputConfig: {uris: [a]}, outputConfig: {uri: o}}".write(
      toFile: file, atomically: true, encoding: .utf8)
    let found = try JobFile.read(file).finished(from: file)
    #expect(found.displayName == "nightly")
    #expect(found.model == Paths.absolute("m.txt", in: folder))
    #expect(throws: CommandError.self) { try JobFile.read(folder + "/absent.yaml") }
  }
}
