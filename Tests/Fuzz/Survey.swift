import Columnar
import Jobs
import Tables

/// Plans a job over one input and reads all its shards as a worker does.
///
/// - Parameters:
///   - bytes: The first choose the job's options; the others are the input.
///   - format: The input's format.
///   - limit: Records after which no more is read.
func readTable(_ bytes: [UInt8], _ format: JobRequest.InstancesFormat, limit: Int) {
  var choices = Choices(bytes)
  let flags = choices.byte()
  var request = JobRequest(
    displayName: "", model: "", inputConfig: .init(uris: ["/input"]),
    outputConfig: .init(uri: "/output"))
  request.inputConfig.instancesFormat = format
  request.outputConfig.predictionsFormat = flags & 1 == 0 ? .jsonl : .parquet
  request.blockByteCount = Limits.smallestBlockByteCount
  let source = MemorySource(bytes: Array(choices.rest))
  let file = InputFile(
    path: "/input", byteCount: UInt64(source.bytes.count), modificationNanoseconds: 0,
    compression: nil)
  do {
    let table = try TableSurvey(request: request) { _ in source }.run([file])
    let configuration = JobConfiguration(
      request: request, columns: table.columns, types: table.types)
    let plan = try Plan(inputs: table.inputs, blockByteCount: request.blockByteCount)
    let input = try InputTable(
      configuration: configuration, needs: needs(table, numbersFirst: flags & 2 != 0))
    var recordCount = 0
    for shard in plan.shards(ofInput: 0) where recordCount < limit {
      let range = plan.range(of: ShardID(UInt32(shard)))
      recordCount += try read(input, range, source, limit: limit - recordCount)
    }
  } catch {
    require(!"\(error)".isEmpty && "\(error)".utf8.count < 64 << 10, "an error of many words")
  }
}

/// Columns read as numbers and as text; text is none of the former.
private func needs(_ table: SurveyedTable, numbersFirst: Bool) -> ColumnNeeds {
  var needs = ColumnNeeds(numbers: [], texts: [])
  for column in table.columns.indices.prefix(200) {
    let isText = [.text, .binary].contains(table.types?[column])
    if numbersFirst, !isText { needs.numbers.insert(column) } else { needs.texts.insert(column) }
  }
  return needs
}

/// Reads one shard; answers how many records it has.
private func read(
  _ input: InputTable, _ range: ShardRange, _ source: MemorySource, limit: Int
) throws -> Int {
  let end = range.end ?? .max
  let reader = try input.reader(
    of: LeaseRange(
      path: "/input", begin: range.offset, end: end, blockLength: range.blockLength,
      blockCount: range.blockCount, shardOffset: range.offset, places: range.places,
      shardEnd: range.end),
    compression: .none
  ) { source }
  var tile = RecordTile()
  var recordCount = 0
  while recordCount < limit, try reader.readTile(into: &tile) {
    recordCount += tile.count
    try use(tile, input)
  }
  return recordCount
}

/// Takes every value of a tile into the hand.
private func use(_ tile: borrowing RecordTile, _ input: InputTable) throws {
  var failures = RecordSet()
  var numbers = [Double](repeating: 0, count: RecordTile.recordLimit)
  for column in input.needs.numbers {
    _ = unsafe numbers.withUnsafeMutableBufferPointer { numbers in
      unsafe tile.readNumbers(
        column: column, nullWords: input.csv.nullWords, into: numbers, failures: &failures)
    }
  }
  var byteCount = 0
  for record in 0..<tile.count where tile.error(of: record) == nil {
    for column in input.needs.texts {
      byteCount += unsafe tile.field(record, column).unescaped().count
    }
  }
}
