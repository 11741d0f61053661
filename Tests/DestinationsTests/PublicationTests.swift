import Destinations
import Foundation
import Jobs
import Testing

/// An output appears once, whole, and never in place of another.
@Suite struct PublicationTests {
  private func code(_ body: () throws(DestinationError) -> Void) -> DestinationError.Code? {
    do throws(DestinationError) {
      try body()
      return nil
    } catch {
      return error.code
    }
  }

  @Test(arguments: [true, false])
  func ofTwoPublishersOneWins(usesRename: Bool) async throws {
    let fixture = try Fixture()
    let placed = try fixture.commitAll(seed: 1)
    // Another job with a model of the same name, submitted in the same millisecond.
    var other = fixture.input(job: JobID(2))
    other.counts = fixture.counts
    for round in 0..<8 {
      let out = fixture.root + "/race-\(round)"
      let first = PosixDestination(fixture.input(out), usesRename: usesRename)
      try first.merge(placed)
      // Job 2 has no partials of its own here: its staging folder is a copy with its own receipt.
      let mine = fixture.input(out)
      let theirs = fixture.input(out, job: JobID(2))
      try FileManager.default.createDirectory(
        atPath: theirs.workFolder, withIntermediateDirectories: true)
      try run("cp", "-r", mine.workFolder + "/staging", theirs.workFolder + "/staging")
      let receipt = theirs.workFolder + "/staging/receipt.json"
      let text = String(decoding: try bytes(receipt), as: UTF8.self)
      try Data(text.replacing(fixture.job.description, with: JobID(2).description).utf8)
        .write(to: URL(fileURLWithPath: receipt))
      let second = PosixDestination(theirs, usesRename: usesRename)
      async let a = publish(first)
      async let b = publish(second)
      let outcomes = await [a, b]
      #expect(outcomes.filter { $0 == nil }.count == 1, "\(outcomes)")
      #expect(outcomes.filter { $0 == .exists }.count == 1, "\(outcomes)")
      let winner = outcomes[0] == nil ? first : second
      let loser = outcomes[0] == nil ? second : first
      #expect(winner.existingPublication() == mine.folder)
      #expect(loser.existingPublication() == nil)
      let expected = outcomes[0] == nil ? fixture.job.description : JobID(2).description
      let published = String(decoding: try bytes(mine.folder + "/receipt.json"), as: UTF8.self)
      #expect(published.contains("\"job\": \"\(expected)\""))
    }
  }

  @concurrent private func publish(_ destination: PosixDestination) async -> DestinationError.Code?
  {
    code { () throws(DestinationError) in _ = try destination.publish() }
  }

  @Test func whatIsMergedAsItComesIsTheSame() throws {
    let fixture = try Fixture()
    let placed = try fixture.commitAll(seed: 3)
    let whole = fixture.input(fixture.root + "/whole")
    try PosixDestination(whole).merge(placed)
    var early = fixture.input(fixture.root + "/early")
    (early.counts, early.execution) = (RecordCounts(), .object([]))
    let merge = try PosixDestination(early).beginMerge()
    for blocks in placed { try merge.append(blocks) }
    _ = try merge.finish(counts: whole.counts, execution: whole.execution)
    let names = try FileManager.default.contentsOfDirectory(atPath: whole.workFolder + "/staging")
    #expect(names.count >= 5)
    for name in names {
      let expected = try bytes(whole.workFolder + "/staging/" + name)
      #expect(try bytes(early.workFolder + "/staging/" + name) == expected, "\(name)")
    }
  }

  @Test func anAbandonedMergeLeavesNothing() throws {
    let fixture = try Fixture()
    let placed = try fixture.commitAll(seed: 4)
    let input = fixture.input(fixture.root + "/given-up")
    let merge = try PosixDestination(input).beginMerge()
    for blocks in placed.prefix(3) { try merge.append(blocks) }
    merge.abandon()
    #expect(try FileManager.default.contentsOfDirectory(atPath: input.destination) == [])
  }

