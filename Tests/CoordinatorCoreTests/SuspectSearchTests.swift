import Jobs
import Testing
import WorkerCore

/// The search for records that end their process, against a model of such processes.
struct SuspectSearchTests {
  /// What processes do: tiles of 1,024 records, of which some end them.
  private struct Model {
    let count: UInt64
    let poison: Set<UInt64>
    /// Whether a process dies only at its end, with other records at work.
    var diesLate = false
    private(set) var runCount = 0

    init(_ count: UInt64, _ poison: Set<UInt64>, diesLate: Bool = false) {
      self.count = count
      self.poison = poison
      self.diesLate = diesLate
    }

    /// Searches to the end; says how, and which records are isolated.
    mutating func search() -> (step: SuspectSearch.Step, isolated: [UInt64]) {
      var search = SuspectSearch()
      var step = search.begin()
      while case .run(let run) = step {
        runCount += 1
        step = search.ended(end(of: run, without: Set(search.isolated.map(\.record))))
      }
      #expect(search.runCount == runCount)
      return (step, search.isolated.map(\.record))
    }

    private func end(
      of run: SuspectSearch.Run, without isolated: Set<UInt64>
    ) -> SuspectSearch.End {
      let records =
        switch run {
        case .whole: 0..<count
        case .probe(let records): records
        }
      let hits = poison.subtracting(isolated).filter { records.contains($0) }
      guard let first = hits.min() else { return .complete }
      let at = diesLate ? count - 1 : first
      let tile = at / 1_024 * 1_024..<min(count, (at / 1_024 + 1) * 1_024)
      return .died("crashed with signal 11", records: tile.clamped(to: records))
    }
  }

  /// The bound that the search promises for one record.
  private func bound(_ count: UInt64) -> Int {
    var doublings = 0
    while UInt64(1) << doublings < count { doublings += 1 }
    return 2 * doublings + 3
  }

  @Test(arguments: [1, 2, 3, 7, 1_000, 1_024, 1_025, 5_000, 1_000_000] as [UInt64])
  func isolatesOneRecordWithinTheBound(count: UInt64) {
    let places = [0, 1, count / 3, count / 2, count - 1].filter { $0 < count }
    for place in Set(places) {
      for diesLate in [false, true] {
        var model = Model(count, [place], diesLate: diesLate)
        let found = model.search()
        #expect(found.step == .finished)
        #expect(found.isolated == [place])
        #expect(model.runCount <= bound(count), "record \(place) of \(count)")
      }
    }
  }

  @Test func takesOneProcessWhereNothingDies() {
    var model = Model(10_000, [])
    #expect(model.search().step == .finished)
    #expect(model.runCount == 1)
  }

  @Test func isolatesSeveral() {
    var model = Model(70_000, [0, 5, 6, 40_000, 69_999])
    let found = model.search()
    #expect(found.step == .finished)
    #expect(found.isolated.sorted() == [0, 5, 6, 40_000, 69_999])
    #expect(model.runCount <= 5 * bound(70_000))
  }

  @Test func givesUpWhereManyRecordsDoIt() {
    var model = Model(70_000, Set(0..<70_000))
    guard case .gaveUp(let reason) = model.search().step else {
      Issue.record("it goes on")
      return
    }
    #expect(reason.contains("more than 16 records"))
  }

  @Test func givesUpWhereNoRecordIsReached() {
    var search = SuspectSearch()
    _ = search.begin()
    #expect(
      search.ended(.died("crashed with signal 6", records: nil))
        == .gaveUp("a process apart came to no record: crashed with signal 6"))
  }

  @Test func givesUpWhereARecordAloneDoesNotDoIt() {
    var search = SuspectSearch()
    var step = search.begin()
    step = search.ended(.died("x", records: 0..<4))
    while case .run(let run) = step {
      #expect(run != .whole)
      step = search.ended(.complete)
    }
    guard case .gaveUp = step else {
      Issue.record("\(step)")
      return
    }
  }
}
