import Jobs
import Partials

/// One record as it was published.
package struct PublishedRecord: Hashable, Sendable {
  /// Name of the file in the folder.
  package let file: String
  /// Its number among the file's records, from 1.
  package let number: UInt64
  /// Whether it stands among the errors.
  package let isError: Bool
  /// Its bytes, line end included; of a Parquet or Arrow file the row as JSON.
  package let bytes: [UInt8]
}

/// Single records of the result files and of the error file.
extension PublishedFolder {
  /// Reads what was published of a record.
  ///
  /// The receipt counts ok, error and filtered records of each shard; which of a shard's records
  /// are errors stands in the error file, by their rows. No more than a part of a file and the
  /// record itself is held in memory.
  ///
  /// - Parameters:
  ///   - place: The record, which is not left out.
  ///   - filteredBefore: How many records of the shard before it the filter leaves out.
  /// - Returns: The record and where it stands.
  /// - Throws: `inconsistent` where a file is damaged or has fewer records than the receipt says;
  ///   `file` where one cannot be read.
  package func record(
    at place: RecordPlace, filteredBefore: UInt64 = 0
  ) throws(DestinationError) -> PublishedRecord {
    guard filteredBefore <= min(receipt.shards.filtered[place.shard], place.rowInShard) else {
      throw Self.unsound(
        "\(path): the filter leaves out \(filteredBefore) records of shard \(place.shard) before "
          + "row \(place.row), the receipt has \(receipt.shards.filtered[place.shard])")
    }
    let (errorCount, found) = try errors(upTo: place)
    if let found { return found }
    let perFile = receipt.plan.shardsPerResultFile
    let file = place.shard / perFile
    let name = OutputName.results(file, of: receipt.plan.resultFileCount, request.outputConfig)
    let before = receipt.shards.ok[file * perFile..<place.shard].reduce(0, +)
    let (skipped, isLess) = (before + place.rowInShard - filteredBefore)
      .subtractingReportingOverflow(errorCount)
    guard !isLess else {
      throw Self.unsound("\(path): shard \(place.shard) has more error records than it has records")
    }
    if let format = PublishedColumns.format(of: name) {
      let columns = try onDisk { () throws(FileError) in
        try PublishedColumns(folder: path, name: name, format: format)
      }
      return PublishedRecord(
        file: name, number: skipped + 1, isError: false, bytes: try columns.line(ofRow: skipped))
    }
    var records = try open(
      name, in: path, headerByteCount: receipt.plan.resultHeaderByteCount,
      hasQuotes: receipt.configuration.predictionsFormat == .csv)
    try records.skip(skipped)
    return PublishedRecord(
      file: name, number: skipped + 1, isError: false, bytes: try records.next())
  }

  /// Walks the error records of the place's shard.
  ///
  /// - Returns: How many stand before the record, and the record itself if it is one of them.
  private func errors(
    upTo place: RecordPlace
  ) throws(DestinationError) -> (count: UInt64, record: PublishedRecord?) {
    let errorCount = receipt.shards.error[place.shard]
    guard errorCount > 0 else { return (0, nil) }
    let name = OutputName.errors(request.outputConfig)
    let before = receipt.shards.error[..<place.shard].reduce(0, +)
    var records = try open(
      name, in: try errorsFolder(), headerByteCount: 0, hasQuotes: false)
    try records.skip(before)
    for index in 0..<errorCount {
      let line = try records.next()
      let number = before + index + 1
      guard let row = ErrorLine.row(of: line), row > place.recordsBeforeShard + index,
        row <= place.recordsBeforeShard + count(of: place.shard)
      else {
        throw Self.unsound(
          "\(path)/\(name): line \(number) is not an error record of shard \(place.shard)")
      }
      if row == place.rowInInput + 1 {
        return (
          index, PublishedRecord(file: name, number: number, isError: true, bytes: line)
        )
      }
      if row > place.rowInInput { return (index, nil) }
    }
    return (errorCount, nil)
  }

  /// Opens a text file of the output, at its first record.
  func open(
    _ name: String, in folder: String, headerByteCount: Int, hasQuotes: Bool
  ) throws(DestinationError) -> RecordWalk {
    guard let output = receipt.outputs.first(where: { $0.name == name }) else {
      throw Self.unsound("\(path): the receipt has no file \(name)")
    }
    return RecordWalk(
      text: try PublishedText(folder: folder, output: output), headerByteCount: headerByteCount,
      hasQuotes: hasQuotes)
  }
}
