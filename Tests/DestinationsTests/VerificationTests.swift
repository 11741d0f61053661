import Compression
import Destinations
import Digests
import Foundation
import Jobs
import Testing

/// `verify` finds what is not as it was, from the folder alone.
@Suite struct VerificationTests {
  private let results = "prediction.results-00001-of-00002.jsonl"
  private let errors = "prediction.errors_stats-00000-of-00001.jsonl"

  private func published(
    _ fixture: Fixture, _ compression: JobRequest.OutputCompression = .none
  ) throws -> String {
    let destination = PosixDestination(fixture.input(compression: compression))
    try destination.merge(try fixture.commitAll(seed: 4))
    return try destination.publish()
  }

  /// Changes the lines of a plain file.
  private func edit(_ path: String, _ change: (inout [String]) -> Void) throws {
    var lines = String(decoding: try bytes(path), as: UTF8.self).components(separatedBy: "\n")
    change(&lines)
    try Data(lines.joined(separator: "\n").utf8).write(to: URL(fileURLWithPath: path))
  }

  /// Makes the receipt fit a changed file's digest and size, as a careful forger would.
  private func forge(_ folder: String, _ name: String) throws {
    let path = folder + "/receipt.json"
    let content = try bytes(folder + "/" + name)
    try edit(path) { lines in
      for index in lines.indices where lines[index].contains("{\"name\": \"\(name)\"") {
        let records = lines[index].components(separatedBy: "\"records\": ")[1]
        lines[index] =
          "    {\"name\": \"\(name)\", \"byteCount\": \(content.count), "
          + "\"sha256\": \"\(SHA256.digest(of: content))\", \"records\": \(records)"
      }
    }
    let digest = SHA256.digest(of: try bytes(path))
    try Data("\(digest)  receipt.json\n".utf8)
      .write(to: URL(fileURLWithPath: folder + "/_SUCCESS"))
  }

  @Test func flippedBytesAreFoundAndPlaced() throws {
    let fixture = try Fixture()
    let folder = try published(fixture, .zstd)
    let name = results + ".zst"
    let sound = try bytes(folder + "/" + name)
    for place in stride(from: 5, to: sound.count, by: sound.count / 40) {
      var content = sound
      content[place] ^= 2
      try Data(content).write(to: URL(fileURLWithPath: folder + "/" + name))
      let findings = Verification.check(folder: folder, readsInputs: false).findings
      #expect(findings.contains(.init(name, "its SHA-256 is not the receipt's")))
      #expect(findings.allSatisfy { $0.file == name })
      #expect(findings.count > 1, "byte \(place): the digest alone")
    }
    var content = sound
    content[40] ^= 2
    try Data(content).write(to: URL(fileURLWithPath: folder + "/" + name))
    try forge(folder, name)
    let findings = Verification.check(folder: folder, readsInputs: false).findings
    #expect(findings.contains { $0.place.hasPrefix("frame 0 at byte 0") }, "\(findings)")
  }

