import CPosix
import Jobs
import Partials

/// Where the files of an output are made: a folder, or a prefix of an object store.
protocol OutputPlace {
  /// Begins a file that is not there yet.
  func makeTarget(_ name: String) throws(FileError) -> any OutputTarget
}

/// One file of an output, written from its beginning to its end.
protocol OutputTarget: AnyObject {
  func append(_ bytes: [UInt8]) throws(FileError)
  /// Has the place keep the file for good.
  func finish() throws(FileError)
}

/// A folder of the local file system.
struct LocalFolder: OutputPlace {
  let path: String

  func makeTarget(_ name: String) throws(FileError) -> any OutputTarget {
    LocalTarget(try File(path + "/" + name, .create))
  }
}

/// A local file; a file that was not finished stays where it is.
private final class LocalTarget: OutputTarget {
  private let file: File
  private var offset: UInt64 = 0

  init(_ file: consuming File) {
    self.file = file
  }

  func append(_ bytes: [UInt8]) throws(FileError) {
    try file.write(bytes, at: offset)
    // So that little is left to write when the file is fsynced; where the file system cannot, the
    // fsync does it all.
    _ = sync_file_range(file.descriptor, Int(offset), bytes.count, 2)
    offset += UInt64(bytes.count)
  }

  func finish() throws(FileError) { try file.synchronize() }
}

extension OutputPlace {
  /// Writes a JSON document.
  func write(_ json: JSONValue, name: String) throws(DestinationError) -> OutputEntry {
    try onDisk { () throws(FileError) in
      var file = try OutputFile(in: self, name: name, isCompressed: false)
      try JSONPrinter.print(json) { (bytes) throws(FileError) in try file.append(bytes) }
      return try file.finish()
    }
  }
}

extension OutputName {
  /// What `_SUCCESS` holds, before the line feed.
  static func successText(_ receipt: OutputEntry) -> [UInt8] {
    Array("\(receipt.sha256)  \(receipt.name)".utf8)
  }
}

extension Merger {
  /// Ends all files and adds the statistics and the receipt.
  ///
  /// - Parameter input: What was merged, with what is known only once the last block is committed:
  ///   its counts and its execution.
  /// - Returns: The `prediction.*` files by name, and the receipt.
  /// - Throws: As `finish`.
  consuming func finishAll(
    _ input: MergeInput
  ) throws(DestinationError) -> ([OutputEntry], receipt: OutputEntry) {
    let place = place
    var (totals, outputs) = try finish(input.counts)
    outputs.append(try place.write(input.statistics, name: OutputName.statistics))
    outputs.sort { $0.name < $1.name }
    let receipt = try place.write(
      totals.receipt(of: input, outputs: outputs), name: OutputName.receipt)
    return (outputs, receipt)
  }
}

extension MergeInput {
  /// What `prediction.stats.json` holds.
  fileprivate var statistics: JSONValue {
    .members([
      "completionStats": .members([
        "readCount": .unsigned(counts.total), "successfulCount": .unsigned(counts.ok),
        "failedCount": .unsigned(counts.error), "filteredCount": .unsigned(counts.filtered),
      ])
    ])
  }
}
