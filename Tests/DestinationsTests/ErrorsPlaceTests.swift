import Destinations
import Digests
import Foundation
import Jobs
import ObjectStore
import TestSupport
import Testing

/// Error records that go elsewhere than beside the predictions: there once, before the output is.
@Suite struct ErrorsPlaceTests {
  private static let errorsName = "prediction.errors_stats-00000-of-00001.jsonl"

  private func input(
    _ fixture: Fixture, _ output: String? = nil, errors: String, job: JobID? = nil
  ) -> MergeInput {
    var input = fixture.input(output, job: job, compression: .none)
    input.request.outputConfig.errorsUri = errors
    return input
  }

  private func errorsFolder(_ input: MergeInput) -> String {
    let name = input.folder.split(separator: "/").last ?? ""
    return "\(input.request.outputConfig.errorsUri ?? "")/\(name)-\(input.job)"
  }

  @Test(arguments: [true, false]) func aFolderOfErrors(usesRename: Bool) throws {
    let fixture = try Fixture()
    let placed = try fixture.commitAll(seed: 1)
    let input = input(fixture, errors: fixture.root + "/elsewhere/errors")
    let destination = PosixDestination(input, usesRename: usesRename)
    let outputs = try destination.merge(placed)
    #expect(outputs.contains { $0.name == Self.errorsName })
    let folder = try destination.publish()
    let errors = errorsFolder(input)
    #expect(try !names(folder).contains(Self.errorsName))
    #expect(try names(errors) == [Self.errorsName])
    #expect(try bytes("\(errors)/\(Self.errorsName)") == fixture.expectedErrors)
    #expect(try names(fixture.root + "/elsewhere/errors").count == 1)
    #expect(String(decoding: try bytes(folder + "/receipt.json"), as: UTF8.self).contains(errors))
    #expect(Verification.check(folder: folder).findings == [])

    // Verification looks there, and replay reads there.
    let published = try PublishedFolder(path: folder)
    let firstError = try (0..<published.recordCount).first { row in
      try published.record(at: try published.place(ofRow: row)).isError
    }
    let row = try #require(firstError)
    let record = try published.record(at: try published.place(ofRow: row))
    #expect(record.file == Self.errorsName && fixture.expectedErrors.starts(with: record.bytes))
    var text = try bytes("\(errors)/\(Self.errorsName)")
    text[text.count / 2] ^= 1
    try Data(text).write(to: URL(fileURLWithPath: "\(errors)/\(Self.errorsName)"))
    #expect(Verification.check(folder: folder).findings.contains { $0.file.hasPrefix(errors) })
    try FileManager.default.removeItem(atPath: errors)
    #expect(Verification.check(folder: folder).findings.contains { $0.problem == "is missing" })
  }

  /// The errors are there and the output is not: the next life of the job goes on from there.
  @Test func aCrashBetweenErrorsAndOutputIsTakenUp() throws {
    let fixture = try Fixture()
    let placed = try fixture.commitAll(seed: 1)
    let input = input(fixture, errors: fixture.root + "/errors")
    let first = PosixDestination(input)
    try first.merge(placed)
    // Something in the output's way stops the publication right after the errors'.
    try FileManager.default.createDirectory(
      atPath: input.folder, withIntermediateDirectories: true)
    try Data().write(to: URL(fileURLWithPath: input.folder + "/mine"))
    let refusal = #expect(throws: DestinationError.self) { try first.publish() }
    #expect(refusal?.code == .exists)
    #expect(try bytes("\(errorsFolder(input))/\(Self.errorsName)") == fixture.expectedErrors)
    #expect(first.existingPublication() == nil)
    try FileManager.default.removeItem(atPath: input.folder)
    // The same life without another merge, and another one with.
    let folder = try first.publish()
    #expect(Verification.check(folder: folder).findings == [])
    try FileManager.default.removeItem(atPath: folder)
    let second = PosixDestination(input)
    try second.merge(placed)
    #expect(try second.publish() == folder)
    #expect(Verification.check(folder: folder).findings == [])
    #expect(try names(fixture.root + "/errors").count == 1)
    // A job that ended is asked once more.
    try second.merge(placed)
    #expect(try second.publish() == folder)
    #expect(try names(fixture.root + "/errors").count == 1)
    // Another job's errors are its own.
    let other = self.input(
      fixture, fixture.root + "/out2", errors: fixture.root + "/errors", job: JobID(5))
    #expect(errorsFolder(other) != errorsFolder(input))
  }

