import Foundation
import Testing

/// One table, in a form of each kind, gives the same predictions from every store, and into every
/// store in every format.
@Suite struct StoreFormatsTests {
  private static let model = fixture("../../bench/models/flights.txt")
  private static let forms = [
    "csv/flights.csv", "csv/blocks.csv.gz", "csv/seekable.csv.zst", "jsonl/flights.jsonl",
    "parquet/zstd.parquet", "orc/zstd.orc", "arrow/zstd.arrow",
  ]
  private static let formats = ["jsonl", "csv", "parquet", "arrow"]
  private static let resultName = "prediction.results-00000-of-00001"

  /// A job on its way.
  private struct Job {
    let name: String
    let output: String
    let program: Program
  }

  /// A coordinator and a worker for many jobs.
  private struct Stage {
    let sandbox: Sandbox
    let coordinator: Program
    let worker: Program
    let address: String

    init(_ name: String, _ variables: [String: String], in sandbox: Sandbox) async throws {
      let state = sandbox.path("state-\(name)")
      let coordinator = try Program(
        ["coordinator", "--state", state, "--listen", "tcp://127.0.0.1:0", "--output", "json"],
        in: sandbox, environment: variables)
      struct Ready: Decodable {
        let address: String
      }
      _ = await waitUntil(.seconds(20)) { coordinator.output.contains("}") }
      address = try JSONDecoder().decode(Ready.self, from: Data(coordinator.output.utf8)).address
      worker = try Program(
        ["worker", "--join", address, "--state", state, "--threads", "1"], in: sandbox,
        environment: variables)
      self.coordinator = coordinator
      self.sandbox = sandbox
      self.state = state
    }

    private let state: String

    /// Submits a job; it is waited for later, with all the others.
    func start(_ name: String, _ input: String, to output: String, _ arguments: [String]) throws
      -> Job
    {
      let program = try Program(
        [
          "submit", "--model", model, "--input", input, "--output", output, "--key-field", "id",
          "--compression", "none", "--wait", "--quiet", "--coordinator", address, "--state", state,
        ] + arguments, in: sandbox)
      return Job(name: name, output: output, program: program)
    }
  }

  @Test func everyFormFromEveryStoreGivesTheSame() async throws {
    let sandbox = try Sandbox()
    let table = sandbox.path("table")
    try await script("format_matrix.py", ["make", table], in: sandbox)
    let servers = try StoreServers(holding: table)
    for form in Self.forms {
      for kind in [StoreServers.Kind.moto, .google, .web] {
        try servers.put("\(table)/\(form)", at: form, in: kind)
      }
    }
    let conditional = try await Stage("conditional", servers.variables, in: sandbox)
    let other = try await Stage("other", servers.unconditionalVariables, in: sandbox)
    let wanted = try conditional.start(
      "file", "\(table)/csv/flights.csv", to: sandbox.path("wanted"), ["--format", "csv"])
    var jobs: [Job] = []
    for form in Self.forms {
      for kind in StoreServers.Kind.allCases {
        let name = "\(kind)-\(form.replacing("/", with: "-"))"
        jobs.append(
          try (kind == .rclone ? other : conditional).start(
            name, servers.uri(form, in: kind), to: sandbox.path(name), ["--format", "csv"]))
      }
    }
    #expect(await wanted.program.wait() == 0, "\(wanted.program.errors)")
    let expected = try results(in: wanted.output)
    #expect(expected.count > 3_000 * 10)
    for job in jobs {
      #expect(await job.program.wait() == 0, "\(job.name): \(job.program.errors)")
      #expect(try results(in: job.output) == expected, "\(job.name)")
    }
  }

  @Test func everyFormatIntoEveryStoreHoldsTheSame() async throws {
    let sandbox = try Sandbox()
    let table = sandbox.path("table")
    try await script("format_matrix.py", ["make", table], in: sandbox)
    let servers = StoreServers.shared
    let stage = try await Stage("formats", servers.variables, in: sandbox)
    let input = "\(table)/csv/flights.csv"
    var jobs: [Job] = []
    for format in Self.formats {
      let arguments = ["--format", format]
      jobs.append(try stage.start(format, input, to: sandbox.path("wanted-\(format)"), arguments))
      for kind in [StoreServers.Kind.moto, .google] {
        let output = servers.uri("formats/\(format)", in: kind)
        jobs.append(try stage.start("\(kind)-\(format)", input, to: output, arguments))
      }
    }
    let database = sandbox.path("scores.db")
    jobs.append(
      try stage.start("sqlite", input, to: "sqlite://\(database)", ["--table", "scores"]))
    for job in jobs {
      #expect(await job.program.wait() == 0, "\(job.name): \(job.program.errors)")
    }
    var pairs: [String] = []
    for format in Self.formats {
      let wanted = try folder(in: sandbox.path("wanted-\(format)"))
      for kind in [StoreServers.Kind.moto, .google] {
        let copy = sandbox.path("\(kind)-\(format)")
        try FileManager.default.createDirectory(atPath: copy, withIntermediateDirectories: true)
        let keys = try servers.keys(below: "formats/\(format)/", in: kind)
          .filter { $0.contains("/prediction.results-") }
        #expect(keys.count == 1, "\(keys)")
        for key in keys {
          let name = key.split(separator: "/").last ?? ""
          try servers.get(key, in: kind).write(to: URL(fileURLWithPath: "\(copy)/\(name)"))
        }
        pairs += [wanted, copy]
      }
    }
    pairs += [try folder(in: sandbox.path("wanted-csv")), "\(database):scores"]
    try await script("same_records.py", pairs, in: sandbox)
    try await script(
      "format_matrix.py", ["check", folder(in: sandbox.path("wanted-parquet")), table], in: sandbox)
  }

  private func folder(in output: String) throws -> String {
    let names = try FileManager.default.contentsOfDirectory(atPath: output)
    return "\(output)/\(try #require(names.first { $0.hasPrefix("prediction-") }))"
  }

  private func results(in output: String) throws -> Data {
    try Data(
      contentsOf: URL(fileURLWithPath: "\(try folder(in: output))/\(Self.resultName).csv"))
  }
}
