import Columnar
import Jobs
import Partials

/// A file of results while it is written: text as it comes, or columns encoded from blocks.
struct ResultFile: ~Copyable {
  private var text: OutputFile?
  private let columns: ColumnarOutput?

  /// Begins a file of text.
  init(text file: consuming OutputFile) {
    text = consume file
    columns = nil
  }

  /// Begins a Parquet or Arrow file.
  ///
  /// - Throws: What stops the file, or `inconsistent` where the columns cannot be written.
  init(
    columns file: consuming OutputFile, format: ColumnarFileFormat, of input: MergeInput
  ) throws(DestinationError) {
    text = nil
    columns = try ColumnarOutput(file, format: format, of: input)
  }

  /// Appends text, or the next bytes of a block.
  mutating func append(_ bytes: [UInt8]) throws(DestinationError) {
    if let columns { return try columns.append(bytes) }
    try onDisk { () throws(FileError) in try text?.append(bytes) }
  }

  /// Appends a frame of text as it is stored.
  mutating func append(frame: [UInt8], rawByteCount: UInt32) throws(DestinationError) {
    precondition(columns == nil)
    try onDisk { () throws(FileError) in
      try text?.append(frame: frame, rawByteCount: rawByteCount)
    }
  }

  /// Ends a block with as many records.
  ///
  /// - Throws: `inconsistent` where its columns have other records.
  mutating func endBlock(recordCount: UInt64) throws(DestinationError) {
    if let columns { return try columns.endBlock(recordCount: recordCount) }
    text?.recordCount += recordCount
  }

  /// Ends the file and has its place keep it.
  consuming func finish() throws(DestinationError) -> OutputEntry {
    if let columns { return try columns.finish() }
    guard let file = text.take() else { preconditionFailure("a file of neither kind") }
    do throws(FileError) { return try file.finish() } catch { throw DestinationError(error) }
  }
}

/// A Parquet or Arrow file while it is written.
private final class ColumnarOutput {
  private let target: Target
  private let writer: ColumnarFileWriter
  private var recordCount: UInt64 = 0
  private let name: String

  /// The file, where the writer's bytes go, and why it took no more of them.
  private final class Target {
    var file: OutputFile?
    var failure: FileError?

    init(_ file: consuming OutputFile) {
      self.file = consume file
    }

    func append(_ bytes: [UInt8]) -> Bool {
      do throws(FileError) {
        try file?.append(bytes)
        return true
      } catch {
        failure = error
        return false
      }
    }
  }

  init(
    _ file: consuming OutputFile, format: ColumnarFileFormat, of input: MergeInput
  ) throws(DestinationError) {
    name = file.name
    let target = Target(file)
    self.target = target
    do throws(ColumnarWriteError) {
      writer = try unsafe ColumnarFileWriter(
        columns: input.resultColumns, format: format,
        isCompressed: input.request.outputConfig.compression == .zstd,
        version: input.releaseText, properties: input.fileProperties
      ) { bytes in unsafe target.append(Array(bytes)) }
    } catch {
      throw Self.failure(error, target.failure, name)
    }
  }

  func append(_ bytes: [UInt8]) throws(DestinationError) {
    do throws(ColumnarWriteError) {
      try writer.append(bytes)
    } catch {
      throw Self.failure(error, target.failure, name)
    }
  }

  func endBlock(recordCount expected: UInt64) throws(DestinationError) {
    let found: UInt64
    do throws(ColumnarWriteError) {
      found = try writer.endBlock()
    } catch {
      throw Self.failure(error, target.failure, name)
    }
    guard found == expected else {
      throw DestinationError(
        code: .inconsistent, context: "\(name): a block has \(found) rows, not \(expected)")
    }
    recordCount += found
  }

  func finish() throws(DestinationError) -> OutputEntry {
    do throws(ColumnarWriteError) {
      try writer.finish()
    } catch {
      throw Self.failure(error, target.failure, name)
    }
    guard var file = target.file.take() else { preconditionFailure("ended twice") }
    file.recordCount = recordCount
    do throws(FileError) { return try file.finish() } catch { throw DestinationError(error) }
  }

  /// What the file failed with, or what the blocks are.
  private static func failure(
    _ error: ColumnarWriteError, _ file: FileError?, _ name: String
  ) -> DestinationError {
    if let file { return DestinationError(file) }
    return DestinationError(code: .inconsistent, context: "\(name): \(error)")
  }
}

extension JobRequest.PredictionsFormat {
  /// What its files are; nil for lines of text.
  var columnarFormat: ColumnarFileFormat? {
    switch self {
    case .jsonl, .csv: nil
    case .parquet: .parquet
    case .arrow: .arrow
    }
  }
}
