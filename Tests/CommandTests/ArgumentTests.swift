import ArgumentParser
import Commands
import Jobs
import Testing

/// What the command line accepts, and which job it means.
@Suite struct ArgumentTests {
  private func request(_ line: [String]) throws -> JobRequest {
    try RunCommand.parse(line).request.request(in: "/here")
  }

  private static let good = ["--model", "m.txt", "--input", "a.csv", "--output", "out"]

  @Test func everyOptionReachesTheRequest() throws {
    let found = try request(
      [
        "--model", "m.txt", "--input", "a/*.csv", "/b.csv", "--output", "./out", "--format", "csv",
        "--compression", "none", "--instance-type", "object", "--include", "x", "y", "--delimiter",
        "\\t", "--null-word", "-", "--null-word", "NA", "--error-threshold", "-1", "--raw-score",
        "--block-size", "4096", "--display-name", "churn",
      ])
    var expected = JobRequest(
      displayName: "churn", model: "/here/m.txt",
      inputConfig: .init(uris: ["/here/a/*.csv", "/b.csv"]), outputConfig: .init(uri: "/here/out"))
    expected.outputConfig.predictionsFormat = .csv
    expected.outputConfig.compression = .none
    expected.instanceConfig.instanceType = .object
    expected.instanceConfig.includedFields = ["x", "y"]
    expected.inputConfig.delimiter = "\t"
    expected.inputConfig.nullWords = ["-", "NA"]
    expected.errorThreshold = -1
    expected.modelParameters.rawScore = true
    expected.blockByteCount = 4_096
    #expect(found == expected)
  }

  @Test func theSameCommandIsTheSameJob() throws {
    let first = try request(Self.good + ["--format", "csv", "--key-field", "id"])
    let second = try request(
      [
        "--key-field=id", "--output", "./out/", "--format=csv", "--input", "/here/a.csv",
        "--model=/here/./m.txt", "--workers", "3", "--quiet",
      ])
    #expect(try RequestIdentity.canonical(first) == RequestIdentity.canonical(second))
    #expect(try RequestIdentity.job(for: first) == RequestIdentity.job(for: second))
  }

  @Test(arguments: [
    ["--format", "csv"], ["--compression", "none"], ["--key-field", "id"], ["--raw-score"],
    ["--error-threshold", "0"], ["--block-size", "512"], ["--delimiter", ";"],
    ["--null-word", "NA"], ["--exclude", "a"], ["--instance-type", "object"],
  ])
  func anotherCommandIsAnotherJob(_ more: [String]) throws {
    let plain = try RequestIdentity.job(for: request(Self.good))
    let other = try RequestIdentity.job(for: request(Self.good + more))
    #expect(plain != other)
  }

  @Test func namesTellTheFormatUnlessItIsSaid() throws {
    func config(_ words: String...) throws -> JobRequest.InputConfig {
      try request(["--model", "m", "--output", "o", "--input"] + words).inputConfig
    }
    #expect(try config("a.parquet", "b.parquet").instancesFormat == .parquet)
    #expect(try config("a.tsv.gz").delimiter == "\t")
    #expect(try config("a.tsv", "--delimiter", ";").delimiter == ";")
    #expect(try config("a.csv").infersFormat == nil)
    // Whoever lists them finds out.
    for words in [["folder"], ["s3://b/p/"], ["a.csv", "b.parquet"], ["photos/*.jpg"]] {
      let found = try request(["--model", "m", "--output", "o", "--input"] + words).inputConfig
      #expect(found.infersFormat == true, "\(words)")
    }
    let said = try config("folder", "--input-format", "orc")
    #expect(said.instancesFormat == .orc && said.infersFormat == nil)
    let query = try request([
      "--model", "m", "--output", "o", "--input", "postgresql://h/d", "--query", "SELECT 1",
    ])
    #expect(query.inputConfig.instancesFormat == .postgresql)
    #expect(query.inputConfig.infersFormat == nil)
    // What becomes of it is the same request.
    var resolved = try request(["--model", "m", "--output", "o", "--input", "folder"])
    let asked = resolved
    resolved.inputConfig.take(.tsv)
    #expect(resolved.isResolved(from: asked) && !asked.isResolved(from: resolved))
    #expect(resolved.inputConfig.delimiter == "\t")
    resolved.displayName = "other"
    #expect(!resolved.isResolved(from: asked))
  }

