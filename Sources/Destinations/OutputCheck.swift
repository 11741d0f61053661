import Compression
import Digests
import Jobs
import Partials

/// Whether one file of the output is what the receipt says.
struct OutputCheck {
  let folder: String
  let receipt: Receipt
  let output: OutputEntry

  func findings() -> [Verification.Finding] {
    // A name in a receipt must not lead out of the folder.
    guard !output.name.contains("/"), output.name != ".." else {
      return [Verification.Finding(OutputName.receipt, place: "outputs", "has a path for a name")]
    }
    var findings: [Verification.Finding] = []
    do throws(FileError) {
      let file = try File(folder + "/" + output.name, .read)
      let byteCount = try file.byteCount()
      if byteCount != output.byteCount {
        findings.append(finding("has \(byteCount) bytes, the receipt says \(output.byteCount)"))
      }
      if try Self.digest(file, byteCount) != output.sha256 {
        findings.append(finding("its SHA-256 is not the receipt's"))
      }
      findings += try checkRecords(file, byteCount)
    } catch {
      findings.append(
        finding(error.code == .missing ? "is missing" : "cannot be read: \(error.context)"))
    }
    return findings
  }

  private func finding(_ problem: String, place: String = "") -> Verification.Finding {
    Verification.Finding(output.name, place: place, problem)
  }

  private static func digest(_ file: borrowing File, _ byteCount: UInt64) throws(FileError)
    -> String
  {
    var hash = SHA256()
    try forEachPart(of: file, byteCount) { (part) throws(FileError) in hash.update(part) }
    return hash.finish().description
  }

  private static func forEachPart(
    of file: borrowing File, _ byteCount: UInt64, _ body: ([UInt8]) throws(FileError) -> Void
  ) throws(FileError) {
    var offset: UInt64 = 0
    while offset < byteCount {
      let count = Int(min(byteCount - offset, 1 << 20))
      try body(try file.read(count: count, at: offset))
      offset += UInt64(count)
    }
  }

  // MARK: Records

  private func checkRecords(
    _ file: borrowing File, _ byteCount: UInt64
  ) throws(FileError) -> [Verification.Finding] {
    if output.name.hasPrefix("prediction.results-") {
      return try checkResults(file, byteCount)
    }
    if output.name.hasPrefix("prediction.errors_stats-") {
      return try checkErrors(file, byteCount)
    }
    return []
  }

  private func checkResults(
    _ file: borrowing File, _ byteCount: UInt64
  ) throws(FileError) -> [Verification.Finding] {
    if let format = PublishedColumns.format(of: output.name) {
      let columns = try PublishedColumns(folder: folder, name: output.name, format: format)
      do throws(DestinationError) {
        return checkCount(try columns.count(), expectedResultCount)
      } catch {
        return [finding("cannot be read: \(error.context)")]
      }
    }
    var counter = RecordCounter(
      headerByteCount: receipt.plan.resultHeaderByteCount,
      hasQuotes: receipt.configuration.predictionsFormat == .csv)
    var findings = try readText(file, byteCount) { counter.add($0) }
    if counter.endsInRecord { findings.append(finding("its last record has no end")) }
    findings += checkCount(counter.count, expectedResultCount)
    return findings
  }

  /// What the shards of the file add up to; `nil` for a name that is not in the plan.
  private var expectedResultCount: UInt64? {
    let digits = output.name.dropFirst("prediction.results-".count).prefix { $0.isNumber }
    let each = receipt.plan.shardsPerResultFile
    guard let index = Int(digits), index < receipt.plan.resultFileCount, each > 0,
      index <= receipt.shards.ok.count / each
    else { return nil }
    let first = index * each
    return sum(Array(receipt.shards.ok[first..<min(first + each, receipt.shards.ok.count)]))
  }

  private func checkErrors(
    _ file: borrowing File, _ byteCount: UInt64
  ) throws(FileError) -> [Verification.Finding] {
    var order = ErrorOrder(receipt)
    var findings = try readText(file, byteCount) { order.add($0) }
    findings += order.problems.map { finding($0.problem, place: "line \($0.line)") }
    findings += checkCount(order.lineCount, receipt.counts.error)
    return findings
  }

  private func checkCount(_ count: UInt64, _ expected: UInt64?) -> [Verification.Finding] {
    var findings: [Verification.Finding] = []
    if count != output.records {
      findings.append(finding("has \(count) records, the receipt says \(output.records)"))
    }
    if output.records != expected {
      let shards = expected.map(String.init) ?? "nothing"
      findings.append(
        finding("its \(output.records) records in the receipt are \(shards) by the shards"))
    }
    return findings
  }

  /// Gives the text of a plain file, or of a file of frames with a seek table.
  private func readText(
    _ file: borrowing File, _ byteCount: UInt64, _ body: ([UInt8]) -> Void
  ) throws(FileError) -> [Verification.Finding] {
    guard output.name.hasSuffix(".zst") else {
      try Self.forEachPart(of: file, byteCount) { (part) throws(FileError) in body(part) }
      return []
    }
    let table: SeekTable
    do throws(CompressionError) {
      guard let read = try Self.seekTable(file, byteCount) else {
        return [finding("has no room for a seek table")]
      }
      table = read
    } catch {
      return [finding("its seek table cannot be read: \(error)")]
    }
    return try readFrames(of: file, table, byteCount - UInt64(table.byteCount), body)
  }

