import Jobs
import Models
import Tables

extension FuzzTarget {
  /// Tables of text: what is found does not depend on where they are cut, on how much is read at a
  /// time, or on the instructions that are used.
  static let tables = [
    FuzzTarget(name: "csv") { bytes in
      var choices = Choices(bytes)
      let reading = TextReading(&choices)
      let text = Array(choices.rest)
      reading.compare { cuts, isOdd in try reading.csv(text, cuts, isOdd: isOdd) }
    },
    FuzzTarget(name: "jsonl") { bytes in
      var choices = Choices(bytes)
      let reading = TextReading(&choices)
      let text = Array(choices.rest)
      reading.compare { cuts, isOdd in try reading.jsonl(text, cuts, isOdd: isOdd) }
    },
    FuzzTarget(name: "survey-csv") { survey($0, .csv) },
    FuzzTarget(name: "survey-jsonl") { survey($0, .jsonl) },
  ]

  /// Plans a job over an input and reads it.
  private static func survey(_ bytes: [UInt8], _ format: JobRequest.InstancesFormat) {
    readTable(bytes, format, limit: 1 << 16)
  }
}

/// How a text is read, by an input's first bytes.
struct TextReading {
  let options: CSVOptions
  let fieldCount: Int
  let windowByteCount: Int
  let readLimit: Int
  /// Bytes of a range.
  let rangeByteCount: Int
  let blockByteCount: Int

  init(_ choices: inout Choices) {
    let delimiters = [",", ";", "\t", "|"].map { Array($0.utf8)[0] }
    let delimiter = delimiters[Int(choices.byte()) % delimiters.count]
    let limit = choices.flag() ? 1 << 20 : choices.number(4...300)
    do throws(TableError) {
      options = try CSVOptions(delimiter: delimiter, recordByteLimit: limit)
    } catch {
      fatalError("\(error)")
    }
    fieldCount = choices.number(1...5)
    windowByteCount = choices.number(1...600)
    readLimit = choices.number(1...600)
    rangeByteCount = choices.number(1...500)
    blockByteCount = choices.number(1...500)
  }

  /// Calls `read` for the whole text and for ranges of it, and compares what they give.
  func compare(_ read: (_ cuts: Int?, _ isOdd: Bool) throws -> TextDigest) {
    do {
      let whole = try read(nil, false)
      require(try read(nil, true) == whole, "instructions or windows change what is read")
      require(try read(rangeByteCount, true) == whole, "cuts change what is read")
    } catch {
      fatalError("a text in memory is refused: \(error)")
    }
  }

  private func ranges(_ byteCount: Int, _ size: Int?) -> [Range<UInt64>] {
    // A text of many cuts takes long and finds no more.
    let end = max(byteCount, 1)
    let step = max(size ?? end, (end + 15) / 16)
    return stride(from: 0, to: end, by: step).map { UInt64($0)..<UInt64(min($0 + step, end)) }
  }

  /// Reads CSV range by range, each with a guess of its state that is corrected.
  func csv(_ text: [UInt8], _ size: Int?, isOdd: Bool) throws -> TextDigest {
    var digest = TextDigest()
    var state = RangeState.recordStart
    var tile = RecordTile()
    for range in ranges(text.count, size) {
      let start = digest
      var isRight = false
      // At zero there is nothing to guess.
      var entry = range.lowerBound == 0 ? state : .recordStart
      while !isRight {
        digest = start
        var parser = CSVRangeParser(
          source: MemorySource(bytes: text, readLimit: isOdd ? readLimit : .max), range: range,
          blockByteCount: isOdd ? UInt64(blockByteCount) : .max, entryState: entry,
          headerOffset: nil, fieldCount: fieldCount, options: options,
          instructions: isOdd ? .portable : .best,
          windowByteCount: isOdd ? windowByteCount : 64 << 10)
        while try parser.readTile(into: &tile) {
          digest.add(tile, fieldCount: fieldCount, options, isOdd ? .portable : .best)
        }
        require(parser.boundStates.first == entry, "a range forgets its entry state")
        isRight = entry == state
        if isRight { state = parser.boundStates.last ?? .recordStart }
        entry = state
      }
    }
    return digest
  }