  @Test func aFolderOfSomeoneElseStays() throws {
    let fixture = try Fixture()
    let placed = try fixture.commitAll(seed: 1)
    for usesRename in [true, false] {
      let input = fixture.input(fixture.root + "/taken-\(usesRename)")
      try FileManager.default.createDirectory(
        atPath: input.folder, withIntermediateDirectories: true)
      try Data("mine".utf8).write(to: URL(fileURLWithPath: input.folder + "/precious"))
      let destination = PosixDestination(input, usesRename: usesRename)
      try destination.merge(placed)
      var failure: DestinationError?
      do throws(DestinationError) { _ = try destination.publish() } catch { failure = error }
      #expect(failure?.code == .exists)
      #expect(failure?.context.contains(input.folder) == true)
      #expect(try names(input.folder) == ["precious"])
      // Once it is out of the way the merged output can still be published.
      try FileManager.default.removeItem(atPath: input.folder)
      let folder = try destination.publish()
      #expect(Verification.check(folder: folder).findings == [])
    }
  }

  @Test func leftoversOfACrashAreCleanedAway() throws {
    let fixture = try Fixture()
    let placed = try fixture.commitAll(seed: 1)
    let input = fixture.input()
    let staging = input.workFolder + "/staging"
    try FileManager.default.createDirectory(
      atPath: staging + "/folder", withIntermediateDirectories: true)
    for name in ["junk", "prediction.results-00000-of-00002.jsonl.zst", "folder/x"] {
      try Data(repeating: 7, count: 100).write(to: URL(fileURLWithPath: staging + "/" + name))
    }
    let destination = PosixDestination(input)
    try destination.merge(placed)
    try destination.merge(placed)  // and a whole one
    let folder = try destination.publish()
    #expect(Verification.check(folder: folder).findings == [])
    #expect(try names(input.destination) == [URL(fileURLWithPath: folder).lastPathComponent])
  }

  @Test func aCrashAfterTheRenameIsRecognised() throws {
    let fixture = try Fixture()
    let placed = try fixture.commitAll(seed: 1)
    let destination = PosixDestination(fixture.input())
    #expect(destination.existingPublication() == nil)
    try destination.merge(placed)
    let folder = try destination.publish()
    #expect(destination.existingPublication() == folder)
    // The coordinator forgot: it merges and publishes again, and nothing changes.
    let before = try bytes(folder + "/receipt.json")
    try destination.merge(placed)
    #expect(try destination.publish() == folder)
    #expect(try bytes(folder + "/receipt.json") == before)
    #expect(try names(fixture.destination).count == 1)
    #expect(PosixDestination(fixture.input(job: JobID(5))).existingPublication() == nil)
  }

  @Test func aClaimIsTakenUpAgain() throws {
    let fixture = try Fixture()
    let placed = try fixture.commitAll(seed: 1)
    let input = fixture.input()
    let destination = PosixDestination(input, usesRename: false)
    try destination.merge(placed)
    // As after a crash among the moves.
    try FileManager.default.createDirectory(
      atPath: input.folder, withIntermediateDirectories: true)
    try Data(input.job.description.utf8)
      .write(to: URL(fileURLWithPath: input.folder + "/.nightshift-claim"))
    try FileManager.default.moveItem(
      atPath: input.workFolder + "/staging/receipt.json", toPath: input.folder + "/receipt.json")
    #expect(destination.existingPublication() == input.folder, "the moves are gone on with")
    let folder = try destination.publish()
    #expect(Verification.check(folder: folder).findings == [])
    #expect(try !names(folder).contains(".nightshift-claim"))
    #expect(try names(input.destination).count == 1)
    // As after a crash between the last move and the end of the claim.
    try Data(input.job.description.utf8)
      .write(to: URL(fileURLWithPath: input.folder + "/.nightshift-claim"))
    try destination.merge(placed)
    #expect(try destination.publish() == folder)
    #expect(Verification.check(folder: folder).findings == [])
  }

  @Test func namesAreSafe() {
    #expect(
      OutputName.folder(model: "../../etc/passwd", createdNanoseconds: 0)
        == "prediction-.._.._etc_passwd-1970-01-01T00:00:00.000Z")
    #expect(
      OutputName.folder(model: "m", createdNanoseconds: -1)
        == "prediction-m-1969-12-31T23:59:59.999Z")
    #expect(
      OutputName.folder(model: "m", createdNanoseconds: 951_782_399_999_999_999)
        == "prediction-m-2000-02-28T23:59:59.999Z")
    #expect(
      OutputName.timestamp(951_868_799_000_000_001) == "2000-02-29T23:59:59.000000001Z")
  }
}