  /// Reads the table that ends a file of frames; `nil` where the file is too short for one.
  static func seekTable(
    _ file: borrowing File, _ byteCount: UInt64
  ) throws(CompressionError) -> SeekTable? {
    let footerByteCount = UInt64(SeekTable.footerByteCount)
    guard byteCount >= footerByteCount,
      let footer = bytes(file, SeekTable.footerByteCount, byteCount - footerByteCount)
    else { return nil }
    let count = try SeekTable.byteCount(footer: footer[...])
    guard UInt64(count) <= byteCount, let text = bytes(file, count, byteCount - UInt64(count))
    else { return nil }
    return try SeekTable(decoding: text[...])
  }

  private static func bytes(_ file: borrowing File, _ count: Int, _ offset: UInt64) -> [UInt8]? {
    // The file's size was asked just before: what fails now is the disk, said by the digest too.
    try? file.read(count: count, at: offset)
  }

  private func readFrames(
    of file: borrowing File, _ table: SeekTable, _ end: UInt64, _ body: ([UInt8]) -> Void
  ) throws(FileError) -> [Verification.Finding] {
    var decompressor = FrameDecompressor()
    var findings: [Verification.Finding] = []
    var offset: UInt64 = 0
    for (index, entry) in table.entries.enumerated() {
      guard UInt64(entry.compressedByteCount) <= end - offset else {
        return findings + [finding("its seek table has frames beyond its end")]
      }
      let frame = try file.read(count: Int(entry.compressedByteCount), at: offset)
      var text: [UInt8] = []
      do throws(CompressionError) {
        try decompressor.decompress(frame, into: &text, limit: Int(entry.decompressedByteCount))
        if text.count != Int(entry.decompressedByteCount) {
          findings.append(
            finding(
              "holds \(text.count) bytes of text, the seek table says "
                + "\(entry.decompressedByteCount)", place: "frame \(index) at byte \(offset)"))
        }
        body(text)
      } catch {
        findings.append(finding("\(error)", place: "frame \(index) at byte \(offset)"))
      }
      offset += UInt64(entry.compressedByteCount)
    }
    if offset != end {
      findings.append(finding("\(end - offset) bytes are in no frame", place: "byte \(offset)"))
    }
    return findings
  }
}

/// Counts records of JSON lines, or of CSV, where a line feed between quotes ends nothing.
struct RecordCounter {
  private(set) var count: UInt64 = 0
  private(set) var endsInRecord = false
  private var headerBytesLeft: Int
  private let hasQuotes: Bool
  private var isQuoted = false

  init(headerByteCount: Int, hasQuotes: Bool) {
    headerBytesLeft = headerByteCount
    self.hasQuotes = hasQuotes
  }

  mutating func add(_ text: [UInt8]) {
    let header = min(max(0, headerBytesLeft), text.count)
    headerBytesLeft -= header
    for byte in text[header...] {
      endsInRecord = true
      if hasQuotes, byte == UInt8(ascii: "\"") { isQuoted.toggle() }
      if byte == UInt8(ascii: "\n"), !isQuoted {
        count += 1
        endsInRecord = false
      }
    }
  }
}

/// Walks the lines of the error file and checks that rows rise within each input.
struct ErrorOrder {
  private(set) var lineCount: UInt64 = 0
  private(set) var problems: [(line: UInt64, problem: String)] = []
  private var rest: [UInt8] = []
  /// For each input with error records: how many, and how many records it has in all.
  private var inputs: [(path: String, errors: UInt64, total: UInt64)]
  private var lastRow: UInt64 = 0

  /// More than these say nothing new.
  private static let problemLimit = 20

  init(_ receipt: Receipt) {
    let shards = receipt.shards
    let shardCount = min(shards.ok.count, shards.error.count, shards.filtered.count)
    inputs = receipt.inputs.compactMap { input in
      guard input.firstShard >= 0, input.shardCount >= 0, input.firstShard <= shardCount,
        input.shardCount <= shardCount - input.firstShard
      else { return nil }
      let range = input.firstShard..<input.firstShard + input.shardCount
      let errors = sum(Array(shards.error[range])) ?? 0
      let others = sum(Array(shards.ok[range]) + Array(shards.filtered[range])) ?? 0
      return errors == 0 ? nil : (input.path, errors, others &+ errors)
    }
    inputs.reverse()
  }

  mutating func add(_ text: [UInt8]) {
    rest += text
    var start = 0
    while let end = rest[start...].firstIndex(of: UInt8(ascii: "\n")) {
      lineCount += 1
      check(rest[start..<end])
      start = end + 1
    }
    rest.removeFirst(start)
  }

  private mutating func check(_ line: ArraySlice<UInt8>) {
    guard let row = ErrorLine.row(of: line) else { return note("has no row number") }
    guard let input = inputs.last else { return note("is one record more than in the receipt") }
    if row <= lastRow { note("row \(row) follows row \(lastRow) of \(input.path)") }
    if row > input.total { note("row \(row) of \(input.path), which has \(input.total)") }
    lastRow = max(row, lastRow)
    inputs[inputs.count - 1].errors -= 1
    if inputs[inputs.count - 1].errors == 0 {
      inputs.removeLast()
      lastRow = 0
    }
  }

  private mutating func note(_ problem: String) {
    if problems.count < Self.problemLimit { problems.append((lineCount, problem)) }
  }
}