  /// Reads JSON lines range by range.
  func jsonl(_ text: [UInt8], _ size: Int?, isOdd: Bool) throws -> TextDigest {
    var digest = TextDigest()
    let columns = Array(["a", "b", "id", "x\n", "é"].prefix(fieldCount))
    var tile = RecordTile()
    for range in ranges(text.count, size) {
      let block = isOdd ? UInt64(blockByteCount) : UInt64(max(text.count, 1))
      let count = (UInt64(range.count) + block - 1) / block
      let lease = LeaseRange(
        path: "input", begin: range.lowerBound, end: range.upperBound, blockLength: block,
        blockCount: Int(count))
      let reader = try JSONLTileReader(
        text: MemorySource(bytes: text, readLimit: isOdd ? readLimit : .max), range: lease,
        columns: columns,
        options: JSONLOptions(
          recordByteLimit: options.recordByteLimit, acceptsArrays: fieldCount > 2),
        instructions: isOdd ? .portable : .best,
        windowByteCount: isOdd ? windowByteCount : 64 << 10)
      while try reader.readTile(into: &tile) {
        digest.add(tile, fieldCount: fieldCount, options, isOdd ? .portable : .best)
      }
    }
    return digest
  }
}

/// What tiles hold, in so few words that two readings can be compared.
struct TextDigest: Equatable {
  private var hash: UInt64 = 0xCBF2_9CE4_8422_2325
  private(set) var recordCount = 0

  private mutating func add(_ number: UInt64) {
    hash = (hash ^ number) &* 0x100_0000_01B3
    hash ^= hash >> 29
  }

  /// Adds all records of a tile: places, errors, fields, numbers, and the JSON of the instance.
  mutating func add(
    _ tile: borrowing RecordTile, fieldCount: Int, _ options: CSVOptions,
    _ instructions: TextInstructions
  ) {
    recordCount += tile.count
    for record in 0..<tile.count {
      add(tile.offset(of: record))
      let error = tile.error(of: record)
      guard error == nil else {
        add(UInt64(String(describing: error).utf8.count))
        continue
      }
      for column in 0..<fieldCount {
        let field = unsafe tile.field(record, column)
        for byte in unsafe field.unescaped() { add(UInt64(byte)) }
        add(unsafe field.isMissing(options.nullWords) ? 1 : 2)
      }
    }
    for column in 0..<fieldCount { addNumbers(tile, column, options, instructions) }
    checkInstances(tile, fieldCount: fieldCount, options)
  }

  private mutating func addNumbers(
    _ tile: borrowing RecordTile, _ column: Int, _ options: CSVOptions,
    _ instructions: TextInstructions
  ) {
    var numbers = [Double](repeating: 0, count: RecordTile.recordLimit)
    var failures = RecordSet()
    let count = unsafe numbers.withUnsafeMutableBufferPointer { numbers in
      unsafe tile.readNumbers(
        column: column, nullWords: options.nullWords, into: numbers, failures: &failures,
        instructions: instructions)
    }
    // Tiles end elsewhere where a text is cut, so nothing may hang on their order.
    for record in 0..<tile.count {
      numberSum &+= numbers[record].isNaN ? 1 : numbers[record].bitPattern &* 31
    }
    failureCount += count
    require(count <= tile.count, "\(count) failures in \(tile.count) records")
  }

  private var numberSum: UInt64 = 0
  private var failureCount = 0

  /// The instance as it is written beside a prediction has to be JSON.
  private func checkInstances(
    _ tile: borrowing RecordTile, fieldCount: Int, _ options: CSVOptions
  ) {
    guard let header = Self.headers[fieldCount] else { return }
    var writer = InstanceWriter(
      columns: Array(0..<fieldCount), header: header, nullWords: options.nullWords)
    var text = TextBuffer(capacity: 64)
    for record in 0..<min(tile.count, 4) where tile.error(of: record) == nil {
      text.removeAll()
      writer.appendJSONObject(of: record, in: tile, to: &text)
      let bytes = text.copy()
      // A model's reader refuses halves of surrogate pairs, which JSON may have.
      if bytes.contains(UInt8(ascii: "\\")) { continue }
      do throws(ModelError) {
        _ = try Document(bytes, encoding: .json)
      } catch {
        // Texts that a model's reader refuses for their size or depth are JSON all the same.
        require(error.code == .limitExceeded || error.code == .unsupported, "\(error): \(bytes)")
      }
    }
  }

  private static let headers: [Int: CSVHeader] = {
    var headers: [Int: CSVHeader] = [:]
    for count in 1...5 {
      let names = ["a", "b", "c", "d", "e"].prefix(count).joined(separator: ",") + "\n"
      do {
        headers[count] = try CSVHeader.read(
          from: MemorySource(bytes: Array(names.utf8)), path: "header", options: CSVOptions())
      } catch {
        fatalError("\(error)")
      }
    }
    return headers
  }()
}
