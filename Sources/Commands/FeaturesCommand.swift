import ArgumentParser
import Destinations
import Features
import Foundation
import Jobs
import Models
import Scoring
import Wire

/// `nightshift features`.
struct FeaturesCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "features", abstract: "Prepare what is done to columns before a model sees them.",
    subcommands: [FitCommand.self])
}

/// `nightshift features fit`.
struct FitCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fit",
    abstract: "Fit a preprocessing plan to a table, and put it in one file with its model.",
    discussion: """
      Goes over the table once for each level of steps that need what others found. The result has \
      the same bytes for any number of workers. With --model it is a bundle, which `run --model` \
      takes; without, the plan as JSON with what was found.

      Examples:
        nightshift features fit --plan plan.json --input 'data/*.csv' --bundle churn.bundle \\
          --model churn.txt
        nightshift features fit --plan plan.json --input data.csv --bundle fitted.json
      """)

  @Option(help: ArgumentHelp("The plan: a JSON document.", valueName: "file"))
  var plan: String

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Input: CSV files (plain, .gz or .zst), folders or quoted globs, read in this order.",
      valueName: "path"))
  var input: [String] = []

  @Option(help: ArgumentHelp("The file to write.", valueName: "file"))
  var bundle: String

  @Option(help: ArgumentHelp("The model that the features are for.", valueName: "file"))
  var model: String?

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Names for the model's inputs in order, where the model file has none.", valueName: "name"))
  var columns: [String] = []

  @Option(
    help: ArgumentHelp(
      "The byte between two fields, by default a comma; \\t is a tab.", valueName: "byte"))
  var delimiter: String?

  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      "An unquoted field that means \"missing\"; may be repeated.", valueName: "word"))
  var nullWord: [String] = []

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Error records tolerated, by default 1000; -1 is no limit.", valueName: "count"))
  var errorThreshold: Int64?

  @Option(
    help: ArgumentHelp(
      "Worker processes; by default as many as there is work for, at most one per core.",
      valueName: "count"))
  var workers: Int?

  @Option(help: ArgumentHelp("Threads of each worker process.", valueName: "count"))
  var threads = 1

  @Flag(help: "No bar and no lines in between.")
  var quiet = false

  @Option(help: ArgumentHelp("Also log to standard error, from this level.", valueName: "level"))
  var logLevel: LogThreshold?

  func run() async throws {
    let modelBytes = try model.map { try Self.read($0, "--model") }
    var document = try Self.read(plan, "--plan")
    // Beside the bundle, so that the same command goes on with what a killed one left.
    let folder = Paths.absolute("\(bundle).fitting", in: Paths.currentFolder)
    var level = 0
    while let fitting = try Self.fitting(document, plan) {
      level += 1
      document = try await fit(fitting, document, folder: "\(folder)/\(level)")
    }
    let content = try bundled(document, modelBytes)
    let path = Paths.absolute(bundle, in: Paths.currentFolder)
    do {
      try DurableFile.write(content, to: path)
    } catch {
      throw CommandError("cannot write \(bundle): \(error.context)")
    }
    // What is left of it only takes space.
    try? FileManager.default.removeItem(atPath: folder)
    printLine(
      "\(bundle): \(Figures.grouped(UInt64(content.count))) bytes, fitted in \(level) "
        + (level == 1 ? "pass" : "passes"))
  }

  private static func read(_ path: String, _ option: String) throws -> [UInt8] {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw CommandError("cannot read \(path): check \(option)")
    }
    return Array(data)
  }

  private static func fitting(_ document: [UInt8], _ path: String) throws -> Fitting? {
    do {
      return try Fitting.next(of: PreprocessPlan(document))
    } catch {
      throw CommandError("\(path): \(error.context)")
    }
  }

  private func bundled(_ document: [UInt8], _ model: [UInt8]?) throws -> [UInt8] {
    guard let model, let name = self.model else { return document }
    do {
      return try Bundle(
        model: model, fileName: name, plan: document, columns: columns.isEmpty ? nil : columns
      ).bytes
    } catch {
      throw CommandError("\(name) after \(plan): \(error.context)")
    }
  }

  // MARK: One level

  /// Runs a job whose results are what its blocks gave, and merges them in their order.
  private func fit(
    _ fitting: Fitting, _ document: [UInt8], folder: String
  ) async throws -> [UInt8] {
    let file = "\(folder)/plan.fit"
    do {
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: true)
      try DurableFile.write(Model.fittingFile(document), to: file)
    } catch let error as DestinationError {
      throw CommandError("cannot make \(file): \(error.context)")
    } catch {
      throw CommandError("cannot make \(file): \(error.localizedDescription)")
    }
    let request = try request(model: file, output: "\(folder)/states")
    let id = try RequestIdentity.job(for: request)
    let run = EmbeddedRun(
      request: request, id: id, stateFolder: "\(folder)/job", workerCount: workers,
      threadCount: threads, isQuiet: quiet, logger: makeLogger(logLevel))
    switch try await run.run() {
    case .interrupted(let number):
      Terminal.standardError.write(
        "\(Signals.name(number)): stopped before the end; the same command goes on\n")
      throw ExitCode(Signals.exitCode(number))
    case .finished(let job):
      guard job.state == .succeeded || job.state == .partiallySucceeded,
        let results = job.resultFolder
      else {
        printLine(JobOutcome(job).text)
        throw ExitCode.failure
      }
      if job.counts.error > 0 {
        Terminal.standardError.write(
          "\(Figures.grouped(job.counts.error)) records that cannot be read are left out: "
            + "see \(results)/\n")
      }
      return try Self.merged(fitting, results)
    }
  }

  private func request(model: String, output: String) throws -> JobRequest {
    var draft = JobDraft()
    var uris: [String] = []
    for path in input {
      guard let uri = draft.path(path, in: Paths.currentFolder, "--input") else { continue }
      uris.append(uri)
    }
    draft.displayName = "fit \(Paths.stem(of: plan))"
    draft.model = model
    draft.uris = uris
    draft.outputFolder = output
    draft.request.outputConfig.compression = .none
    if let delimiter { draft.delimiter(delimiter, "--delimiter") }
    if !nullWord.isEmpty { draft.request.inputConfig.nullWords = nullWord }
    if let errorThreshold { draft.errorThreshold(errorThreshold, "--error-threshold") }
    return try draft.finished(from: "the command line", named: RequestOptions.optionName)
  }

  /// The fitted document of the states in a published folder, whose names and lines are in order.
  private static func merged(_ fitting: Fitting, _ folder: String) throws -> [UInt8] {
    var total = fitting.emptyState
    do {
      let names = try FileManager.default.contentsOfDirectory(atPath: folder)
        .filter { $0.hasPrefix("prediction.results-") }.sorted()
      for name in names {
        let text = try Data(
          contentsOf: URL(fileURLWithPath: "\(folder)/\(name)"), options: .mappedIfSafe)
        for line in text.split(separator: UInt8(ascii: "\n")) {
          try total.merge(encoded: Array(line))
        }
      }
      return try total.finish()
    } catch let error as ModelError {
      throw CommandError(error.context)
    } catch {
      throw CommandError("\(folder): \(error.localizedDescription)")
    }
  }
}
