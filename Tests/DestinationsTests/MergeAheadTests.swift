import Coordinator
import CoordinatorCore
import Destinations
import Foundation
import Jobs
import Leasing
import Partials
import Testing

/// A merge that goes along with the scoring counts where the journal says the same in the end; in
/// trouble it leaves nothing behind, and a merge from the beginning gives the bytes.
@Suite struct MergeAheadTests {
  private func ahead(_ fixture: Fixture, _ placed: [PlacedBlocks]) -> MergeAhead {
    let input = fixture.input()
    let places = Dictionary(uniqueKeysWithValues: placed.map { ($0.committed, $0) })
    return MergeAhead(of: fixture.plan) { committed in
      places[committed] ?? PlacedBlocks(committed: committed, path: "/nowhere")
    } beginning: {
      try PosixDestination(input).beginMerge()
    }
  }

  private func note(
    _ placed: some Sequence<PlacedBlocks>, of fixture: Fixture, in ahead: MergeAhead
  ) {
    ahead.note(placed.map { .commit(fixture.job, $0.committed) })
  }

  private func finish(
    _ ahead: MergeAhead, _ fixture: Fixture, _ placed: [PlacedBlocks]
  ) throws(DestinationError) -> Bool {
    try ahead.finish(
      placed.map(\.committed), counts: fixture.counts, execution: .object([]))
  }

  /// The published files that are the same in every run.
  private func publish(_ fixture: Fixture) throws -> [String: [UInt8]] {
    let folder = try PosixDestination(fixture.input()).publish()
    #expect(Verification.check(folder: folder).findings == [])
    #expect(try names(fixture.destination).count == 1)
    let files = try names(folder).filter { $0.hasPrefix("prediction.") }
    return try Dictionary(uniqueKeysWithValues: files.map { ($0, try bytes("\(folder)/\($0)")) })
  }

  private func expected() throws -> [String: [UInt8]] {
    let fixture = try Fixture()
    try PosixDestination(fixture.input()).merge(try fixture.commitAll(seed: 3))
    return try publish(fixture)
  }

  /// Expects that nothing is left of the merge, and that the next one begins anew.
  private func expectGivenUp(
    _ ahead: MergeAhead, _ fixture: Fixture, _ placed: [PlacedBlocks]
  ) throws {
    #expect(!FileManager.default.fileExists(atPath: fixture.input().workFolder))
    #expect(try !finish(ahead, fixture, placed))
    try PosixDestination(fixture.input()).merge(placed)
    #expect(try publish(fixture) == expected())
  }

  /// The same blocks from another partial.
  private func repeated(_ placed: PlacedBlocks, of fixture: Fixture) throws -> PlacedBlocks {
    let old = placed.committed
    let (path, header) = try fixture.writePartial(old.shard.index, old.blocks.indices)
    return PlacedBlocks(
      committed: CommittedBlocks(
        shard: old.shard, blocks: old.blocks, attempt: header.attempt, entry: old.entry,
        exit: old.exit, counts: old.counts, partial: header.name), path: path)
  }

  @Test(arguments: 0..<4 as Range<UInt64>)
  func blocksInAnyOrderGiveTheSameBytes(seed: UInt64) throws {
    let fixture = try Fixture()
    let placed = try fixture.commitAll(seed: 3)
    let ahead = ahead(fixture, placed)
    var generator = Generator(state: seed)
    // What waits for the rest of the job is left to the end.
    for committed in placed.dropLast(Int(seed)).shuffled(using: &generator) {
      note([committed], of: fixture, in: ahead)
    }
    #expect(try finish(ahead, fixture, placed))
    #expect(try publish(fixture) == expected())
    #expect(try !finish(ahead, fixture, placed), "a merge ends once")
  }

