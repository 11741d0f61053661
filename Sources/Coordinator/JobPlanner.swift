import Compression
import CoordinatorCore
import Digests
import Features
import Foundation
import Glibc
import Jobs
import Models
import Scoring
import Tables

/// What planning finds out about a job.
struct PlannedJob: Sendable {
  let plan: Plan
  let model: PlannedModel
  let configuration: JobConfiguration
}

/// Lists a job's inputs, reads its model, and checks that they go together.
///
/// Blocks; runs off the pool.
struct JobPlanner {
  let request: JobRequest
  /// Where models are kept under their digests.
  let modelFolder: String

  /// Plans the job.
  ///
  /// - Throws: `CoordinatorError` in words for the person who submitted the job.
  func plan() throws(CoordinatorError) -> PlannedJob {
    do {
      let options = try CSVOptions(request: request)
      let files = try InputListing.files(of: request.inputConfig.uris)
      guard let first = files.first else { throw CoordinatorError("no input files") }
      let header = try readHeader(first, options)
      for file in files.dropFirst() {
        try header.requireSame(
          as: readHeader(file, options), at: file.path, path: first.path)
      }
      let bytes = try readModel()
      let model = try parse(bytes)
      let mapping = try ColumnMapping(inputs: model.inputs, columns: header.names)
      try checkTypes(first, header, model, mapping, options)
      _ = try RowFormat(
        request: request, columns: header.names,
        prediction: request.prediction(of: model))
      let plan = try Plan(
        inputs: files.map(PlannedInput.init), blockByteCount: request.blockByteCount)
      return PlannedJob(
        plan: plan, model: try keep(bytes),
        configuration: JobConfiguration(request: request, columns: header.names))
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

  private func readHeader(_ file: InputFile, _ options: CSVOptions) throws -> CSVHeader {
    let header = try CSVHeader.read(
      from: Self.text(of: file), path: file.path, options: options)
    // Only whoever reads a file's first block looks for the header.
    guard header.offset < Limits.smallestBlockByteCount else {
      throw CoordinatorError(
        "\(file.path): the header begins at byte \(header.offset); remove the blank lines "
          + "before it")
    }
    return header
  }

  private static func text(of file: InputFile) throws -> any ByteSource {
    let stored = try FileSource(path: file.path)
    guard let compression = file.compression else { return stored }
    return DecompressingSource(stored, compression: compression, name: file.path)
  }

  /// The columns of a job that was planned before, read from its first input.
  static func columns(of request: JobRequest, _ plan: Plan) throws -> [String] {
    let options = try CSVOptions(request: request)
    let input = plan.inputs[0]
    _ = try PinnedInput(input)
    let stored = try FileSource(path: input.path)
    let text: any ByteSource =
      switch input.compression {
      case .none: stored
      case .gzip: DecompressingSource(stored, compression: .gzip, name: input.path)
      case .zstd: DecompressingSource(stored, compression: .zstd, name: input.path)
      }
    return try CSVHeader.read(from: text, path: input.path, options: options).names
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
    var status = stat()
    let isKept = unsafe stat(path, &status) == 0 && Int(status.st_size) == bytes.count
    do {
      if !isKept { try Self.write(bytes, to: path) }
    } catch {
      throw CoordinatorError("cannot keep the model at \(path): \(error.localizedDescription)")
    }
    return PlannedModel(digest: content, byteCount: UInt64(bytes.count))
  }

  /// Writes a file that is whole and durable, or not there: the journal will name it.
  private static func write(_ bytes: [UInt8], to path: String) throws {
    let temporary = "\(path).\(UUID().uuidString)"
    defer { unsafe unlink(temporary) }  // where it was not renamed; a full disk needs the space
    try Data(bytes).write(to: URL(fileURLWithPath: temporary))
    let file = try FileHandle(forUpdating: URL(fileURLWithPath: temporary))
    try file.synchronize()
    try file.close()
    guard unsafe rename(temporary, path) == 0 else {
      let reason = unsafe String(cString: strerror(errno))
      throw CoordinatorError("rename \(temporary): \(reason)")
    }
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent()
    try FileHandle(forReadingFrom: folder).synchronize()
  }

  // MARK: Types

  /// Refuses a column of which no value among the first records is a number where the model needs
  /// numbers.
  private func checkTypes(
    _ file: InputFile, _ header: CSVHeader, _ model: Model, _ mapping: ColumnMapping,
    _ options: CSVOptions
  ) throws {
    var parser = CSVRangeParser(
      source: try Self.text(of: file), range: 0..<UInt64.max, blockByteCount: .max,
      headerOffset: header.offset, fieldCount: header.names.count, options: options)
    var tile = RecordTile()
    guard try parser.readTile(into: &tile) else { return }
    var wrong: [String] = []
    var values = Array(repeating: 0.0, count: RecordTile.recordLimit)
    for (index, input) in model.inputs.enumerated() where input.isUsed {
      guard needsNumbers(input) else { continue }
      var failures = RecordSet()
      let failureCount = unsafe values.withUnsafeMutableBufferPointer { values in
        unsafe tile.readNumbers(
          column: mapping.columnIndices[index], nullWords: options.nullWords, into: values,
          failures: &failures)
      }
      let hasNumber = values.prefix(tile.count).contains { !$0.isNaN }
      if failureCount > 0, !hasNumber { wrong.append(input.name) }
    }
    guard wrong.isEmpty else { throw wrongTypes(wrong, file, header, model) }
  }

  private func needsNumbers(_ input: ModelInput) -> Bool {
    switch input.kind {
    case .numeric, .categorical(nil): true
    case .categorical(.some), .text: false
    }
  }

  private func wrongTypes(
    _ wrong: [String], _ file: InputFile, _ header: CSVHeader, _ model: Model
  ) -> CoordinatorError {
    let inputs = model.inputs.map(\.description).joined(separator: ", ")
    return CoordinatorError(
      "\(file.path): the model needs numbers in \(wrong.joined(separator: ", ")), but the first "
        + "records have text there; the model's inputs are \(inputs); the table's columns are "
        + "\(header.names.joined(separator: ", "))")
  }
}

extension PlannedInput {
  init(_ file: InputFile) {
    let compression: InputCompression =
      switch file.compression {
      case nil: .none
      case .gzip: .gzip
      case .zstd: .zstd
      }
    self.init(
      path: file.path, byteCount: file.byteCount,
      modifiedNanoseconds: file.modificationNanoseconds, inode: file.inode,
      compression: compression)
  }
}

extension JobRequest {
  /// How the model's numbers are written.
  func prediction(of model: Model) throws(ModelError) -> PredictionFormat {
    PredictionFormat(
      outputs: model.outputs,
      explained: generateExplanation == true ? try model.explainedInputs() : [])
  }
}
