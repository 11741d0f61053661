package import CoordinatorCore
import Database
import Digests
import Foundation
package import Jobs
package import Leasing

/// What a merge is made from, besides the committed blocks.
package struct MergeInput: Sendable {
  package var job: JobID
  package var request: JobRequest
  package var plan: Plan
  package var model: PlannedModel
  /// Name of the model for people; part of the folder's name.
  package var modelName: String
  /// When the job was submitted, since 1970; part of the folder's name.
  package var createdNanoseconds: Int64
  /// What the confirmed blocks add up to.
  package var counts: RecordCounts
  /// Written at the start of each result file, such as the line of column names of a CSV file.
  package var resultHeader: [UInt8]
  /// The columns of the results: the instance's, then the prediction's; what a CSV file's header
  /// names.
  package var resultColumns: [ResultColumn]
  /// How many of them are the instance's; `nil` where nobody asks.
  package var instanceColumnCount: Int?
  /// The columns of the inputs as they were planned; `nil` where nobody knows them.
  package var table: PlannedColumns?
  /// The release that writes, such as `0.1.0`; columnar files name it.
  package var releaseText: String
  /// All that may differ between two runs of the same job: times, workers, cost.
  package var execution: JSONValue
  /// Name of the folder in the job's work folder where the output is staged; the same for all lives
  /// of one state folder, and another for each copy of it.
  package var stager = "staging"

  package init(
    job: JobID, request: JobRequest, plan: Plan, model: PlannedModel, modelName: String,
    createdNanoseconds: Int64, counts: RecordCounts, resultHeader: [UInt8] = [],
    resultColumns: [ResultColumn] = [], table: PlannedColumns? = nil, releaseText: String = "0",
    instanceColumnCount: Int? = nil, execution: JSONValue = .object([])
  ) {
    self.job = job
    self.request = request
    self.plan = plan
    self.model = model
    self.modelName = modelName
    self.createdNanoseconds = createdNanoseconds
    self.counts = counts
    self.resultHeader = resultHeader
    self.resultColumns = resultColumns
    self.table = table
    self.instanceColumnCount = instanceColumnCount
    self.releaseText = releaseText
    self.execution = execution
  }

  /// Folder below which everything is written.
  package var destination: String { request.outputConfig.uri }

  /// Where the output is published.
  package var folder: String {
    destination + "/"
      + OutputName.folder(model: modelName, createdNanoseconds: createdNanoseconds)
  }

  /// Where error records go that do not go beside the predictions; `nil` for a database, whose
  /// tables have them.
  var errorsFolder: String? {
    guard !ConnectionTarget.isOne(destination), !SQLiteTarget.isOne(destination) else { return nil }
    // The merge has refused a place that is none.
    return (try? ErrorsPlace.place(of: self))?.folder
  }

  /// The job's own folder at the destination, from the first byte until it is published.
  package var workFolder: String { destination + "/.nightshift-\(job)" }

  /// Where the output is written before it is published.
  var stagingFolder: String { "\(workFolder)/\(stager)" }
}

extension MergeInput {
  /// What columnar files say of themselves, the same for every run of the same job.
  ///
  /// The job's digest is the SHA-256 of the two others and of the inputs' sizes, one on each line.
  var fileProperties: [(key: String, value: String)] {
    let bundle = model.digest.hexadecimal
    let configuration = Configuration(request).digest
    var hash = SHA256()
    hash.update(Array("\(bundle)\n\(configuration)\n".utf8))
    for planned in plan.inputs { hash.update(Array("\(planned.byteCount)\n".utf8)) }
    return [
      ("nightshift.job", hash.finish().description), ("nightshift.bundle", bundle),
      ("nightshift.configuration", configuration),
    ]
  }
}

/// Committed blocks and the file of the partial they are taken from.
package struct PlacedBlocks: Hashable, Sendable {
  package let committed: CommittedBlocks
  /// Ignored where the partial's size is zero: a range without records needs no file.
  package let path: String

  package init(committed: CommittedBlocks, path: String) {
    self.committed = committed
    self.path = path
  }
}

/// The part of a job's request that decides the output's bytes.
///
/// Paths, labels, names, thresholds and worker counts are left out; inputs and the model stand in
/// the receipt by their own digests. The configuration digest is the SHA-256 of this as JSON with
/// sorted keys and without spaces.
struct Configuration: Hashable, Codable {
  let instancesFormat: JobRequest.InstancesFormat
  let delimiter: String
  let nullWords: [String]?
  let instanceConfig: JobRequest.InstanceConfig
  let predictionsFormat: JobRequest.PredictionsFormat
  let compression: JobRequest.OutputCompression
  let modelParameters: JobRequest.ModelParameters
  let blockByteCount: UInt64
  let generateExplanation: Bool?
  let schema: [String: ColumnType]?
  let filter: String?
  let onParseError: JobRequest.OnParseError?
  let hivePartitioning: Bool?
  let query: String?
  let splitColumn: String?
  let outputFields: [String]?
  let topK: Int?

  init(_ request: JobRequest) {
    instancesFormat = request.inputConfig.instancesFormat
    delimiter = request.inputConfig.delimiter
    nullWords = request.inputConfig.nullWords
    instanceConfig = request.instanceConfig
    predictionsFormat = request.outputConfig.predictionsFormat
    compression = request.outputConfig.compression
    modelParameters = request.modelParameters
    blockByteCount = request.blockByteCount
    generateExplanation = request.generateExplanation
    schema = request.inputConfig.schema
    filter = request.inputConfig.filter
    onParseError = request.inputConfig.onParseError
    hivePartitioning = request.inputConfig.hivePartitioning
    query = request.inputConfig.query
    splitColumn = request.inputConfig.splitColumn
    outputFields = request.outputConfig.outputFields
    topK = request.outputConfig.topK
  }

  /// JSON with sorted keys, without spaces.
  var canonicalText: [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    guard let text = try? encoder.encode(self) else {
      fatalError("a configuration has nothing that JSON lacks")
    }
    return Array(text)
  }

  var digest: String { SHA256.digest(of: canonicalText).description }
}
