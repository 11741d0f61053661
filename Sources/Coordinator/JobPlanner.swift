import Compression
import CoordinatorCore
import Database
import Digests
import Features
import Foundation
import Glibc
import Jobs
import Models
import Partials
import Scoring
import Tables

/// What planning finds out about a job.
struct PlannedJob: Sendable {
  let plan: Plan
  let model: PlannedModel
  let configuration: JobConfiguration
  /// What a user should know of the plan; a sentence each.
  let notes: [String]
  /// Of a query: what its readers share, held until the job ends.
  let snapshot: SnapshotHolder?
}

/// Lists a job's inputs, reads its model, and checks that they go together.
///
/// Blocks; runs off the pool.
struct JobPlanner {
  /// Says how inputs are read, once they are listed.
  private(set) var request: JobRequest
  /// Where models are kept under their digests.
  let modelFolder: String

  /// Of a planning that somebody waits for.
  private let progress: PlanningProgress?
  /// Told how far planning is where it takes long.
  private let report: @Sendable (String) -> Void

  init(
    request: JobRequest, modelFolder: String, progress: PlanningProgress? = nil,
    report: @escaping @Sendable (String) -> Void
  ) {
    self.request = request
    self.modelFolder = modelFolder
    self.progress = progress
    self.report = report
  }

  /// Plans the job.
  ///
  /// - Throws: `CoordinatorError` in words for the person who submitted the job.
  consuming func plan() throws(CoordinatorError) -> PlannedJob {
    var resolved = self
    return try resolved.resolveAndPlan()
  }

  private mutating func resolveAndPlan() throws(CoordinatorError) -> PlannedJob {
    do {
      let files = try listFiles()
      if request.inputConfig.infersFormat == true {
        request.inputConfig.take(try InputListing.kind(of: files) ?? .csv)
      }
      guard asksDatabase || !files.isEmpty else { return try planNothing() }
      let access = InputAccess()
      let table = try TableSurvey(request: request, report: tell) { [progress] file in
        try progress?.noteOpened()
        return try access.open(file.path, byteCount: file.byteCount, version: file.version)
      }.run(files)
      guard !table.inputs.isEmpty else { return try planNothing() }
      let bytes = try readModel()
      let model = try parse(bytes)
      let mapping = try ColumnMapping(inputs: model.inputs, columns: table.columns)
      let configuration = JobConfiguration(
        request: request, columns: table.columns, types: table.types
      ).readingNumbers(of: model.inputs, columns: mapping.columnIndices)
      _ = try RecordFilter.filter(of: configuration)
      let plan = try Plan(inputs: table.inputs, blockByteCount: request.blockByteCount)
      try checkTypes(plan, configuration, model, mapping, access)
      let format = try RowFormat(
        configuration: configuration, prediction: request.prediction(of: model))
      if request.inputConfig.instancesFormat == .files {
        try requireReadable(model, mapping, format)
      }
      return PlannedJob(
        plan: plan, model: try keep(bytes), configuration: configuration, notes: table.notes,
        snapshot: table.snapshot)
    } catch let error as CoordinatorError {
      throw error
    } catch let error as ModelError {
      throw CoordinatorError("\(request.model): \(error.context)")
    } catch let error as Plan.Refusal {
      throw CoordinatorError("the inputs cannot be planned: \(error)")
    } catch {
      throw CoordinatorError("\(error)")
    }
  }

  private var asksDatabase: Bool { request.inputConfig.instancesFormat == .postgresql }

  /// The files of the job; none where its rows come from a query.
  private func listFiles() throws -> [InputFile] {
    guard !asksDatabase else { return [] }
    var options = InputListing.Options(request: request)
    if let progress {
      options.catalog = { [find = options.catalog] scheme in
        try find(scheme).map { CountedCatalog(base: $0, progress: progress) }
      }
    }
    let files = try InputListing.files(of: request.inputConfig.uris, options: options)
    progress?.noteListed(all: files.count)
    return files
  }

  private func tell(_ text: String) {
    report(text)
    progress?.note(text.hasPrefix("planning: ") ? String(text.dropFirst(10)) : text)
  }

  /// Plans a job whose patterns stand for no file, where it allows that.
  private func planNothing() throws -> PlannedJob {
    guard request.inputConfig.allowEmpty == true else { throw CoordinatorError("no input files") }
    let bytes = try readModel()
    _ = try parse(bytes)
    return PlannedJob(
      plan: try Plan(inputs: [], blockByteCount: request.blockByteCount, allowsNone: true),
      model: try keep(bytes), configuration: JobConfiguration(request: request, columns: []),
      notes: ["the input is empty, which the job allows"], snapshot: nil)
  }

  /// What a job that was planned before was planned with, read again from its inputs.
  static func configuration(
    of request: JobRequest, _ plan: Plan
  ) throws -> JobConfiguration {
    if request.inputConfig.instancesFormat == .postgresql {
      let table = try SurveyedTable.columns(ofQueryIn: request)
      return JobConfiguration(request: request, columns: table.columns, types: table.types)
    }
    let access = InputAccess()
    let files = plan.inputs.prefix(1).map { input in
      InputFile(
        path: input.path, byteCount: input.byteCount,
        modificationNanoseconds: input.modifiedNanoseconds, inode: input.inode,
        compression: input.textCompression, version: input.version)
    }
    for input in plan.inputs.prefix(1) { _ = try PinnedInput(input) }
    let table = try TableSurvey(request: request) { file in
      try access.open(file.path, byteCount: file.byteCount, version: file.version)
    }.run(files, paths: plan.inputs.map(\.path))
    return JobConfiguration(request: request, columns: table.columns, types: table.types)
  }