  @Test func errorsGoElsewhere() throws {
    func errors(_ output: String, _ place: String) throws -> String? {
      try request(["--model", "m", "--input", "a.csv", "--output", output, "--errors", place])
        .outputConfig.errorsUri
    }
    #expect(try errors("o", "bad") == "/here/bad")
    #expect(try errors("o", "s3://b/bad") == "s3://b/bad")
    #expect(try errors("s3://b/o", "bad/x") == "/here/bad/x")
    #expect(try errors("sqlite:///x.db?table=t", "bad") == "bad")
    #expect(try errors("postgresql://h/d?table=t", "s.bad") == "s.bad")
    for (output, place) in [
      ("o", "https://h/x"), ("o", ""), ("postgresql://h/d", "s3://b/x"), ("sqlite:///x", "/a/b"),
    ] {
      let error = #expect(throws: (any Error).self) { try errors(output, place) }
      #expect(error.map { "\($0)".contains("--errors") } == true, "\(place)")
    }
  }

  @Test func theOrderOfInputsMatters() throws {
    let forward = try request(["--model", "m", "--input", "a", "b", "--output", "o"])
    let backward = try request(["--model", "m", "--input", "b", "a", "--output", "o"])
    #expect(try RequestIdentity.job(for: forward) != RequestIdentity.job(for: backward))
  }

  /// The name is part of what users keep in scripts and folders: it must not move with a release.
  @Test func theCanonicalFormIsFixed() throws {
    let content = try RequestIdentity.canonical(request(Self.good))
    let expected =
      #"{"blockByteCount":1048576,"dedicatedResources":{"maxReplicaCount":10},"#
      + #""displayName":"m","errorThreshold":1000,"inputConfig":{"delimiter":",","#
      + #""instancesFormat":"csv","uris":["/here/a.csv"]},"#
      + #""instanceConfig":{"excludedFields":[],"includedFields":[],"instanceType":"array"},"#
      + #""labels":{},"model":"/here/m.txt","modelParameters":{"rawScore":false},"#
      + #""outputConfig":{"compression":"zstd","predictionsFormat":"jsonl","uri":"/here/out"}}"#
    #expect(String(decoding: content, as: UTF8.self) == expected)
  }

  @Test func aRequestBeyondOneMessageIsRefused() throws {
    let many = (0..<5_000).map { "part-\($0).csv" }
    let found = try request(["--model", "m", "--output", "o", "--input"] + many)
    #expect(throws: CommandError.self) { try RequestIdentity.canonical(found) }
  }