  @Test(arguments: [false, true])
  func missingAndRepeatedRowsAreFound(isForged: Bool) throws {
    let fixture = try Fixture()
    for file in [results, errors] {
      let folder = try published(fixture)
      let path = folder + "/" + file
      let sound = try bytes(path)
      let count = sound.count { $0 == UInt8(ascii: "\n") }
      for (change, expected) in [(-1, count - 1), (1, count + 1)] {
        try Data(sound).write(to: URL(fileURLWithPath: path))
        try edit(path) { lines in
          if change < 0 { lines.remove(at: 12) } else { lines.insert(lines[12], at: 12) }
        }
        if isForged { try forge(folder, file) }
        let findings = Verification.check(folder: folder, readsInputs: false).findings
        #expect(
          findings.contains(
            .init(file, "has \(expected) records, the receipt says \(count)")), "\(findings)")
        #expect(findings.contains { $0.problem.contains("SHA-256") } == !isForged)
      }
      try FileManager.default.removeItem(atPath: folder)
    }
  }

  @Test func swappedRowsAreFound() throws {
    let fixture = try Fixture()
    let folder = try published(fixture)
    try edit(folder + "/" + results) { $0.swapAt(3, 30) }
    var findings = Verification.check(folder: folder, readsInputs: false).findings
    #expect(findings == [.init(results, "its SHA-256 is not the receipt's")])
    // In the error file rows are numbered, so the place is known.
    try edit(folder + "/" + errors) { $0.swapAt(20, 21) }
    try forge(folder, errors)
    try forge(folder, results)
    findings = Verification.check(folder: folder, readsInputs: false).findings
    #expect(findings.count == 1 && findings.first?.place == "line 22", "\(findings)")
    #expect(findings.first?.problem.contains("follows row") == true)
  }

  @Test func missingAndExtraFilesAreFound() throws {
    let fixture = try Fixture()
    let folder = try published(fixture)
    try FileManager.default.removeItem(atPath: folder + "/" + results)
    try FileManager.default.removeItem(atPath: folder + "/_SUCCESS")
    try Data([1]).write(
      to: URL(fileURLWithPath: folder + "/prediction.results-00002-of-00002.jsonl"))
    #expect(
      Verification.check(folder: folder, readsInputs: false).findings == [
        .init("_SUCCESS", "is missing: the output may not be complete"),
        .init("prediction.results-00002-of-00002.jsonl", "is not in the receipt"),
        .init(results, "is missing"),
      ])
    try FileManager.default.removeItem(atPath: folder + "/receipt.json")
    #expect(
      Verification.check(folder: folder).findings == [.init("receipt.json", "cannot be read")])
    try Data("{}".utf8).write(to: URL(fileURLWithPath: folder + "/receipt.json"))
    #expect(Verification.check(folder: folder).findings.count == 1)
  }

  @Test func changedInputsAreFoundAndPlaced() throws {
    let fixture = try Fixture()
    let folder = try published(fixture)
    let (large, small, packed) = (
      fixture.plan.inputs[3].path, fixture.plan.inputs[1].path, fixture.plan.inputs[2].path
    )
    var content = try bytes(large)
    content[16_384 * 5 + 7] ^= 1
    try Data(content).write(to: URL(fileURLWithPath: large))
    try Data(try bytes(small) + [10]).write(to: URL(fileURLWithPath: small))
    try FileManager.default.removeItem(atPath: fixture.plan.inputs[0].path)
    var gzip = try bytes(packed)
    gzip[gzip.count / 2] ^= 4
    try Data(gzip).write(to: URL(fileURLWithPath: packed))
    let report = Verification.check(folder: folder)
    #expect(report.inputsChecked == 3 && report.inputsMissing == 1)
    #expect(
      report.findings.filter { $0.file != packed } == [
        .init(small, "has 101 bytes, 100 were planned"),
        .init(large, place: "bytes 81920 to 98304", "is not what shard 10 was scored from"),
      ])
    #expect(report.findings.contains { $0.file == packed })
  }

  @Test func aReceiptThatContradictsItselfIsFound() throws {
    let fixture = try Fixture()
    let folder = try published(fixture)
    let path = folder + "/receipt.json"
    let sound = String(decoding: try bytes(path), as: UTF8.self)
    let counts = fixture.counts
    let changes = [
      ("\"ok\": \(counts.ok)", "\"ok\": \(counts.ok + 1)", "counts"),
      (
        "\"conservation\": \"\(counts.total)", "\"conservation\": \"1\(counts.total)",
        "conservation"
      ),
      ("\"delimiter\":\",\"", "\"delimiter\":\";\"", "configurationDigest"),
      ("\"inputDigests\": [\"", "\"inputDigests\": [\"0", "inputs[0].digest"),
      ("\"shardCount\": 24", "\"shardCount\": 25", "shards.ok"),
      ("\"formatVersion\": 1", "\"formatVersion\": 2", "formatVersion"),
      ("\"firstShard\": 4", "\"firstShard\": 18446744073", "inputs[2]"),
    ]
    for (old, new, place) in changes {
      let changed = sound.replacing(old, with: new)
      #expect(changed != sound, "\(old)")
      try Data(changed.utf8).write(to: URL(fileURLWithPath: path))
      let findings = Verification.check(folder: folder, readsInputs: false).findings
      #expect(
        findings.contains { $0.file == "receipt.json" && $0.place == place },
        "\(place): \(findings)")
      #expect(
        findings.contains(.init("receipt.json", "is not the one that _SUCCESS names")))
    }
  }
}
