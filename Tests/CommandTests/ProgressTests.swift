import Commands
import Jobs
import Testing

/// How progress is measured and shown.
@Suite struct ProgressTests {
  private func snapshot(
    blocks: UInt64 = 0, of total: UInt64 = 100, records: UInt64 = 0, bytes: UInt64 = 0,
    state: JobState = .running, phase: JobPhase = .scoring
  ) -> ProgressSnapshot {
    var snapshot = ProgressSnapshot(state: state, phase: phase)
    snapshot.doneBlockCount = blocks
    snapshot.blockCount = total
    snapshot.doneShardCount = 12
    snapshot.shardCount = 24
    snapshot.recordCount = records
    snapshot.doneByteCount = bytes
    snapshot.errorCount = 3
    snapshot.workerCount = 2
    return snapshot
  }

  private var rates: ProgressRates {
    var rates = ProgressRates()
    rates.recordsPerSecond = 1_234_567
    rates.bytesPerSecond = 310_400_000
    rates.remaining = .seconds(12)
    return rates
  }

  @Test(arguments: [
    (
      140,
      "[###############---------------]   52 %  1.23 M rows/s  310 MB/s  shards 12/24  "
        + "workers 2  errors 3  ETA 00:12"
    ),
    (
      100,
      "[##########----------]   52 %  1.23 M rows/s  310 MB/s  shards 12/24  workers 2  errors 3  "
        + "ETA 00:12"
    ),
    (
      90,
      "[#####-----]   52 %  1.23 M rows/s  310 MB/s  shards 12/24  workers 2  errors 3  "
        + "ETA 00:12"
    ),
    (
      89,
      "[##########----------]   52 %  1.23 M rows/s  310 MB/s  shards 12/24  errors 3  ETA 00:12"
    ),
    (60, "[#######--------]   52 %  1.23 M rows/s  errors 3  ETA 00:12"),
    (40, "[#####-----]   52 %  errors 3  ETA 00:12"),
    (39, "[#########----------]   52 %  ETA 00:12"),
    (10, "[#####-----]   52 %"),
  ])
  func theBarFitsItsWidth(_ width: Int, _ expected: String) {
    let line = ProgressBar(snapshot(blocks: 52), rates).text(width: width)
    #expect(line == expected)
    #expect(line.count <= max(width, 19))
  }

  @Test func noWidthIsEverExceeded() {
    for width in 20...200 {
      for blocks in UInt64(0)...100 {
        let line = ProgressBar(snapshot(blocks: blocks), rates).text(width: width)
        #expect(line.count <= width)
      }
    }
  }

  @Test func aLogGetsNoBar() {
    let expected =
      " 52 %  1.23 M rows/s  310 MB/s  shards 12/24  workers 2  errors 3  ETA 00:12"
    #expect(ProgressBar(snapshot(blocks: 52), rates).text() == expected)
  }

  @Test(arguments: [
    (JobState.running, JobPhase.scoring, "ETA 00:12"), (.running, .merging, "MERGING"),
    (.running, .publishing, "PUBLISHING"), (.queued, .planning, "QUEUED"),
    (.paused, .scoring, "PAUSED"), (.succeeded, .publishing, "SUCCEEDED"),
  ])
  func theLineEndsWithWhatGoesOn(_ state: JobState, _ phase: JobPhase, _ expected: String) {
    let line = ProgressBar(snapshot(blocks: 1, state: state, phase: phase), rates).text()
    #expect(line.hasSuffix("  " + expected))
    #expect(line.hasPrefix(state == .succeeded ? "100 %" : "  1 %"))
  }

  @Test func nearlyDoneIsNotDone() {
    let almost = snapshot(blocks: 999, of: 1_000)
    #expect(ProgressBar(almost, rates).text(width: 10) == "[#########-]   99 %")
    #expect(ProgressBar(snapshot(of: 0), rates).text().hasPrefix("  0 %"))
  }

  @Test func ratesFollowTheLastTenSeconds() {
    var meter = ProgressMeter()
    #expect(meter.note(snapshot(), at: .zero) == ProgressRates())
    let first = meter.note(snapshot(blocks: 10, records: 4_000, bytes: 800), at: .seconds(4))
    #expect(first.recordsPerSecond == 1_000)
    #expect(first.bytesPerSecond == 200)
    #expect(first.remaining == .seconds(36))
    var last = ProgressRates()
    for second in 5...60 {  // ten times as fast from here on
      let records = UInt64(4_000 + (second - 4) * 10_000)
      last = meter.note(snapshot(blocks: 20, records: records), at: .seconds(second))
    }
    #expect(last.recordsPerSecond == 10_000)
    #expect(last.remaining == nil)
  }

  @Test func aCountThatFallsIsNoNegativeRate() {
    var meter = ProgressMeter()
    _ = meter.note(snapshot(blocks: 50, records: 5_000, bytes: 9), at: .zero)
    let rates = meter.note(snapshot(blocks: 40, records: 4_000, bytes: 8), at: .seconds(1))
    #expect(rates == ProgressRates())
  }

  @Test(arguments: [
    (0, "0"), (7, "7"), (999.4, "999"), (999.6, "1.00 k"), (1_234, "1.23 k"),
    (9_994, "9.99 k"), (9_996, "10.0 k"), (99_940, "99.9 k"), (99_960, "100 k"),
    (999_499, "999 k"), (999_500, "1.00 M"), (2.5e9, "2.50 G"), (1e12, "1.00 T"),
    (-1, "0"), (Double.nan, "0"), (Double.infinity, "0"),
  ])
  func numbersHaveThreeDigits(_ value: Double, _ expected: String) {
    #expect(Figures.short(value) == expected)
  }

  @Test func timesAndCountsAreReadable() {
    #expect(Figures.clock(.seconds(0)) == "00:00")
    #expect(Figures.clock(.milliseconds(61_900)) == "01:01")
    #expect(Figures.clock(.seconds(3_723)) == "1:02:03")
    #expect(Figures.clock(.seconds(-1)) == "00:00")
    #expect(Figures.grouped(0) == "0")
    #expect(Figures.grouped(999) == "999")
    #expect(Figures.grouped(1_000) == "1,000")
    #expect(Figures.grouped(336_776) == "336,776")
    #expect(Figures.grouped(.max) == "18,446,744,073,709,551,615")
  }

  @Test(arguments: [
    (0, "1970-01-01T00:00:00.000Z"), (86_399_999_999_999, "1970-01-01T23:59:59.999Z"),
    (951_782_400_000_000_000, "2000-02-29T00:00:00.000Z"),
    (1_772_344_800_250_000_000, "2026-03-01T06:00:00.250Z"),
    (1_798_761_599_007_000_000, "2026-12-31T23:59:59.007Z"),
    (4_107_542_400_000_000_000, "2100-03-01T00:00:00.000Z"),
  ])
  func momentsAreExact(_ nanoseconds: Int64, _ expected: String) {
    #expect(Figures.time(unixNanoseconds: nanoseconds) == expected)
  }

  @Test func tablesAreAligned() {
    var table = TextTable(header: ["JOB", "STATE"])
    table.append(["0123456789abcdef", "RUNNING"])
    table.append(["x", "a\u{1B}[2Jb"])
    #expect(
      table.text == """
        JOB               STATE
        0123456789abcdef  RUNNING
        x                 a\u{FFFD}[2Jb
        """)
  }
}