  // MARK: The model

  private func readModel() throws(CoordinatorError) -> [UInt8] {
    var status = stat()
    guard unsafe stat(request.model, &status) == 0 else {
      throw CoordinatorError(
        "cannot read the model \(request.model): \(unsafe String(cString: strerror(errno)))")
    }
    guard UInt64(status.st_size) <= Limits.modelByteCount else {
      throw CoordinatorError(
        "the model \(request.model) has \(status.st_size) bytes; the limit is "
          + "\(Limits.modelByteCount)")
    }
    guard let data = FileManager.default.contents(atPath: request.model) else {
      throw CoordinatorError("cannot read the model \(request.model)")
    }
    return Array(data)
  }

  private func parse(_ bytes: [UInt8]) throws -> Model { try Model(bundle: bytes) }

  /// Keeps a copy under its digest: the job does not see later changes of the file.
  private func keep(_ bytes: [UInt8]) throws(CoordinatorError) -> PlannedModel {
    let digest = SHA256.digest(of: bytes)
    guard let content = ContentDigest(bytes: digest.bytes) else {
      throw CoordinatorError("a digest of \(digest.bytes.count) bytes")
    }
    let path = "\(modelFolder)/\(content.hexadecimal)"
    // Compared byte by byte: what a broken disk made of the file would fail every later job.
    let isKept = FileManager.default.contents(atPath: path) == Data(bytes)
    do {
      if !isKept { try File.replace(path, with: bytes) }  // the journal will name it
    } catch {
      throw CoordinatorError("cannot keep the model: \(error)")
    }
    return PlannedModel(digest: content, byteCount: UInt64(bytes.count))
  }

  // MARK: Types

  /// Refuses a list of files for a model that wants more of them than their paths.
  private func requireReadable(
    _ model: Model, _ mapping: ColumnMapping, _ format: RowFormat
  ) throws {
    var needs = ColumnNeeds(numbers: [], texts: format.columnsRead)
    for (input, column) in zip(model.inputs, mapping.columnIndices) where input.isUsed {
      if needsNumbers(input) { needs.numbers.insert(column) } else { needs.texts.insert(column) }
    }
    try FileList.requireReadable(needs)
  }

  /// Refuses a column of which no value among the first records is a number where the model needs
  /// numbers.
  private func checkTypes(
    _ plan: Plan, _ configuration: JobConfiguration, _ model: Model, _ mapping: ColumnMapping,
    _ access: InputAccess
  ) throws {
    let columns = Set(zip(model.inputs, mapping.columnIndices).filter { $0.0.isUsed }.map(\.1))
    let table = try InputTable(
      configuration: configuration, needs: ColumnNeeds(numbers: columns, texts: []))
    let (input, range) = (plan.inputs[0], plan.range(of: ShardID(0)))
    let reader = try table.reader(
      of: LeaseRange(
        path: input.path, version: input.version, begin: range.offset, end: range.end ?? .max,
        blockLength: range.blockLength, blockCount: range.blockCount,
        shardOffset: range.offset, places: range.places, shardEnd: range.end),
      compression: input.compression
    ) { try access.open(input.path, byteCount: input.byteCount, version: input.version) }
    var tile = RecordTile()
    guard try reader.readTile(into: &tile) else { return }
    defer { withExtendedLifetime(reader) {} }  // it owns the tile's text
    var wrong: [String] = []
    var values = Array(repeating: 0.0, count: RecordTile.recordLimit)
    for (index, input) in model.inputs.enumerated() where input.isUsed {
      guard needsNumbers(input) else { continue }
      var failures = RecordSet()
      let failureCount = unsafe values.withUnsafeMutableBufferPointer { values in
        unsafe tile.readNumbers(
          column: mapping.columnIndices[index], nullWords: table.csv.nullWords, into: values,
          failures: &failures)
      }
      let hasNumber = values.prefix(tile.count).contains { !$0.isNaN }
      if failureCount > 0, !hasNumber { wrong.append(input.name) }
    }
    guard wrong.isEmpty else { throw wrongTypes(wrong, input.path, configuration.columns, model) }
  }

  private func needsNumbers(_ input: ModelInput) -> Bool {
    switch input.kind {
    case .numeric, .categorical(nil): true
    case .categorical(.some), .text: false
    }
  }

  private func wrongTypes(
    _ wrong: [String], _ path: String, _ columns: [String], _ model: Model
  ) -> CoordinatorError {
    let inputs = model.inputs.map(\.description).joined(separator: ", ")
    return CoordinatorError(
      "\(path): the model needs numbers in \(wrong.joined(separator: ", ")), but the first "
        + "records have text there; the model's inputs are \(inputs); the table's columns are "
        + "\(columns.joined(separator: ", "))")
  }
}

extension JobRequest {
  /// How the model's numbers are written.
  func prediction(of model: Model) throws -> PredictionFormat {
    try PredictionFormat(
      outputs: model.outputs,
      explained: generateExplanation == true ? try model.explainedInputs() : [],
      options: outputConfig)
  }
}