  @Test func aPartialThatIsDamagedMeanwhileIsNamed() throws {
    let fixture = try Fixture()
    let placed = try fixture.commitAll(seed: 3)
    let ahead = ahead(fixture, placed)
    note(placed.prefix(10), of: fixture, in: ahead)
    let victim = try #require(placed.dropFirst(10).first { $0.committed.counts.ok > 0 })
    let sound = try bytes(victim.path)
    try Data(sound.dropLast() + [sound[sound.count - 1] ^ 1]).write(
      to: URL(fileURLWithPath: victim.path))
    note(placed.dropFirst(10), of: fixture, in: ahead)
    let error = #expect(throws: DestinationError.self) { try finish(ahead, fixture, placed) }
    #expect(error?.code == .damaged([victim.committed]))
    try Data(sound).write(to: URL(fileURLWithPath: victim.path))
    try expectGivenUp(ahead, fixture, placed)
  }

  @Test func anErrorAmongTheLastBlocksEndsIt() throws {
    let fixture = try Fixture()
    let placed = try fixture.commitAll(seed: 3)
    let ahead = ahead(fixture, placed)
    note(placed.prefix(10), of: fixture, in: ahead)
    var disordered = placed
    disordered.swapAt(20, 21)  // ten more are appended before it is seen
    let error = #expect(throws: DestinationError.self) { try finish(ahead, fixture, disordered) }
    #expect(error?.code == .inconsistent)
    try expectGivenUp(ahead, fixture, placed)
  }

  @Test func aJournalThatBeginsOtherwiseIsMergedAnew() throws {
    let fixture = try Fixture()
    let placed = try fixture.commitAll(seed: 3)
    var other = placed
    other[4] = try repeated(placed[4], of: fixture)
    for journal in [other, Array(placed.prefix(9)), []] {
      let ahead = ahead(fixture, placed)
      note(placed.prefix(10), of: fixture, in: ahead)
      #expect(try !finish(ahead, fixture, journal))
      #expect(!FileManager.default.fileExists(atPath: fixture.input().workFolder))
    }
    let ahead = ahead(fixture, placed)
    note(placed, of: fixture, in: ahead)
    #expect(try !finish(ahead, fixture, other))
    try expectGivenUp(ahead, fixture, other)
  }

  @Test func whatIsTakenBackAfterItWasMergedEndsIt() throws {
    let fixture = try Fixture()
    let placed = try fixture.commitAll(seed: 3)
    let ahead = ahead(fixture, placed)
    note(placed.prefix(10), of: fixture, in: ahead)
    ahead.note([.refute(fixture.job, placed[3].committed)])
    note(placed.dropFirst(10), of: fixture, in: ahead)
    #expect(try !finish(ahead, fixture, placed))
    try expectGivenUp(ahead, fixture, placed)
  }

  @Test func whatIsTakenBackBeforeItsTurnIsNotMerged() throws {
    let fixture = try Fixture()
    let placed = try fixture.commitAll(seed: 3)
    var mended = placed
    mended[12] = try repeated(placed[12], of: fixture)
    try FileManager.default.removeItem(atPath: placed[12].path)
    let ahead = ahead(fixture, mended + [placed[12]])
    note([placed[12]], of: fixture, in: ahead)
    ahead.note([.refute(fixture.job, placed[12].committed)])
    note(mended, of: fixture, in: ahead)
    #expect(try finish(ahead, fixture, mended))
    #expect(try publish(fixture) == expected())
  }

  @Test func anAbandonedMergeLeavesNothing() throws {
    let fixture = try Fixture()
    let placed = try fixture.commitAll(seed: 3)
    let ahead = ahead(fixture, placed)
    note(placed, of: fixture, in: ahead)
    ahead.abandon()
    try expectGivenUp(ahead, fixture, placed)
  }

  /// Where it cannot write, the merge at the end meets it again, and tells.
  @Test func aPlaceThatCannotBeWrittenEndsIt() throws {
    let fixture = try Fixture()
    let placed = try fixture.commitAll(seed: 3)
    let ahead = ahead(fixture, placed)
    try Data().write(to: URL(fileURLWithPath: fixture.destination))
    note(placed, of: fixture, in: ahead)
    #expect(try !finish(ahead, fixture, placed))
    try FileManager.default.removeItem(atPath: fixture.destination)
    try expectGivenUp(ahead, fixture, placed)
  }
}