  @Test func whatIsNotPublishedIsTakenAway() throws {
    let fixture = try Fixture()
    let placed = try fixture.commitAll(seed: 1)
    let input = input(fixture, errors: fixture.root + "/errors")
    let destination = PosixDestination(input)
    try destination.merge(placed)
    try destination.discard()
    #expect(try names(fixture.root + "/errors") == [])
    let wrong = self.input(fixture, errors: "ftp://host/errors")
    let refusal = #expect(throws: DestinationError.self) {
      try PosixDestination(wrong).merge(placed)
    }
    #expect(refusal?.context.contains("ftp://host/errors") == true)
  }

  /// A merge that goes along with the scoring and is given up, and one that cannot even begin.
  @Test func aMergeThatIsGivenUpLeavesNothing() throws {
    let fixture = try Fixture()
    let placed = try fixture.commitAll(seed: 1)
    let input = input(fixture, errors: fixture.root + "/errors")
    let merge = try PosixDestination(input).beginMerge()
    try merge.append(placed[0])
    #expect(try names(fixture.root + "/errors") == [".nightshift-\(input.job)-errors"])
    merge.abandon()
    #expect(try names(fixture.root + "/errors") == [])
    #expect(try names(fixture.destination) == [])

    try Data().write(to: URL(fileURLWithPath: fixture.root + "/file"))
    let wrong = self.input(fixture, errors: fixture.root + "/file/errors")
    #expect(throws: DestinationError.self) { try PosixDestination(wrong).beginMerge() }
    #expect(try names(fixture.destination) == [])

    let store = StoreServers.shared.s3(StoreServers.shared.moto)
    let home = self.input(fixture, "s3://bucket/given-up", errors: fixture.root + "/errors")
    let remote = try ObjectDestination(home, in: store)
    var rest = placed.prefix(3)
    #expect(throws: DestinationError.self) {
      _ = try remote.merge { () throws(DestinationError) in
        if rest.isEmpty { throw DestinationError(code: .diskFull, context: "full") }
        return rest.removeFirst()
      }
    }
    #expect(try names(fixture.root + "/errors") == [])
    #expect(try store.keys(below: ObjectURI("s3://bucket/given-up")) == [])
  }

  /// The life that ends a job without a publication need not be the one that merged it.
  @Test func anotherLifeTakesAwayWhatIsNotPublished() throws {
    let fixture = try Fixture()
    let placed = try fixture.commitAll(seed: 1)
    for errors in [fixture.root + "/errors", "s3://bucket/another/errors"] {
      let store = StoreServers.shared.s3(StoreServers.shared.moto)
      func found() throws -> [String] {
        let objects = try store.keys(below: ObjectURI("s3://bucket/another"))
        let folders = try? names(fixture.root + "/errors") + names(fixture.destination)
        return objects + (folders ?? [])
      }
      let local = input(fixture, errors: errors)
      try PosixDestination(local, store: store).merge(placed)
      #expect(try found().count >= 2)
      try PosixDestination(local, store: store).discard()
      #expect(try found() == [])

      // Killed between the claim's removal and the errors', or before there was a claim.
      let remote = input(fixture, "s3://bucket/another/out", errors: errors)
      let destination = try ObjectDestination(remote, in: store)
      var rest = placed[...]
      _ = try destination.merge { () throws(DestinationError) in rest.popFirst() }
      let prefix = try ObjectURI(remote.folder)
      for key in try store.keys(below: prefix) { try store.delete(prefix.with(key: key)) }
      #expect(try found().count == 1)
      try ObjectDestination(remote, in: store).discard()
      #expect(try found() == [])
    }
  }

  @Test func whatIsPublishedStays() throws {
    let fixture = try Fixture()
    let placed = try fixture.commitAll(seed: 1)
    let store = StoreServers.shared.s3(StoreServers.shared.moto)
    let local = input(fixture, errors: fixture.root + "/errors")
    let first = PosixDestination(local)
    try first.merge(placed)
    let folder = try first.publish()
    try PosixDestination(local).discard()
    #expect(Verification.check(folder: folder).findings == [])

    for errors in [fixture.root + "/errors", "s3://bucket/stays/errors"] {
      let remote = input(fixture, "s3://bucket/stays/\(errors.count)", errors: errors)
      let destination = try ObjectDestination(remote, in: store)
      var rest = placed[...]
      _ = try destination.merge { () throws(DestinationError) in rest.popFirst() }
      let prefix = try destination.publish()
      try ObjectDestination(remote, in: store).discard()
      #expect(Verification.check(place: prefix, store: store).findings == [])
    }
  }

  @Test func errorsOfAStoreInAnotherPrefix() throws {
    let fixture = try Fixture()
    let placed = try fixture.commitAll(seed: 2)
    let store = StoreServers.shared.s3(StoreServers.shared.moto)
    let input = input(fixture, "s3://bucket/apart/out", errors: "s3://bucket/apart/errors")
    let destination = try ObjectDestination(input, in: store)
    var rest = placed[...]
    _ = try destination.merge { () throws(DestinationError) in rest.popFirst() }
    let errors = try ObjectURI(errorsFolder(input)).appending(Self.errorsName)
    // Complete before the output is.
    #expect(try store.contents(of: errors) == fixture.expectedErrors)
    #expect(try destination.existingPublication() == nil)
    // A life that begins anew does not mind what is there.
    let second = try ObjectDestination(input, in: store)
    rest = placed[...]
    _ = try second.merge { () throws(DestinationError) in rest.popFirst() }
    let prefix = try second.publish()
    let keys = try store.keys(below: ObjectURI("s3://bucket/apart"))
    #expect(keys.count { $0.contains("errors_stats") } == 1, "\(keys)")
    let manifest = try store.contents(of: ObjectURI(prefix).appending("manifest.json"))
    #expect(!String(decoding: manifest, as: UTF8.self).contains("errors_stats"))

    #expect(Verification.check(place: prefix, store: store).findings == [])
    try store.put(Array("not it\n".utf8), to: errors)
    let found = Verification.check(place: prefix, store: store)
    #expect(found.findings.contains { $0.file == Self.errorsName }, "\(found)")
    try store.delete(errors)
    #expect(!Verification.check(place: prefix, store: store).isSound)
  }

  @Test func errorsInAStoreOfAnOutputInAFolderAndTheOtherWayRound() throws {
    let fixture = try Fixture()
    let placed = try fixture.commitAll(seed: 2)
    let store = StoreServers.shared.s3(StoreServers.shared.moto)
    let away = input(fixture, errors: "s3://bucket/away")
    let local = PosixDestination(away, store: store)
    try local.merge(placed)
    let folder = try local.publish()
    let object = try ObjectURI(errorsFolder(away)).appending(Self.errorsName)
    #expect(try store.contents(of: object) == fixture.expectedErrors)
    #expect(Verification.check(folder: folder, store: store).findings == [])

    let home = input(fixture, "s3://bucket/home", errors: fixture.root + "/errors")
    let remote = try ObjectDestination(home, in: store)
    var rest = placed[...]
    _ = try remote.merge { () throws(DestinationError) in rest.popFirst() }
    #expect(!FileManager.default.fileExists(atPath: errorsFolder(home)))
    let prefix = try remote.publish()
    #expect(try bytes("\(errorsFolder(home))/\(Self.errorsName)") == fixture.expectedErrors)
    #expect(Verification.check(place: prefix, store: store).findings == [])
  }

  // MARK: Objects verified

  @Test func aPublishedPrefixIsVerified() throws {
    let fixture = try Fixture()
    let placed = try fixture.commitAll(seed: 3)
    let store = StoreServers.shared.s3(StoreServers.shared.moto)
    let destination = try ObjectDestination(fixture.input("s3://bucket/checked"), in: store)
    var rest = placed[...]
    _ = try destination.merge { () throws(DestinationError) in rest.popFirst() }
    let prefix = try destination.publish()
    let report = Verification.check(place: prefix, store: store)
    #expect(report.findings == [] && report.outputCount == 4, "\(report)")
    #expect(report.counts == fixture.counts)

    let uri = try ObjectURI(prefix)
    try store.put([1], to: uri.appending("stranger"))
    let stranger = Verification.check(place: prefix, store: store)
    #expect(stranger.findings.count == 1 && stranger.findings[0].file.hasSuffix("/stranger"))
    try store.delete(uri.appending("stranger"))
    // An object that was replaced, one that is gone, and a prefix that is none.
    let name = "prediction.results-00001-of-00002.jsonl.zst"
    var content = try store.contents(of: uri.appending(name))
    content[content.count / 3] ^= 1
    try store.put(content, to: uri.appending(name))
    let replaced = Verification.check(place: prefix, store: store)
    #expect(replaced.findings.contains { $0.problem.contains(name) }, "\(replaced)")
    try store.delete(uri.appending(name))
    #expect(!Verification.check(place: prefix, store: store).isSound)
    let nowhere = Verification.check(place: "s3://bucket/nowhere", store: store)
    #expect(nowhere.findings.count == 1 && nowhere.findings[0].file == "s3://bucket/nowhere")
  }
}
