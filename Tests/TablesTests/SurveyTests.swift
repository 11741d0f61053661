import Compression
import Foundation
import Jobs
import Tables
import Testing

/// Inputs in a folder, planned and read shard by shard as a job does.
struct SurveyedJob {
  var request: JobRequest
  let survey: SurveyedTable
  let plan: Plan

  init(_ uris: [String], _ change: (inout JobRequest) -> Void = { _ in }) throws {
    var request = JobRequest(
      displayName: "t", model: "/m", inputConfig: .init(uris: uris),
      outputConfig: .init(uri: "/o"))
    change(&request)
    self.request = request
    let files = try InputListing.files(of: uris, options: .init(request: request))
    survey = try TableSurvey(request: request) { try FileSource(path: $0.path) }.run(files)
    plan = try Plan(inputs: survey.inputs, blockByteCount: request.blockByteCount)
  }

  /// All records' fields, nil for missing ones.
  func records(_ filterText: String? = nil) throws -> [[String?]] {
    let configuration = JobConfiguration(
      request: request, columns: survey.columns, types: survey.types)
    let table = try InputTable(
      configuration: configuration,
      needs: ColumnNeeds(numbers: [], texts: Set(survey.columns.indices)))
    let filter = try filterText.map {
      try RecordFilter($0, columns: survey.columns, types: survey.types)
    }
    var records: [[String?]] = []
    for shard in 0..<plan.shardCount {
      let range = plan.range(of: ShardID(UInt32(shard)))
      let input = plan.inputs[range.inputIndex]
      let reader = try table.reader(
        of: LeaseRange(
          path: input.path, begin: range.offset, end: range.end ?? .max,
          blockLength: range.blockLength, blockCount: range.blockCount,
          shardOffset: range.offset, places: range.places, shardEnd: range.end),
        compression: input.compression
      ) { try FileSource(path: input.path) }
      try read(reader, table, filter, into: &records)
    }
    return records
  }

  private func read(
    _ reader: any TileReader, _ table: InputTable, _ filter: RecordFilter?,
    into records: inout [[String?]]
  ) throws {
    var tile = RecordTile()
    var sieve = filter.map { RecordSieve($0, nullWords: table.csv.nullWords) }
    while try reader.readTile(into: &tile) {
      _ = sieve?.sift(tile)
      for record in 0..<tile.count where sieve?.kept.contains(record) != false {
        guard tile.error(of: record) == nil else {
          records.append(["\(tile.error(of: record).map { "\($0)" } ?? "")"])
          continue
        }
        records.append(
          survey.columns.indices.map { column in
            let field = unsafe tile.field(record, column)
            return unsafe field.isMissing(table.csv.nullWords)
              ? nil : String(decoding: field.unescaped(), as: UTF8.self)
          })
      }
    }
  }
}

