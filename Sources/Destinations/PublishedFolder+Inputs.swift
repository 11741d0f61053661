package import Digests
import Glibc
import Jobs
import Partials
import Tables

/// The model and the inputs, held against the receipt.
extension PublishedFolder {
  /// Reads the model's file, which has to be the one that the receipt names by its digest.
  ///
  /// - Throws: `inconsistent` with both digests; `file` where it cannot be read.
  package func readModel(at path: String) throws(DestinationError) -> [UInt8] {
    let model = receipt.model
    var bytes: [UInt8] = []
    var hash = SHA256()
    do throws(FileError) {
      let file = try File(path, .read)
      let byteCount = try file.byteCount()
      // A file of another size is digested for the message, but not kept.
      let isKept = byteCount == model.byteCount && byteCount <= Limits.modelByteCount
      var offset: UInt64 = 0
      while offset < byteCount {
        let count = Int(min(byteCount - offset, 1 << 20))
        let part = try file.read(count: count, at: offset)
        hash.update(part)
        if isKept { bytes += part }
        offset += UInt64(count)
      }
    } catch {
      throw DestinationError(
        code: DestinationError(error).code, context: "cannot read the model: \(error.context)")
    }
    let digest = hash.finish().description
    guard digest == model.digest else {
      throw Self.unsound(
        "\(path) is not the model of \(self.path): its SHA-256 is \(digest), the receipt names "
          + "\"\(model.name)\" with \(model.digest)")
    }
    return bytes
  }

  /// Holds an input's size and time of change against the receipt.
  ///
  /// Its content is held against the receipt by `check`, so that a file that was only touched or
  /// put back can still be read.
  ///
  /// - Returns: A remark for people where the time differs, otherwise `nil`.
  /// - Throws: `file` where the input cannot be read, `inconsistent` where its size differs.
  package func checkInput(of place: RecordPlace) throws(DestinationError) -> String? {
    try checkInput(place.inputIndex)
  }

  /// Holds an input's size and time of change against the receipt.
  ///
  /// See `checkInput` of a record's place.
  package func checkInput(_ index: Int) throws(DestinationError) -> String? {
    let input = plan.inputs[index]
    // What has a version is read by it.
    guard !InputAccess.isRemote(input.path) else { return nil }
    var status = stat()
    guard unsafe stat(input.path, &status) == 0 else {
      let error = FileError("stat", input.path)
      throw DestinationError(
        code: DestinationError(error).code,
        context: "an input cannot be read: \(error.context)")
    }
    guard UInt64(status.st_size) == input.byteCount else {
      throw Self.unsound(
        "input changed: \(input.path) has \(status.st_size) bytes, the receipt says "
          + "\(input.byteCount)")
    }
    let found = OutputName.timestamp(
      Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec))
    let planned = receipt.inputs[index].modified
    guard found != planned else { return nil }
    return "\(input.path) was changed at \(found), the receipt says \(planned); what was "
      + "read of it is what the receipt says"
  }

  /// Holds what was read of an input against the receipt, shard by shard.
  ///
  /// - Parameters:
  ///   - blockDigests: XXH3-128 of each block, for the shards up to that of the record.
  ///   - place: The record that was looked for.
  /// - Throws: `inconsistent` with the bytes that differ.
  package func check(
    blockDigests: [[Digest128]], of place: RecordPlace
  ) throws(DestinationError) {
    for (back, digests) in blockDigests.reversed().enumerated() {
      guard let change = change(of: place.shard - back, digests) else { continue }
      throw Self.unsound("input changed: \(change)")
    }
  }

  /// What tells that a shard's input is not what was scored; `nil` where it is.
  ///
  /// - Parameters:
  ///   - shard: The shard.
  ///   - blockDigests: XXH3-128 of each of its blocks as they were read now.
  /// - Returns: The input, the place in it and what is wrong.
  func change(of shard: Int, _ blockDigests: [Digest128]) -> Verification.Finding? {
    let range = plan.range(of: ShardID(UInt32(shard)))
    let digest = Receipt.digest(over: blockDigests.map { $0 })
    // A shard without records may have no digest: nothing was published from it.
    guard let expected = receipt.shards.inputDigests[shard], expected != digest?.description
    else { return nil }
    let last = range.end.map(String.init) ?? "the end"
    return Verification.Finding(
      plan.inputs[range.inputIndex].path, place: "\(unit) \(range.offset) to \(last)",
      "is not what shard \(shard) was scored from")
  }

  /// What ranges of the inputs are counted in.
  private var unit: String {
    switch receipt.configuration.instancesFormat {
    case .csv, .jsonl: "bytes"
    case .parquet, .orc, .arrow, .files: "rows"
    case .postgresql: "keys"
    }
  }
}
