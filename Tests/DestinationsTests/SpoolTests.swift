import Coordinator
import Foundation
import Jobs
import Partials
import Testing

/// What a worker beside the coordinator offers as a file is taken only if it is what it is called.
@Suite struct SpoolTests {
  /// A spool, and a partial that is sound.
  private struct Stage {
    let fixture: Fixture
    let spool: Spool
    let folder: String
    let name: PartialName
    let content: [UInt8]

    var offer: String { Spooling.offer(of: name, job: fixture.job, in: folder) }
    var place: String { Spooling.path(of: name, job: fixture.job, in: folder) }

    init() async throws {
      fixture = try Fixture()
      folder = fixture.root + "/lane"
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      let (path, header) = try fixture.writePartial(2, 0..<1)
      name = header.name
      content = try bytes(path)
      spool = Spool(folder: folder, lane: 0)
      try await spool.open(fixture.job)
    }

    func offer(_ content: [UInt8]) throws {
      try Data(content).write(to: URL(fileURLWithPath: offer))
    }

    func heldByteCount() async -> UInt64 {
      await spool.heldByteCount(of: name, job: fixture.job)
    }

    func complete() async throws -> Bool { try await spool.complete(name, job: fixture.job) }

    /// Expects that the partial is not here, and is taken when it is sent.
    func expectNothingTaken() async throws {
      #expect(try await !complete())
      #expect(!FileManager.default.fileExists(atPath: place))
      #expect(await heldByteCount() == 0)
      let held = try await spool.take(content, at: 0, of: name, job: fixture.job)
      #expect(held == name.byteCount)
      #expect(try await complete())
      #expect(try bytes(place) == content)
    }
  }

  @Test func aSoundOfferIsTaken() async throws {
    let stage = try await Stage()
    #expect(await stage.heldByteCount() == 0)
    try stage.offer(stage.content)
    #expect(await stage.heldByteCount() == stage.name.byteCount)
    #expect(try await stage.complete())
    #expect(try bytes(stage.place) == stage.content)
    #expect(!FileManager.default.fileExists(atPath: stage.offer))
    #expect(try await stage.complete(), "told once more")
  }

  /// Of as many bytes as it is called, but other ones.
  @Test func anOfferWithAnotherDigestIsRemoved() async throws {
    let stage = try await Stage()
    for index in stride(from: 0, to: stage.content.count, by: 509) {
      var content = stage.content
      content[index] ^= 1
      try stage.offer(content)
      #expect(try await !stage.complete(), "byte \(index)")
      #expect(!FileManager.default.fileExists(atPath: stage.offer))
    }
    let (other, header) = try stage.fixture.writePartial(2, 0..<1)
    #expect(header.name.byteCount == stage.name.byteCount && header.name != stage.name)
    try stage.offer(try bytes(other))
    try await stage.expectNothingTaken()
  }

  @Test func anOfferOfAnotherLengthIsNotSeen() async throws {
    for change in [-1, 1] {
      let stage = try await Stage()
      try stage.offer(change < 0 ? stage.content.dropLast() : stage.content + [0])
      #expect(await stage.heldByteCount() == 0)
      try await stage.expectNothingTaken()
    }
  }

  /// The coordinator is not led to files that are somewhere else.
  @Test func aLinkIsNotFollowed() async throws {
    let stage = try await Stage()
    let elsewhere = stage.fixture.root + "/elsewhere"
    try Data(stage.content).write(to: URL(fileURLWithPath: elsewhere))
    try FileManager.default.createSymbolicLink(
      atPath: stage.offer, withDestinationPath: elsewhere)
    #expect(await stage.heldByteCount() == 0)
    try await stage.expectNothingTaken()
    #expect(try bytes(elsewhere) == stage.content)
  }

  @Test func aFolderIsNoOffer() async throws {
    let stage = try await Stage()
    try FileManager.default.createDirectory(
      atPath: stage.offer, withIntermediateDirectories: false)
    #expect(await stage.heldByteCount() == 0)
    try await stage.expectNothingTaken()
  }

  /// A sound partial outside of its job's folder, or under another's name, is none.
  @Test func anOfferInAnotherPlaceIsNotSeen() async throws {
    let stage = try await Stage()
    let other = JobID(7)
    try await stage.spool.open(other)
    let stray = Spooling.offer(of: stage.name, job: other, in: stage.folder)
    for path in [stray, stage.folder + "/offered", stage.offer + "x"] {
      try Data(stage.content).write(to: URL(fileURLWithPath: path))
    }
    #expect(await stage.heldByteCount() == 0)
    try await stage.expectNothingTaken()
    #expect(try bytes(stray) == stage.content)
  }
}
