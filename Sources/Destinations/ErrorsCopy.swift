import Foundation
import Jobs
import ObjectStore

/// The error file of a published folder, wherever it is; from a store it is copied once.
struct ErrorsCopy {
  private let folder: PublishedFolder
  private let place: String
  private let copy: TemporaryFolder?

  /// Fetches the file where that is needed.
  ///
  /// - Throws: What stops the copy.
  init(of folder: PublishedFolder, store: ObjectStore = .shared) throws(DestinationError) {
    self.folder = folder
    let receipt = folder.receipt
    guard let errors = receipt.errorsUri, errors.contains("://"), receipt.counts.error > 0,
      let output = receipt.outputs.first(where: { OutputName.isOfErrors($0.name) })
    else {
      place = receipt.errorsUri ?? folder.path
      copy = nil
      return
    }
    let copy = try TemporaryFolder()
    try PublishedObjects.copy(output, below: errors, to: copy.path, from: store)
    place = copy.path
    self.copy = copy
  }

  /// Opens the file at its first record.
  func open() throws(DestinationError) -> RecordWalk {
    try folder.open(
      OutputName.errors(folder.request.outputConfig), in: place, headerByteCount: 0,
      hasQuotes: false)
  }
}

extension PublishedFolder {
  /// The records of some shards that the job isolated, because scoring them ended the process.
  ///
  /// - Parameter shards: In rising order.
  /// - Returns: For each shard with such records their numbers in it, from 0, and the reasons.
  /// - Throws: `inconsistent` where the error file is not what the receipt says; `file`.
  package func isolatedRecords(
    of shards: [Int]
  ) throws(DestinationError) -> [Int: [UInt64: String]] {
    guard receipt.counts.error > 0 else { return [:] }
    var isolated: [Int: [UInt64: String]] = [:]
    var cursor = ShardCursor(self)
    var records = try ErrorsCopy(of: self).open()
    for shard in shards where receipt.shards.error[shard] > 0 {
      cursor.advance(to: shard)
      try records.skip(cursor.errorsBefore - records.count)
      for _ in 0..<receipt.shards.error[shard] {
        let line = try records.next()
        guard let (row, reason) = Self.isolation(line), row > cursor.recordsBefore else { continue }
        isolated[shard, default: [:]][row - 1 - cursor.recordsBefore] = reason
      }
    }
    return isolated
  }

  private struct IsolatedLine: Decodable {
    struct Problem: Decodable {
      let code: String
      let message: String
    }
    let row: UInt64
    let error: Problem
  }

  /// The row and the reason of an error record that tells of an isolated one; `nil` for others.
  private static func isolation(_ line: [UInt8]) -> (row: UInt64, reason: String)? {
    let code = "SCORING_CRASHED"
    guard String(decoding: line, as: UTF8.self).contains(code),
      // What is no such line is compared as what it is.
      let parsed = try? JSONDecoder().decode(IsolatedLine.self, from: Data(line)),
      parsed.error.code == code
    else { return nil }
    return (parsed.row, parsed.error.message)
  }
}
