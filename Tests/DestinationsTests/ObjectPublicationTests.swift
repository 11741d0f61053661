import Compression
import Destinations
import Digests
import Foundation
import Jobs
import Leasing
import ObjectStore
import TestSupport
import Testing

/// Output in object stores: the same files as in a folder, once, and nothing left beside them.
@Suite struct ObjectPublicationTests {
  typealias Kind = StoreServers.Kind

  private func code(_ body: () throws(DestinationError) -> Void) -> DestinationError.Code? {
    do throws(DestinationError) {
      try body()
      return nil
    } catch {
      return error.code
    }
  }

  private func words(_ body: () throws(DestinationError) -> Void) -> String {
    do throws(DestinationError) {
      try body()
      return ""
    } catch {
      return error.context
    }
  }

  private func merge(
    _ destination: ObjectDestination, _ placed: [PlacedBlocks]
  ) throws(DestinationError) {
    var rest = placed[...]
    _ = try destination.merge { () throws(DestinationError) in rest.popFirst() }
  }

  private struct Manifest: Decodable {
    let job: String
    let isConditional: Bool
    let warning: String?
    let objects: [Object]

    struct Object: Decodable {
      let name: String
      let byteCount: UInt64
      let sha256: String
      let version: String?
    }
  }

  private static let hidden = [".nightshift-claim"]

