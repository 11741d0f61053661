import Features
import Foundation
import Jobs
import Models
import Scoring
import Tables
import WorkerCore

/// What scoring a job's shards needs, made once for each job and shared by all threads.
final class JobContext: Sendable {
  let id: JobID
  let request: JobRequest
  let columns: [String]
  let types: [ColumnType]?
  let model: Model
  let mapping: ColumnMapping
  let csv: CSVOptions
  let table: InputTable
  /// Which records are scored; nil for all.
  let filter: RecordFilter?
  let prediction: PredictionFormat
  let output: RowFormat

  init(
    id: JobID, configuration: JobConfiguration, model: Model
  ) throws {
    self.id = id
    self.model = model
    request = configuration.request
    columns = configuration.columns
    mapping = try ColumnMapping(inputs: model.inputs, columns: columns)
    let configuration = configuration.readingNumbers(
      of: model.inputs, columns: mapping.columnIndices)
    types = configuration.types
    csv = try CSVOptions(request: request)
    prediction = try PredictionFormat(
      outputs: model.outputs,
      explained: request.generateExplanation == true ? try model.explainedInputs() : [],
      options: request.outputConfig)
    output = try RowFormat(configuration: configuration, prediction: prediction)
    filter = try RecordFilter.filter(of: configuration)
    var needs = ColumnNeeds(model: model, mapping: mapping, output: output)
    if let filter {
      needs.numbers.formUnion(filter.needs.numbers)
      needs.texts.formUnion(filter.needs.texts)
    }
    table = try InputTable(configuration: configuration, needs: needs)
  }
}

extension JobContext {
  /// Whether a value that is not of its column's type has no value, and is no error.
  var takesWrongValuesAsNull: Bool { request.inputConfig.onParseError == .null }

  /// For columns that are read as numbers for the model the input that they feed.
  var numericInputs: [Int: Int] {
    var inputs: [Int: Int] = [:]
    for (index, input) in model.inputs.enumerated() where input.isUsed {
      switch input.kind {
      case .numeric, .categorical(nil): inputs[mapping.columnIndices[index]] = index
      case .categorical(.some), .text: break
      }
    }
    return inputs
  }

  /// What checks the columns that are read and whose types the job itself says, and all that go to a
  /// database; nil where there is nothing to check, or what is wrong has no value.
  var typeCheck: TypeCheck? {
    guard let types else { return nil }
    let numbers = numericInputs
    let checked = table.needs.texts.filter { isChecked($0, isModelNumber: numbers[$0] != nil) }
    let check = TypeCheck(
      types: types, columns: checked.sorted(),
      nullWords: csv.nullWords,
      isForPostgreSQL: InputAccess.isDatabase(request.outputConfig.uri))
    return check.isEmpty ? nil : check
  }

  /// A row of a database takes no other values; in a file wrong ones may stand as no values.
  private func isChecked(_ column: Int, isModelNumber: Bool) -> Bool {
    let type = types?[column] ?? .text
    guard request.writesTable else {
      return !takesWrongValuesAsNull && type != .text && !isModelNumber
        && request.inputConfig.schema?[columns[column]] != nil
    }
    guard type != .text else { return true }
    switch request.inputConfig.instancesFormat {
    // What a model reads as a number is checked as one, unless what is none becomes no value.
    case .csv, .jsonl:
      return !isModelNumber || takesWrongValuesAsNull || type != .number && type != .float
        || InputAccess.isDatabase(request.outputConfig.uri)
    case .parquet, .orc, .arrow, .files, .postgresql: return false
    }
  }
}

extension ColumnNeeds {
  /// What the model and the output need of a table.
  init(model: Model, mapping: ColumnMapping, output: RowFormat) {
    self.init(numbers: output.columnsReadAsNumbers, texts: output.columnsRead)
    for (input, column) in zip(model.inputs, mapping.columnIndices) where input.isUsed {
      switch input.kind {
      case .numeric, .categorical(nil): numbers.insert(column)
      case .categorical(.some), .text: texts.insert(column)
      }
    }
  }
}

/// Jobs that this worker knows, and models by digest: bounded, the one used longest ago goes.
///
/// A job that was dropped lives on as long as a lease of it is scored, and is found again by then.
actor JobCache {
  /// Jobs kept; a worker rarely has leases of more jobs at once.
  private static let jobLimit = 4
  /// Bytes of model text kept, in all: a parsed model takes about as much memory again.
  private static let modelByteLimit: UInt64 = 256 << 20

  private struct Known {
    let id: JobID
    /// `nil` until the configuration is there.
    var model: (digest: ContentDigest, byteCount: UInt64)?
    let task: Task<JobContext, any Error>
  }

  private struct Dropped {
    weak var context: JobContext?
  }

  private let link: CoordinatorLink
  private var known: [Known] = []
  private var dropped: [JobID: Dropped] = [:]
  private var models: [ModelKey: Task<Model, any Error>] = [:]

  private struct ModelKey: Hashable {
    let digest: ContentDigest
    let summation: TreeEnsemble.Summation
  }

  private var shelf = ModelShelf(byteLimit: modelByteLimit)

  init(link: CoordinatorLink) {
    self.link = link
  }

  /// The job's context; fetched once although several threads ask.
  func context(of id: JobID) async throws -> JobContext {
    if let index = known.firstIndex(where: { $0.id == id }) {
      let job = known.remove(at: index)
      known.append(job)
      if let model = job.model { forget(shelf.use(model.digest, byteCount: model.byteCount)) }
      return try await job.task.value
    }
    if let context = dropped[id]?.context { return context }
    let task = Task { try await self.make(id) }
    known.append(Known(id: id, task: task))
    if known.count > Self.jobLimit { known.removeFirst() }
    do {
      let context = try await task.value
      dropped = dropped.filter { $0.value.context != nil }
      dropped[id] = Dropped(context: context)
      return context
    } catch {
      known.removeAll { $0.id == id }
      throw error
    }
  }

  private func make(_ id: JobID) async throws -> JobContext {
    let fetched = try await link.configuration(of: id)
    let configuration = try JSONDecoder().decode(
      JobConfiguration.self, from: Data(fetched.content))
    if let index = known.firstIndex(where: { $0.id == id }) {
      known[index].model = (fetched.modelDigest, fetched.modelByteCount)
    }
    let model = try await model(
      ModelKey(digest: fetched.modelDigest, summation: configuration.request.summation),
      byteCount: fetched.modelByteCount)
    return try JobContext(id: id, configuration: configuration, model: model)
  }

  private func forget(_ digests: [ContentDigest]) {
    for digest in digests {
      models = models.filter { $0.key.digest != digest }
      known.removeAll { $0.model?.digest == digest }
    }
  }

  private func model(_ key: ModelKey, byteCount: UInt64) async throws -> Model {
    forget(shelf.use(key.digest, byteCount: byteCount))
    if let task = models[key] { return try await task.value }
    let task = Task { [link] in
      try Model(
        bundle: try await link.model(key.digest, byteCount: byteCount), summation: key.summation)
    }
    models[key] = task
    do {
      return try await task.value
    } catch {
      models[key] = nil
      shelf.remove(key.digest)
      throw error
    }
  }
}

extension JobRequest {
  /// How the job wants leaves to be added.
  var summation: TreeEnsemble.Summation {
    modelParameters.fastSums == true ? .fast : .exact
  }
}
