import Digests
import Foundation
import Jobs
import Tables
import Testing

/// Lists of files as tables.
@Suite struct FileListTests {
  private func read(
    _ path: String, texts: Set<Int> = [0, 1]
  ) throws -> (SurveyedTable, [[UInt8]?], RecordError?, String) {
    var input = JobRequest.InputConfig(uris: [path])
    input.instancesFormat = .files
    let request = JobRequest(
      displayName: "", model: "", inputConfig: input,
      outputConfig: JobRequest.OutputConfig(uri: ""))
    let survey = TableSurvey(request: request) { try FileSource(path: $0.path) }
    let table = try survey.run(try InputListing.files(of: [path]))
    let plan = try Plan(inputs: table.inputs)
    #expect(plan.shardCount == table.inputs.count)
    let range = plan.range(of: ShardID(0))
    #expect(range.blockCount == 1)
    let reader = try InputTable(
      configuration: JobConfiguration(request: request, columns: table.columns),
      needs: ColumnNeeds(numbers: [], texts: texts)
    ).reader(
      of: LeaseRange(
        path: table.inputs[0].path, begin: range.offset, end: range.end ?? 0,
        blockLength: range.blockLength, blockCount: range.blockCount), compression: .none
    ) { try FileSource(path: table.inputs[0].path) }
    var tile = RecordTile()
    let isRead = try reader.readTile(into: &tile)
    try #require(isRead)
    #expect(tile.count == 1 && tile.offset(of: 0) == 0)
    let error = tile.error(of: 0)
    var fields: [[UInt8]?] = [nil, nil]
    if error == nil {
      fields[0] = unsafe tile.field(0, 0).unescaped()
      fields[1] = unsafe Array(tile.field(0, 1).bytes)
    }
    let hasMore = try reader.readTile(into: &tile)
    #expect(!hasMore)
    return (table, fields, error, reader.inputDigest(ofBlock: 0).description)
  }

  @Test func aFileIsARecord() throws {
    let folder = NSTemporaryDirectory() + "nightshift-files-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let name = folder + "/odd \"name\",.png.gz"
    let bytes = (0..<70_000).map { UInt8(truncatingIfNeeded: $0 &* 7) } + Array("\"\"".utf8)
    try Data(bytes).write(to: URL(fileURLWithPath: name))
    try Data().write(to: URL(fileURLWithPath: folder + "/zero.png"))
    let (table, fields, error, digest) = try read(folder)
    #expect(table.columns == ["path", "bytes"] && table.types == [.text, .binary])
    #expect(table.inputs.count == 2 && error == nil)
    #expect(fields[0] == Array(name.utf8))
    #expect(fields[1] == bytes)
    #expect(try read(folder).3 == digest)
    let empty = try read(folder + "/zero.png")
    #expect(empty.1 == [Array((folder + "/zero.png").utf8), []])
    #expect(empty.3 != digest)
    // Where nobody needs the bytes, they are not read.
    #expect(try read(folder, texts: [0]).1 == [Array(name.utf8), []])
  }

  @Test func aFileAboveTheLimitIsAnErrorRecord() throws {
    let path = NSTemporaryDirectory() + "nightshift-large-" + UUID().uuidString
    #expect(FileManager.default.createFile(atPath: path, contents: nil))
    defer { try? FileManager.default.removeItem(atPath: path) }
    let handle = try FileHandle(forUpdating: URL(fileURLWithPath: path))
    try handle.truncate(atOffset: 17 << 20)
    try handle.close()
    #expect(try read(path).2 == .recordTooLong)
  }

  @Test func modelsThatWouldReadBytesAreRefused() {
    for needs in [
      ColumnNeeds(numbers: [1], texts: []), ColumnNeeds(numbers: [], texts: [0, 1]),
      ColumnNeeds(numbers: [0], texts: []),
    ] {
      var message = ""
      do { try FileList.requireReadable(needs) } catch { message = error.context }
      #expect(message.contains("images or documents are not there yet"))
    }
    #expect(throws: Never.self) {
      try FileList.requireReadable(ColumnNeeds(numbers: [], texts: [0]))
    }
  }
}
