import CoordinatorCore
import Jobs
import Testing

/// When nothing of the fleet is left.
@Suite struct ZeroWatchTests {
  private static let end = Instant.start + .seconds(100)

  private func watch() -> ZeroWatch {
    var watch = ZeroWatch()
    watch.jobEnded(JobID(7), now: Self.end)
    watch.workerEnded("w-2", "exit code 0")
    watch.workerEnded("w-1", "signal 9")
    return watch
  }

  private func review(
    _ watch: inout ZeroWatch, hasOpenJobs: Bool = false, left: Set<String> = [],
    kept: Set<String> = [], listed: [Int?] = [109]
  ) -> [JobID: ZeroRecord] {
    watch.review(
      hasOpenJobs: hasOpenJobs, left: left, kept: kept,
      listed: listed.map { seconds in seconds.map { .start + .seconds($0) } },
      now: Self.end + .seconds(10))
  }

  @Test func theRecordSaysHowEachWorkerEnded() {
    var watch = watch()
    let records = review(&watch)
    #expect(records.keys.map(\.rawValue) == [7])
    #expect(records[JobID(7)]?.secondsAfterTheEnd == 10)
    #expect(records[JobID(7)]?.workers.map(\.worker) == ["w-1", "w-2"])
    #expect(records[JobID(7)]?.workers.map(\.end) == ["signal 9", "exit code 0"])
    #expect(review(&watch).isEmpty, "it is told once")
    watch.jobEnded(JobID(8), now: Self.end)
    #expect(review(&watch)[JobID(8)]?.workers == [], "and so are its workers")
  }

  /// A limit, and what is beyond it.
  @Test func theFirstEndsAreToldWhereThereAreTooMany() {
    var watch = ZeroWatch()
    watch.jobEnded(JobID(7), now: Self.end)
    for number in 0...ZeroWatch.exitLimit { watch.workerEnded("w-\(number)", "exit code 0") }
    watch.workerEnded("w-0", "signal 9")
    let workers = review(&watch)[JobID(7)]?.workers
    #expect(workers?.count == ZeroWatch.exitLimit)
    #expect(workers?.contains { $0.worker == "w-\(ZeroWatch.exitLimit)" } == false)
    #expect(workers?.first?.end == "signal 9", "of a worker that ends again the last end is told")
  }

  @Test func whatIsLeftIsWaitedFor() {
    var watch = watch()
    #expect(review(&watch, left: ["w-3"]).isEmpty)
    #expect(review(&watch, hasOpenJobs: true).isEmpty)
    #expect(review(&watch, left: ["w-3", "w-4"], kept: ["w-3"]).isEmpty)
    #expect(review(&watch, left: ["w-3"], kept: ["w-3"])[JobID(7)]?.kept == ["w-3"])
  }

  /// An empty list from before the job's end, or none, shows nothing.
  @Test func everyEngineHasToSaySo() {
    for listed in [[nil], [100], [99, 109], [109, nil]] as [[Int?]] {
      var watch = watch()
      #expect(review(&watch, listed: listed).isEmpty, "\(listed)")
    }
  }
}