  /// Arguments, and the exit code that they end with; `nil` where they are accepted.
  static let lines: [([String], Int32?)] = [
    (["run"] + good, nil),
    (["run"], 64),
    (["run", "--model", "m"], 64),
    (["run"] + good + ["--workers", "0"], 64),
    (["run"] + good + ["--threads", "0"], 64),
    (["run"] + good + ["--delimiter", "::"], 64),
    (["run"] + good + ["--error-threshold", "-2"], 64),
    (["run"] + good + ["--block-size", "1"], 64),
    (["run"] + good + ["--include", "a", "--exclude", "b"], 64),
    (["run"] + good + ["--key-field", "a", "--exclude", "b"], 64),
    (["run"] + good + ["--format", "avro"], 64),
    (["run", "--model", "s3://b/m", "--input", "a", "--output", "o"], 64),
    (["submit", "job.yaml", "--wait"], nil),
    (["submit", "job.yaml", "--coordinator", "ipc:///tmp/x"], 64),
    (["submit", "job.yaml", "--coordinator", "127.0.0.1:7070"], 64),
    (["submit", "job.yaml", "--coordinator", "tls+tcp://h:1"], 64),
    (["submit", "job.yaml", "--tls-ca", "ca.pem"], 64),
    (["coordinator", "--listen", "tcp://127.0.0.1:0"], nil),
    (["coordinator", "--listen", "tcp://0.0.0.0:7070"], 64),
    (["coordinator", "--listen", "tcp://0.0.0.0:7070", "--insecure"], nil),
    (["coordinator", "--listen", "tls+tcp://0.0.0.0:7070"], 64),
    (
      [
        "coordinator", "--listen", "tls+tcp://0.0.0.0:7070", "--tls-ca", "a", "--tls-cert", "b",
        "--tls-key", "c",
      ], nil
    ),
    (["worker", "--join", "tcp://127.0.0.1:7070", "--exit-with-parent"], nil),
    (["worker", "--join", "http://h:1"], 64),
    (["worker", "--threads", "0"], 64),
    (["worker", "--idle-timeout", "-5"], 64),
    (["worker", "--idle-timeout", "0.5"], nil),
    (["list", "--job-state", "running", "--job-state", "partially-succeeded"], nil),
    (["list", "--job-state", "lost"], 64),
    (["list", "--output", "xml"], 64),
    (["describe", "3f9a", "--output", "json"], nil),
    (["describe"], 64),
    (["describe", "job7"], 64),
    (["cancel", "00112233445566778"], 64),
    (["logs", "3f9a", "--follow"], nil),
    (["watch", "3f9a"], nil),
    (["pause", "3"], nil),
    (["resume", "3"], nil),
    (["delete", "3"], nil),
    (["workers"], nil),
    (["workers", "--output", "json", "--state", "elsewhere"], nil),
    (["workers", "list"], nil),
    (["workers", "node7"], 64),
    (["verify", "folder"], nil),
    (["verify", "folder", "--rescore", "10%"], nil),
    (["verify", "folder", "--rescore", "0"], 64),
    (["verify", "folder", "--rescore", "101%"], 64),
    (["verify", "folder", "--shards", "3,17", "--model", "m", "--seed", "4"], nil),
    (["verify", "folder", "--shards", "three"], 64),
    (["verify", "folder", "--shards", "3", "--rescore", "10%"], 64),
    (["verify", "folder", "--model", "m"], 64),
    (["verify", "folder", "--rescore", "10%", "--threads", "0"], 64),
    (["replay", "folder"], 64),
    (["replay", "folder", "--row", "-1"], 64),
    (["replay", "folder", "--row", "41"], nil),
    (["version"], nil),
    (["frobnicate"], 64),
  ]

  @Test(arguments: lines)
  func mistakesInArgumentsExitWith64(_ line: [String], _ expected: Int32?) {
    do {
      _ = try Nightshift.parseAsRoot(line)
      #expect(expected == nil, "accepted")
    } catch {
      #expect(
        Nightshift.exitCode(for: error).rawValue == expected, "\(Nightshift.message(for: error))")
    }
  }

  @Test func optionsChangeTheJobFile() throws {
    var draft = try JobFile.parse(
      """
      model: m.txt
      inputConfig: {uris: [a.csv]}
      outputConfig: {uri: out, compression: none}
      errorThreshold: 5
      """, name: "job.yaml", folder: "/jobs")
    let options = try RequestOptions.parse(["--output", "other", "--error-threshold", "-1"])
    options.apply(to: &draft, in: "/here")
    let found = try draft.finished(from: "job.yaml")
    #expect(found.model == "/jobs/m.txt")
    #expect(found.outputConfig.uri == "/here/other")
    #expect(found.outputConfig.compression == .none)
    #expect(found.errorThreshold == -1)
  }

  @Test(arguments: [
    ("a", "/w/a"), ("./a//b/", "/w/a/b"), ("/x/./y", "/x/y"), ("../a", "/w/../a"), ("/", "/"),
    (".", "/w"), ("a*.csv", "/w/a*.csv"),
  ])
  func pathsBecomeAbsolute(_ path: String, _ expected: String) {
    #expect(Paths.absolute(path, in: "/w") == expected)
  }
}