struct SurveyTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test func packedInputsAreCutAndReadAsWhole() throws {
    let text = SourceTests.text(recordCount: 12_000)
    let parts = stride(from: 0, to: text.count, by: 9_000).map {
      Array(text[$0..<min($0 + 9_000, text.count)])
    }
    try folder.write(text, "plain.csv")
    try folder.write(CutReadingTests.pack(parts, .seekable), "seekable.csv.zst")
    try folder.write(CutReadingTests.pack(parts, .blockedGzip), "blocked.csv.gz")
    try folder.write(SourceTests.pack([text]), "one.csv.zst")
    let whole = try SurveyedJob([folder.url.path + "/plain.csv"]).records()
    #expect(whole.count == 12_000)
    for name in ["seekable.csv.zst", "blocked.csv.gz", "one.csv.zst"] {
      let job = try SurveyedJob([folder.url.path + "/" + name])
      #expect(job.plan.inputs[0].cuts.last?.offset == UInt64(text.count))
      #expect(try job.records() == whole)
    }
    // The same with small shards.
    let path = folder.url.path + "/seekable.csv.zst"
    let cuts = try FrameCuts.find(
      in: FileSource(path: path), compression: .zstd, shardByteCount: 20_000, name: "a"
    ).cuts
    let input = PlannedInput(
      path: path, byteCount: 0, modifiedNanoseconds: 0, inode: 0, compression: .zstd,
      cuts: cuts.map(InputCut.init))
    #expect(try Plan(inputs: [input]).shardCount == cuts.count - 1 && cuts.count > 10)
  }

  @Test func whatCannotBeDividedIsNoted() throws {
    var text = SourceTests.text(recordCount: 10)
    text += repeatElement(UInt8(ascii: "\n"), count: 5 << 20)
    let frame = PlainFrame(text: text, tellsSize: false, blockByteCount: 100_000).bytes
    for index in 0..<12 { try folder.write(frame, "in/\(index + 10).csv.zst") }
    let notes = try SurveyedJob([folder.url.path + "/in"]).survey.notes
    #expect(notes.count == 11)
    #expect(notes[0].hasPrefix("\(folder.url.path)/in/10.csv.zst is one shard"), "\(notes[0])")
    #expect(notes[10].hasPrefix("2 other files"))
  }

  /// Pretends to have bytes.
  private struct LargeSource: ByteSource {
    let byteCount: UInt64? = 3 << 30

    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) -> Int {
      buffer.count
    }
  }

  @Test func longReadingAtPlanningIsTold() throws {
    var told: [String] = []
    let source = CountedSource(LargeSource(), name: "s3://b/a.zst") { told.append($0) }
    var buffer = [UInt8](repeating: 0, count: 64 << 20)
    for step in 0..<36 {
      #expect((source.note == nil) == (step < 4), "\(step)")
      _ = try unsafe buffer.withUnsafeMutableBytes { buffer in
        try unsafe source.read(at: UInt64(step) << 26, into: buffer)
      }
    }
    #expect(
      told == [
        "planning: looking for frames in s3://b/a.zst, 1 of 3 GiB read",
        "planning: looking for frames in s3://b/a.zst, 2 of 3 GiB read",
      ])
    #expect(source.note?.hasPrefix("was read at planning, 2304 MiB") == true)
  }

  @Test func damageIsFoundWhenPlanning() throws {
    let packed = try SourceTests.pack([SourceTests.text(recordCount: 900)])
    try folder.write(Array(packed.dropLast(5)), "cut/a.csv.zst")
    try folder.write(packed, "named/a.csv")
    for name in ["cut", "named"] {
      do {
        _ = try SurveyedJob(["\(folder.url.path)/\(name)"])
        Issue.record("\(name) went unseen")
      } catch {
        #expect("\(error)".contains("\(folder.url.path)/\(name)/a.csv"), "\(error)")
      }
    }
  }

  // MARK: Formats

  @Test func namesTellTheFormat() throws {
    let cases: [(String, InputKind?)] = [
      ("/a/b.csv", .csv), ("/a/b.CSV.gz", .csv), ("/a/b.tsv", .tsv),
      ("s3://b/k.ndjson.zst", .jsonl),
      ("x.json", .jsonl), ("x.parquet", .parquet), ("x.orc", .orc), ("x.feather", .arrow),
      ("/a/photo.JPG", .media), ("/a/part-00000", nil), ("/a.csv/", nil), ("/a.parquet/part", nil),
      ("/data/*", nil), ("https://h/a.parquet?sig=a/b.csv", .parquet), ("csv", nil),
      ("/data/.csv", .csv),
    ]
    for (path, kind) in cases { #expect(InputKind(path: path) == kind, "\(path)") }
  }

  @Test func theFilesOfAFolderTellItsFormat() throws {
    func kind(_ folder: String) throws -> InputKind? {
      try InputListing.kind(of: InputListing.files(of: ["\(self.folder.url.path)/\(folder)"]))
    }
    for (name, expected) in [
      ("one/a.parquet", InputKind.parquet), ("two/part-0000", .csv), ("three/a.tsv.gz", .tsv),
      ("four/a.jsonl", .jsonl),
    ] {
      try folder.write([1], name)
      // Marks and hidden files are no part of the input.
      let parent = String(name.split(separator: "/")[0])
      try folder.write([], "\(parent)/_SUCCESS")
      try folder.write([], "\(parent)/.a.csv.crc")
      #expect(try kind(parent) == expected)
    }
    try folder.write([1], "mixed/a.csv")
    try folder.write([1], "mixed/b.csv")
    try folder.write([1], "mixed/c.jsonl")
    try folder.write([1], "mixed/d.parquet")
    let mixed = #expect(throws: TableError.self) { try kind("mixed") }
    for word in ["/mixed/a.csv (csv)", "/mixed/c.jsonl (jsonl)", "d.parquet", "--input-format"] {
      #expect(mixed?.context.contains(word) == true, "\(word)")
    }
    #expect(mixed?.context.contains("b.csv") == false)
    try folder.write([1], "images/a.jpg")
    let images = #expect(throws: TableError.self) { try kind("images") }
    #expect(images?.context.contains("--input-format files") == true)
  }

  // MARK: Members of later files

  @Test func membersOfLaterFilesAreColumns() throws {
    let many = String(repeating: "{\"a\":1}\n", count: JSONLSchema.recordLimit + 5)
    try folder.write(Array(many.utf8), "j/0.jsonl")
    for index in 1...JSONLSchema.fileLimit {
      let text = "{\"a\":1,\"m\(index)\":\(index)}\n"
      try folder.write(Array(text.utf8), "j/\(1000 + index).jsonl")
    }
    let job = try SurveyedJob([folder.url.path + "/j"]) { $0.inputConfig.instancesFormat = .jsonl }
    // The first file alone is more than is looked at; of the next 99 a little is.
    #expect(job.survey.columns == ["a"] + (1..<JSONLSchema.fileLimit).map { "m\($0)" })
    #expect(job.survey.types?.allSatisfy { $0 == .integer } == true)
    // A member that is no column does not make its record an error.
    let records = try job.records()
    #expect(records.count == JSONLSchema.recordLimit + 5 + JSONLSchema.fileLimit)
    #expect(records.last == ["1"] + Array(repeating: nil, count: JSONLSchema.fileLimit - 1))
    #expect(records[JSONLSchema.recordLimit + 5][1] == "1")
  }

  @Test func nestedMembersAreTheirText() throws {
    let text = """
      {"id":1,"tags":["a", {"b":"]"}],"geo":{"lat": 1.5}}
      {"id":2,"tags":null}

      """
    try folder.write(Array(text.utf8), "n/a.jsonl")
    let job = try SurveyedJob([folder.url.path + "/n"]) { $0.inputConfig.instancesFormat = .jsonl }
    #expect(job.survey.columns == ["id", "tags", "geo"])
    #expect(job.survey.types == [.integer, .text, .text])
    #expect(
      try job.records() == [["1", #"["a", {"b":"]"}]"#, #"{"lat": 1.5}"#], ["2", nil, nil]])
    try folder.write(Array("[1,2]\n".utf8), "arrays/a.jsonl")
    let error = #expect(throws: TableError.self) {
      try SurveyedJob([folder.url.path + "/arrays"]) { $0.inputConfig.instancesFormat = .jsonl }
    }
    #expect(error?.context.contains("name their columns in schema") == true)
  }

  // MARK: Partitions

  func partitioned() throws -> String {
    try folder.write(Array("id,x\n1,a\n2\n3,\"b\n\"\n".utf8), "t/year=2024/city=S%C3%A3o/a.csv")
    try folder.write(
      Array("id,x\n4,\n".utf8), "t/year=2025/city=__HIVE_DEFAULT_PARTITION__/b.csv")
    try folder.write(Array("no".utf8), "t/_SUCCESS")
    return folder.url.path + "/t"
  }

  @Test func foldersBecomeColumns() throws {
    let job = try SurveyedJob([try partitioned()]) { $0.inputConfig.hivePartitioning = true }
    #expect(job.survey.columns == ["id", "x", "year", "city"])
    #expect(
      try job.records() == [
        ["1", "a", "2024", "São"], ["fieldCount(expected: 2, found: 1)"],
        ["3", "b\n", "2024", "São"], ["4", nil, "2025", nil],
      ])
    #expect(try job.records("year >= 2025").last == ["4", nil, "2025", nil])
    #expect(try job.records("year >= 2025").count == 2, "the error is kept as one")
    #expect(try job.records("city = 'São' and id > 1").last == ["3", "b\n", "2024", "São"])
    #expect(try job.records("city is null").last == ["4", nil, "2025", nil])
    let typed = try SurveyedJob([try partitioned()]) { request in
      request.inputConfig.hivePartitioning = true
      request.inputConfig.schema = ["id": .integer]
    }
    #expect(typed.survey.types == [.integer, .text, .integer, .text])
    #expect(try typed.records("year > id").count == 4)
    let told = try SurveyedJob([try partitioned()]) { request in
      request.inputConfig.hivePartitioning = true
      request.inputConfig.schema = ["year": .text]
    }
    #expect(told.survey.types == [.text, .text, .text, .text])
  }

  @Test func instancesHaveTheColumnsOfFolders() throws {
    let long = String(repeating: "v%2C%22", count: 20)
    try folder.write(Array("a,b\n1,x\n,y\n".utf8), "w/key=\(long)/n=7/f.csv")
    let job = try SurveyedJob([folder.url.path + "/w"]) { $0.inputConfig.hivePartitioning = true }
    let table = try InputTable(
      configuration: JobConfiguration(request: job.request, columns: job.survey.columns),
      needs: ColumnNeeds(numbers: [3], texts: [0, 1, 2, 3]))
    let input = job.plan.inputs[0]
    let reader = try table.reader(
      of: LeaseRange(
        path: input.path, begin: 0, end: input.byteCount, blockLength: 1_000, blockCount: 1),
      compression: .none
    ) { try FileSource(path: input.path) }
    var tile = RecordTile()
    #expect(try reader.readTile(into: &tile))
    var numbers = [Double](repeating: 0, count: RecordTile.recordLimit)
    var failures = RecordSet()
    let failureCount = unsafe numbers.withUnsafeMutableBufferPointer { numbers in
      unsafe tile.readNumbers(
        column: 3, nullWords: table.csv.nullWords, into: numbers, failures: &failures)
    }
    #expect(failureCount == 0 && numbers[..<2] == [7, 7])
    let value = String(repeating: "v,\"", count: 20)
    let header = try CSVHeader.read(
      from: MemorySource(bytes: Array("a,b,key,n\n".utf8)), path: "h", options: CSVOptions())
    var output = TextBuffer()
    var writer = InstanceWriter(
      columns: [0, 1, 2, 3], header: header,
      nullWords: table.csv.nullWords)
    writer.appendJSONArray(of: 1, in: tile, to: &output)
    let json = try JSONSerialization.jsonObject(with: Data(output.copy())) as? [Any]
    #expect(json?[0] is NSNull && json?[2] as? String == value && json?[3] as? Int == 7)
    output.removeAll()
    writer.appendCSV(of: 0, in: tile, to: &output)
    let quoted = value.replacing("\"", with: "\"\"")
    #expect(String(decoding: output.copy(), as: UTF8.self) == "1,x,\"\(quoted)\",7")
    #expect(try !reader.readTile(into: &tile))
  }

  @Test func partitionsThatDifferAreAnError() throws {
    try folder.write(Array("id,x\n".utf8), "d/year=1/a.csv")
    try folder.write(Array("id,x\n".utf8), "d/month=1/a.csv")
    try folder.write(Array("id,x\n".utf8), "e/id=1/a.csv")
    for name in ["d", "e"] {
      let error = #expect(throws: TableError.self) {
        try SurveyedJob(["\(folder.url.path)/\(name)"]) { $0.inputConfig.hivePartitioning = true }
      }
      #expect(error?.code == .headerMismatch)
    }
  }
}