  @Test(arguments: Kind.allCases) func theFilesAreThoseOfAFolder(kind: Kind) throws {
    let fixture = try Fixture()
    let placed = try fixture.commitAll(seed: 3)
    let local = PosixDestination(fixture.input())
    try local.merge(placed)
    let folder = try local.publish()

    let store = kind.store
    let out = "\(kind.scheme)://bucket/same"
    let input = fixture.input(out)
    let destination = try ObjectDestination(input, in: store)
    #expect(try destination.existingPublication() == nil)
    try merge(destination, placed)
    #expect(try destination.existingPublication() == nil)
    let prefix = try ObjectURI(try destination.publish())
    #expect(prefix.description == input.folder)
    #expect(try destination.existingPublication() == input.folder)

    let published = try names(folder)
    let keys = try store.keys(below: ObjectURI(out)).map {
      String($0.split(separator: "/").last ?? "")
    }
    #expect(keys.sorted() == (published + ["manifest.json"]).sorted())
    for name in published where name.hasPrefix("prediction.") {
      let there = try store.contents(of: prefix.appending(name))
      #expect(there == (try bytes(folder + "/" + name)), "\(name)")
    }
    let manifest = try JSONDecoder().decode(
      Manifest.self, from: Data(try store.contents(of: prefix.appending("manifest.json"))))
    #expect(manifest.job == fixture.job.description)
    #expect(manifest.isConditional == (kind == .moto))
    #expect((manifest.warning == nil) == (kind == .moto))
    for object in manifest.objects {
      let content = try store.contents(of: prefix.appending(object.name))
      #expect(SHA256.digest(of: content).description == object.sha256, "\(object.name)")
      #expect(UInt64(content.count) == object.byteCount)
      let version = try store.status(of: prefix.appending(object.name)).version
      #expect(object.version == version?.description)
    }
    let receipt = try store.contents(of: prefix.appending("receipt.json"))
    #expect(
      try store.contents(of: prefix.appending("_SUCCESS"))
        == Array("\(SHA256.digest(of: receipt))  receipt.json\n".utf8))
    #expect(String(decoding: receipt, as: UTF8.self).contains("warning") == (kind != .moto))
    #expect(try store.openUploads(below: prefix) == [])
  }

  @Test func largeFilesGoUpInParts() throws {
    let fixture = try Fixture()
    let placed = try fixture.commitAll(seed: 4)
    let servers = StoreServers.shared
    var limits = StoreLimits.standard
    limits.pieceByteCount = 5 << 20
    let store = ObjectStore(
      environment: StoreEnvironment(variables: [
        "AWS_ENDPOINT_URL": "http://127.0.0.1:\(servers.moto)", "AWS_ACCESS_KEY_ID": "A",
        "AWS_SECRET_ACCESS_KEY": "B",
      ]), limits: limits)
    // The receipt carries the execution part, here 12 MB of it.
    let note = String(repeating: "0123456789abcdef", count: 750_000)
    let input = fixture.input("s3://bucket/large", execution: .members(["note": .string(note)]))
    let destination = try ObjectDestination(input, in: store)
    try merge(destination, placed)
    let prefix = try ObjectURI(try destination.publish())
    let receipt = try store.contents(of: prefix.appending("receipt.json"))
    #expect(receipt.count > 12_000_000)
    #expect(String(decoding: receipt, as: UTF8.self).contains(note))
    guard case .tag(let tag)? = try store.status(of: prefix.appending("receipt.json")).version
    else { return #expect(Bool(false)) }
    #expect(tag.hasSuffix("-3"), "\(tag) is no upload in three parts")
    #expect(try store.openUploads(below: prefix) == [])
  }

  @Test(arguments: Kind.allCases) func aSecondLifeTakesOver(kind: Kind) throws {
    let fixture = try Fixture()
    let placed = try fixture.commitAll(seed: 5)
    let store = kind.store
    let input = fixture.input("\(kind.scheme)://bucket/lives")
    // The first life got as far as merging, with an upload under way, and was killed.
    let first = try ObjectDestination(input, in: store)
    try merge(first, placed)
    let prefix = try ObjectURI(input.folder)
    let upload = ObjectUpload(to: prefix.appending("prediction.results-00009"), in: store)
    try upload.append([UInt8](repeating: 7, count: 9 << 20))
    try store.put([1], to: prefix.appending("prediction.left-over"))

    let second = try ObjectDestination(input, in: store)
    #expect(try second.existingPublication() == nil)
    try merge(second, placed)
    // The first was not killed after all: it must not publish over the second.
    let said = words { () throws(DestinationError) in _ = try first.publish() }
    #expect(said.contains("another coordinator took it"), "\(said)")
    #expect(try second.publish() == input.folder)
    // Published is published, whoever asks.
    #expect(try first.publish() == input.folder)
    let keys = try store.keys(below: prefix)
    #expect(!keys.contains { $0.hasSuffix("left-over") || $0.hasSuffix("claim") }, "\(keys)")
    #expect(keys.contains { $0.hasSuffix("/_SUCCESS") })
    #expect(try store.openUploads(below: prefix) == [])
  }

  @Test func aCrashRightAfterTheManifestIsFinished() throws {
    let fixture = try Fixture()
    let placed = try fixture.commitAll(seed: 6)
    let store = try StoreServers.shared.broken(
      by: #"{"match": "PUT .*after/.*_SUCCESS", "times": 1, "fault": "status", "status": 400}"#)
    let input = fixture.input("s3://bucket/after")
    let first = try ObjectDestination(input, in: store)
    try merge(first, placed)
    #expect(code { () throws(DestinationError) in _ = try first.publish() } != nil)
    // The manifest is there: the job is published, whatever else is missing.
    let second = try ObjectDestination(input, in: store)
    #expect(try second.existingPublication() == input.folder)
    #expect(try second.publish() == input.folder)
    let keys = try store.keys(below: ObjectURI(input.folder))
    #expect(keys.contains { $0.hasSuffix("/_SUCCESS") })
    #expect(!keys.contains { $0.hasSuffix("claim") })
  }

  @Test(arguments: ["lost", "cut", "slow"]) func aManifestWhoseAnswerIsLostIsPublished(
    fault: String
  ) throws {
    let fixture = try Fixture()
    let placed = try fixture.commitAll(seed: 7)
    let store = try StoreServers.shared.broken(
      by: #"{"match": "PUT .*answer-\#(fault)/.*manifest", "fault": "\#(fault)", "seconds": 0.1}"#)
    let input = fixture.input("s3://bucket/answer-\(fault)")
    let destination = try ObjectDestination(input, in: store)
    try merge(destination, placed)
    #expect(try destination.publish() == input.folder)
  }

  @Test(arguments: Kind.allCases) func anotherJobsPrefixStays(kind: Kind) throws {
    let fixture = try Fixture()
    let placed = try fixture.commitAll(seed: 8)
    let store = kind.store
    let out = "\(kind.scheme)://bucket/rivals"
    let input = fixture.input(out)
    let rival = try ObjectDestination(fixture.input(out, job: JobID(2)), in: store)
    let destination = try ObjectDestination(input, in: store)
    try merge(destination, placed)
    // While it is being written, and after it was published.
    for _ in 0..<2 {
      let before = try store.keys(below: ObjectURI(input.folder))
      #expect(code { () throws(DestinationError) in try merge(rival, placed) } == .exists)
      try rival.discard()
      #expect(try store.keys(below: ObjectURI(input.folder)) == before)
      #expect(try destination.publish() == input.folder)
    }
    #expect(try rival.existingPublication() == nil)
  }

  @Test(arguments: Kind.allCases) func whatIsNotOursStays(kind: Kind) throws {
    let fixture = try Fixture()
    let placed = try fixture.commitAll(seed: 9)
    let store = kind.store
    let input = fixture.input("\(kind.scheme)://bucket/precious")
    let precious = try ObjectURI(input.folder).appending("precious")
    try store.put(Array("mine".utf8), to: precious)
    let destination = try ObjectDestination(input, in: store)
    #expect(code { () throws(DestinationError) in try merge(destination, placed) } == .exists)
    try destination.discard()
    #expect(try store.keys(below: ObjectURI(input.folder)) == [precious.key])
  }

  @Test(arguments: Kind.allCases) func aMergeThatFailsLeavesNothing(kind: Kind) throws {
    let fixture = try Fixture()
    let placed = try fixture.commitAll(seed: 10)
    let store = kind.store
    let input = fixture.input("\(kind.scheme)://bucket/failed")
    let destination = try ObjectDestination(input, in: store)
    #expect(
      code { () throws(DestinationError) in
        try merge(destination, Array(placed.dropLast()))
      } == .inconsistent)
    #expect(try store.keys(below: ObjectURI("\(kind.scheme)://bucket/failed")) == [])
    #expect(try store.openUploads(below: ObjectURI(input.folder)) == [])
    try merge(destination, placed)
    #expect(try destination.publish() == input.folder)
  }

  @Test func aJobThatIsCancelledLeavesNothing() throws {
    let fixture = try Fixture()
    let placed = try fixture.commitAll(seed: 11)
    let store = Kind.moto.store
    let input = fixture.input("s3://bucket/cancelled")
    try merge(try ObjectDestination(input, in: store), placed)
    #expect(try !store.keys(below: ObjectURI(input.folder)).isEmpty)
    // By the coordinator's next life.
    try ObjectDestination(input, in: store).discard()
    #expect(try store.keys(below: ObjectURI(input.folder)) == [])
    // What is published is not discarded.
    let destination = try ObjectDestination(input, in: store)
    try merge(destination, placed)
    _ = try destination.publish()
    try destination.discard()
    #expect(try destination.existingPublication() == input.folder)
  }

  @Test func aFullBucketBlocksAndResumes() throws {
    let fixture = try Fixture()
    let placed = try fixture.commitAll(seed: 12)
    let store = try StoreServers.shared.broken(
      by: #"{"match": "PUT .*full/.*results-00001", "times": 1, "fault": "status", "#
        + #""status": 507, "code": "QuotaExceeded"}"#)
    let input = fixture.input("s3://bucket/full")
    let destination = try ObjectDestination(input, in: store)
    #expect(code { () throws(DestinationError) in try merge(destination, placed) } == .diskFull)
    #expect(try store.keys(below: ObjectURI("s3://bucket/full")) == [])
    try merge(destination, placed)
    #expect(try destination.publish() == input.folder)
  }

  @Test func aSweepRemovesWhatIsLeftAndNothingElse() throws {
    let fixture = try Fixture()
    let placed = try fixture.commitAll(seed: 13)
    let store = Kind.moto.store
    let top = try ObjectURI("s3://bucket/swept")
    let done = try ObjectDestination(fixture.input("s3://bucket/swept/done"), in: store)
    try merge(done, placed)
    let published = try ObjectURI(try done.publish())
    let input = fixture.input("s3://bucket/swept/lost")
    try merge(try ObjectDestination(input, in: store), placed)
    let lost = try ObjectURI(input.folder)
    let upload = ObjectUpload(to: lost.appending("x"), in: store)
    try upload.append([UInt8](repeating: 1, count: 9 << 20))
    let foreign = ObjectUpload(to: top.appending("someone/else"), in: store)
    try foreign.append([UInt8](repeating: 1, count: 9 << 20))
    try store.put([1], to: top.appending("someone/file"))
    try store.put([1], to: top.appending(".nightshift-probe-1"))
    for name in ["a", "b"] {
      try store.put([1], to: top.appending("lost/.nightshift-0000000000000007/partials/\(name)"))
    }

    let early = try ObjectSweep.leftovers(
      below: top, in: store, before: systemWallClock() - 3_600_000_000_000)
    // moto's uploads all began in 2010.
    let young = early.filter { if case .upload = $0 { false } else { true } }
    #expect(young == [], "what is young may be at work")
    let found = try ObjectSweep.leftovers(
      below: top, in: store, before: systemWallClock() + 60_000_000_000)
    #expect(found.count == 4, "\(found.map(\.description))")
    for leftover in found { try ObjectSweep.remove(leftover, from: store) }
    #expect(try store.keys(below: top.appending("lost/")) == [])
    #expect(try store.openUploads(below: top).map(\.uri.key) == ["swept/someone/else"])
    #expect(try store.keys(below: top.appending("someone/")) == ["swept/someone/file"])
    #expect(try done.existingPublication() == published.description)
    #expect(
      try ObjectSweep.leftovers(
        below: top, in: store, before: systemWallClock() + 60_000_000_000) == [])
    try foreign.abort()
  }

  /// S9: a listing that tells nothing of what is there, or still tells of what is gone.
  @Test func s9AListingThatLiesLosesNothing() throws {
    let fixture = try Fixture()
    let placed = try fixture.commitAll(seed: 15)
    let blind = try StoreServers.shared.broken(
      by: #"{"match": "GET .*list-type=2.*lies", "times": 1000, "fault": "rewrite", "#
        + #""pattern": "<Contents>.*</Contents>", "by": ""}"#)
    let sight = Kind.moto.store
    let input = fixture.input("s3://bucket/lies")
    // The first life left something; the second does not see it, and publishes what is right.
    try merge(try ObjectDestination(input, in: blind), placed)
    let prefix = try ObjectURI(input.folder)
    try sight.put([1], to: prefix.appending("prediction.left-over"))
    let destination = try ObjectDestination(input, in: blind)
    try merge(destination, placed)
    #expect(try destination.publish() == input.folder)
    #expect(
      code { () throws(DestinationError) in
        try merge(
          try ObjectDestination(fixture.input("s3://bucket/lies", job: JobID(2)), in: blind), placed
        )
      } == .exists)
    let manifest = try JSONDecoder().decode(
      Manifest.self, from: Data(try sight.contents(of: prefix.appending("manifest.json"))))
    #expect(!manifest.objects.contains { $0.name.contains("left-over") })
    func expectAll() throws {
      for object in manifest.objects {
        let content = try sight.contents(of: prefix.appending(object.name))
        #expect(SHA256.digest(of: content).description == object.sha256, "\(object.name)")
      }
    }
    try expectAll()
    // A sweep that is told of a claim that is gone, and of nothing else, removes no output.
    let claim = "\(prefix.key)/.nightshift-claim"
    let stale = try StoreServers.shared.broken(
      by: #"{"match": "GET .*list-type=2.*lies", "times": 1000, "fault": "rewrite", "#
        + #""pattern": "<Contents>.*</Contents>", "by": "<Contents><Key>\#(claim)</Key>"#
        + #"<LastModified>2020-01-01T00:00:00.000Z</LastModified><ETag>\"x\"</ETag>"#
        + #"<Size>9</Size></Contents>"}"#)
    let found = try ObjectSweep.leftovers(
      below: ObjectURI("s3://bucket/lies"), in: stale, before: systemWallClock())
    #expect(found == [.claim(prefix.appending(".nightshift-claim"))])
    for leftover in found { try ObjectSweep.remove(leftover, from: stale) }
    try expectAll()
    #expect(try destination.existingPublication() == input.folder)
  }

  @Test(arguments: Kind.allCases) func aCopyOfWhatIsPublishedCanBeVerified(kind: Kind) throws {
    let fixture = try Fixture()
    let store = kind.store
    let input = fixture.input("\(kind.scheme)://bucket/verified")
    let destination = try ObjectDestination(input, in: store)
    try merge(destination, try fixture.commitAll(seed: 14))
    let prefix = try ObjectURI(try destination.publish())
    func copy(_ name: String) throws -> String {
      let folder = fixture.root + "/" + name
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: true)
      try PublishedObjects.copy(prefix.description, to: folder, from: store)
      return folder
    }
    let report = Verification.check(folder: try copy("copy"))
    #expect(report.findings == [])
    #expect(report.outputCount > 2)
    // Another content under one of the names is not the published one.
    let name = try #require(try store.keys(below: prefix).first { $0.hasSuffix("stats.json") })
    try store.put(Array("{}".utf8), to: prefix.with(key: name))
    #expect(throws: DestinationError.self) { try copy("changed") }
  }

  @Test func anAddressOfNoStoreIsRefused() throws {
    let fixture = try Fixture()
    for uri in ["http://host/x", "ftp://host/x", "s3:///x"] {
      #expect(
        code { () throws(DestinationError) in
          _ = try ObjectDestination(fixture.input(uri), in: Kind.moto.store)
        } != nil)
    }
  }
}
