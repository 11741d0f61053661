import Digests
import Foundation
package import Jobs

/// A published folder as `replay` reads it: what its receipt says of records, inputs and model.
///
/// The receipt is believed where it agrees with itself and is the one that `_SUCCESS` names.
package struct PublishedFolder: Sendable {
  package let path: String
  /// The plan again, made from the receipt; times and inodes of its inputs are zero.
  package let plan: Plan
  let receipt: Receipt

  /// Reads the receipt.
  ///
  /// - Throws: `missing` where there is none, `inconsistent` where it cannot be believed.
  package init(path: String) throws(DestinationError) {
    let file = path + "/" + OutputName.receipt
    guard let content = FileManager.default.contents(atPath: file) else {
      throw DestinationError(
        code: .file(.missing),
        context: "\(path): no \(OutputName.receipt) can be read there; name a published "
          + "prediction-… folder")
    }
    let receipt: Receipt
    do {
      receipt = try JSONDecoder().decode(Receipt.self, from: content)
    } catch {
      throw Self.unsound("\(file) is not a receipt: \(error)")
    }
    let findings =
      Verification.checkSuccess(path, SHA256.digest(of: Array(content)).description)
      + ReceiptCheck(receipt: receipt).findings()
    if let first = findings.first { throw Self.unsound("\(path): \(first)") }
    guard let plan = receipt.remadePlan(), receipt.plan.shardsPerResultFile > 0 else {
      throw Self.unsound("\(file): its inputs do not make up its plan")
    }
    self.path = path
    self.plan = plan
    self.receipt = receipt
  }

  /// An error of what stands in the folder, the inputs or the model.
  static func unsound(_ context: String) -> DestinationError {
    DestinationError(code: .inconsistent, context: context)
  }

  /// Records over all inputs, whatever became of them.
  package var recordCount: UInt64 { receipt.counts.read }

  package var modelName: String { receipt.model.name }

  /// SHA-256 of the model, hexadecimal.
  package var modelDigest: String { receipt.model.digest }

  /// Where the model was when the job ran; `nil` in receipts of earlier releases.
  package var modelPath: String? { receipt.execution?.modelPath }

  /// The job's number, as the receipt has it.
  package var job: String { receipt.job }

  /// A request with all that decides the output's bytes; names, paths and limits are not known.
  package var request: JobRequest {
    let configuration = receipt.configuration
    var request = JobRequest(
      displayName: "", model: "", inputConfig: .init(uris: []), outputConfig: .init(uri: path))
    request.inputConfig.instancesFormat = configuration.instancesFormat
    request.inputConfig.delimiter = configuration.delimiter
    request.inputConfig.nullWords = configuration.nullWords
    request.instanceConfig = configuration.instanceConfig
    request.outputConfig.predictionsFormat = configuration.predictionsFormat
    request.outputConfig.compression = configuration.compression
    request.modelParameters = configuration.modelParameters
    request.blockByteCount = configuration.blockByteCount
    request.generateExplanation = configuration.generateExplanation
    // The planned columns have all types; receipts of earlier releases do not have them.
    request.inputConfig.schema = receipt.table == nil ? plannedTypes : configuration.schema
    request.inputConfig.filter = configuration.filter
    request.inputConfig.onParseError = configuration.onParseError
    request.inputConfig.hivePartitioning = configuration.hivePartitioning
    request.inputConfig.query = configuration.query
    request.inputConfig.splitColumn = configuration.splitColumn
    request.outputConfig.outputFields = configuration.outputFields
    request.outputConfig.topK = configuration.topK
    return request
  }

  /// The columns of the inputs and their types as planned; `nil` in receipts of earlier releases.
  package var columns: PlannedColumns? { receipt.table }

  /// The local folder with the error records.
  ///
  /// - Throws: `inconsistent` where they are in an object store.
  func errorsFolder() throws(DestinationError) -> String {
    guard let folder = receipt.errorsUri else { return path }
    guard !folder.contains("://") else {
      throw Self.unsound(
        "\(path): the shard has error records, which are in \(folder): copy them to this machine "
          + "and look there")
    }
    return folder
  }

  /// Types of the table's columns: those that the job gave, and of columnar results those that were
  /// planned.
  private var plannedTypes: [String: ColumnType]? {
    guard let columns = receipt.resultColumns else { return receipt.configuration.schema }
    var types = receipt.configuration.schema ?? [:]
    for column in columns {
      let key = receipt.configuration.instanceConfig.keyField
      types[column.name == "key" ? key ?? "key" : column.name] = column.type
    }
    return types
  }

  /// Finds the shard that a record belongs to; `row` counts from 0 over all inputs.
  ///
  /// - Throws: `inconsistent` for a row beyond the last.
  package func place(ofRow row: UInt64) throws(DestinationError) -> RecordPlace {
    guard row < recordCount else {
      let last = recordCount == 0 ? "" : ", the last is row \(recordCount - 1)"
      throw Self.unsound(
        "\(path): there is no row \(row): the receipt has \(recordCount) records\(last)")
    }
    var next: UInt64 = 0
    for index in plan.inputs.indices {
      let inputStart = next
      let shards = plan.shards(ofInput: index)
      for shard in shards {
        let count = count(of: shard)
        if row - next < count {
          return RecordPlace(
            row: row, rowInInput: row - inputStart, rowInShard: row - next, inputIndex: index,
            input: plan.inputs[index], shard: shard, firstShard: shards.lowerBound,
            range: plan.range(of: ShardID(UInt32(shard))))
        }
        next += count
      }
    }
    // The receipt was checked: its shards add up to its records.
    throw Self.unsound("\(path): the receipt's shards have no row \(row)")
  }

  /// Records of a shard, whatever became of them.
  package func count(of shard: Int) -> UInt64 {
    receipt.shards.ok[shard] + receipt.shards.error[shard] + receipt.shards.filtered[shard]
  }
}

/// Where one record of a job stands.
package struct RecordPlace: Hashable, Sendable {
  /// From 0, over all inputs.
  package let row: UInt64
  /// From 0.
  package let rowInInput: UInt64
  /// From 0.
  package let rowInShard: UInt64
  package let inputIndex: Int
  package let input: PlannedInput
  package let shard: Int
  /// The input's first shard.
  package let firstShard: Int
  /// Of the shard.
  package let range: ShardRange

  /// Records of the input before the shard.
  package var recordsBeforeShard: UInt64 { rowInInput - rowInShard }
}
