import Compression
import Digests
import Glibc
import Jobs
import Partials
import Tables

/// Whether the inputs are still what was read, as far as they are still there.
struct InputCheck {
  let receipt: Receipt

  func run(_ report: inout Verification.Report) {
    // Where it is no plan, the receipt's own check says what is wrong.
    guard let plan = receipt.remadePlan() else { return }
    // Objects and queries are pinned by their versions, and nobody has asked for their bytes.
    for (index, input) in plan.inputs.enumerated() where !InputAccess.isRemote(input.path) {
      do throws(FileError) {
        let file = try File(input.path, .read)
        report.inputsChecked += 1
        let byteCount = try file.byteCount()
        guard byteCount == input.byteCount else {
          report.findings.append(
            Verification.Finding(
              input.path, "has \(byteCount) bytes, \(input.byteCount) were planned"))
          continue
        }
        if isText {
          report.findings += try check(file, index, plan)
        } else if let finding = checkTime(of: file, index) {
          report.findings.append(finding)
        }
      } catch {
        if error.code == .missing {
          report.inputsMissing += 1
        } else {
          report.findings.append(Verification.Finding(input.path, error.context))
        }
      }
    }
  }

  /// Whether blocks are digested by their bytes.
  ///
  /// Of other formats they are by the values that were read, which needs the model: there the size
  /// and the time of the last change are what is compared.
  private var isText: Bool {
    switch receipt.configuration.instancesFormat {
    case .csv, .jsonl: true
    case .parquet, .orc, .arrow, .files, .postgresql: false
    }
  }

  private func checkTime(of file: borrowing File, _ index: Int) -> Verification.Finding? {
    var status = stat()
    guard unsafe fstat(file.descriptor, &status) == 0 else { return nil }  // it was just asked
    let found = OutputName.timestamp(
      Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec))
    let planned = receipt.inputs[index].modified
    guard found != planned else { return nil }
    return Verification.Finding(
      file.path,
      "was changed at \(found), the receipt says \(planned); whether its values are others, "
        + "scoring it again tells")
  }

  private func check(
    _ file: borrowing File, _ index: Int, _ plan: Plan
  ) throws(FileError) -> [Verification.Finding] {
    var findings: [Verification.Finding] = []
    var digester = ShardDigester(plan: plan, input: index)
    if let problem = try read(file, plan.inputs[index], &digester) {
      return [Verification.Finding(file.path, problem)]
    }
    for (shard, digest) in zip(plan.shards(ofInput: index), digester.finish()) {
      guard let expected = receipt.shards.inputDigests[shard], digest.description != expected
      else { continue }
      let range = plan.range(of: ShardID(UInt32(shard)))
      let end = range.end.map(String.init) ?? "the end"
      findings.append(
        Verification.Finding(
          file.path, place: "bytes \(range.offset) to \(end)",
          "is not what shard \(shard) was scored from"))
    }
    return findings
  }

  /// Feeds a file's text to the digester.
  ///
  /// - Returns: What is wrong with compressed text, or `nil`.
  private func read(
    _ file: borrowing File, _ input: PlannedInput, _ digester: inout ShardDigester
  ) throws(FileError) -> String? {
    let decompressor: TextDecompressor? =
      switch input.compression {
      case .none: nil
      case .gzip: TextDecompressor(.gzip)
      case .zstd: TextDecompressor(.zstd)
      }
    var output = [UInt8](repeating: 0, count: 1 << 18)
    var offset: UInt64 = 0
    while offset < input.byteCount {
      let count = Int(min(input.byteCount - offset, 1 << 18))
      let part = try file.read(count: count, at: offset)
      offset += UInt64(count)
      guard let decompressor else {
        digester.add(part[...])
        continue
      }
      do throws(CompressionError) {
        try Self.unpack(part, decompressor, &output, &digester)
      } catch {
        return "\(error)"
      }
    }
    return nil
  }

  private static func unpack(
    _ part: [UInt8], _ decompressor: TextDecompressor, _ output: inout [UInt8],
    _ digester: inout ShardDigester
  ) throws(CompressionError) {
    var taken = 0
    while true {
      let step = try unsafe part.withUnsafeBufferPointer { (input) throws(CompressionError) in
        try unsafe output.withUnsafeMutableBufferPointer { (output) throws(CompressionError) in
          try unsafe decompressor.decompress(
            UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: input[taken...])),
            into: UnsafeMutableRawBufferPointer(output))
        }
      }
      digester.add(output[..<step.producedCount])
      taken += step.consumedCount
      if taken == part.count, step.producedCount < output.count { return }
      if step.consumedCount == 0, step.producedCount == 0 { return }
    }
  }
}

/// Digests the text of one input by the blocks of its plan.
struct ShardDigester: ~Copyable {
  private let plan: Plan
  private let shards: Range<Int>
  private var shard: Int
  private var block = 0
  /// Bytes to the end of the block; `nil` where it takes all that comes.
  private var left: UInt64?
  private var blockHash = XXH3()
  private var blockDigests: [Digest128?] = []
  private var digests: [Digest128] = []

  init(plan: Plan, input: Int) {
    self.plan = plan
    shards = plan.shards(ofInput: input)
    shard = shards.lowerBound
    left = Self.byteCount(of: 0, plan.range(of: ShardID(UInt32(shard))))
  }

  private static func byteCount(of block: Int, _ range: ShardRange) -> UInt64? {
    guard let start = range.blockOffset(block), let end = range.blockOffset(block + 1) else {
      return nil
    }
    return min(end, range.end ?? end) - start
  }

  mutating func add(_ text: ArraySlice<UInt8>) {
    var rest = text
    while !rest.isEmpty {
      if left == 0 { endBlock() }
      let count = Int(min(left ?? .max, UInt64(rest.count)))
      guard count > 0 else { return }  // more text than the plan has
      blockHash.update(Array(rest.prefix(count)))
      rest = rest.dropFirst(count)
      left? -= UInt64(count)
    }
  }

  private mutating func endBlock() {
    guard shard < shards.upperBound else { return }
    let range = plan.range(of: ShardID(UInt32(shard)))
    blockDigests.append(exchange(&blockHash, with: XXH3()).finish())
    block += 1
    if block == range.blockCount {
      if let digest = Receipt.digest(over: blockDigests) { digests.append(digest) }
      blockDigests.removeAll()
      block = 0
      shard += 1
    }
    guard shard < shards.upperBound else { return }
    left = Self.byteCount(of: block, plan.range(of: ShardID(UInt32(shard))))
  }

  /// One digest for each shard of the input; blocks that the text did not reach are empty.
  consuming func finish() -> [Digest128] {
    while shard < shards.upperBound { endBlock() }
    return digests
  }
}
