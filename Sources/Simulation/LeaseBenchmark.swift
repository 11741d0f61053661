import CoordinatorCore
import Glibc
import Jobs
import Leasing

/// How fast the coordinator's core gives leases and takes results, and what a shard costs it.
package struct LeaseBenchmark: Sendable {
  package let shardCount: Int
  package let leaseCount: Int
  /// Grants plus acknowledged results in a second, on one core.
  package let operationsPerSecond: Double
  /// Growth of the resident set when the job is planned, for each shard.
  package let bytesPerShard: Double
  /// Largest resident set of the process so far.
  package let peakByteCount: Int

  /// Leases and finishes every block of a job in memory, as its workers would.
  ///
  /// - Parameters:
  ///   - shardCount: Shards of the plan, 64 blocks each.
  ///   - blockLimit: Blocks of one result: a lease's first blocks are finished, the rest is leased
  ///     again, so that 64 is one lease a shard.
  ///   - workerCount: Workers that ask in turn, each for as many leases as one grant has.
  package init(shardCount: Int = 1_000_000, blockLimit: Int = 64, workerCount: Int = 16) {
    var subject = Subject(shardCount: shardCount, workerCount: workerCount)
    let before = residentByteCount()
    subject.plan()
    let after = residentByteCount()
    let elapsed = ContinuousClock().measure { subject.run(blockLimit: blockLimit) }
    precondition(subject.core.tables[Subject.job]?.isComplete == true)
    self.shardCount = shardCount
    leaseCount = subject.leaseCount
    operationsPerSecond = Double(2 * subject.leaseCount) / elapsed.inSeconds
    bytesPerShard = Double(after - before) / Double(shardCount)
    peakByteCount = largestResidentByteCount()
  }

  /// A coordinator with one job and its workers.
  private struct Subject {
    static let job = JobID(1)

    var core = CoordinatorCore(incarnation: Incarnation(1))
    var effects: [CoordinatorEffect] = []
    var leaseCount = 0
    let shardCount: Int
    let workers: [WorkerID]
    /// What each block comes to; shared, because unpacking a message is not what is measured.
    let results = (0...Limits.blocksPerShard).map {
      Array(
        repeating: BlockResult(counts: RecordCounts(ok: 1_000), exit: .recordStart), count: $0)
    }

    init(shardCount: Int, workerCount: Int) {
      self.shardCount = shardCount
      workers = (1...workerCount).map { WorkerID(UInt64($0)) }
      let request = JobRequest(
        displayName: "benchmark", model: "/model", inputConfig: .init(uris: ["/in"]),
        outputConfig: .init(uri: "/out"))
      do {
        try core.submit(Self.job, request, createdNanoseconds: 0, into: &effects)
      } catch {
        preconditionFailure("an empty coordinator takes a job: \(error)")
      }
      for worker in workers { _ = core.hello(worker, name: "w", threadCount: 1, now: .start) }
    }

    mutating func plan() {
      let byteCount = UInt64(shardCount) * UInt64(Limits.blocksPerShard)
      let input = PlannedInput(
        path: "/in", byteCount: byteCount * Limits.smallestBlockByteCount,
        modifiedNanoseconds: 0, inode: 0, compression: .none)
      do {
        let plan = try Plan(inputs: [input], blockByteCount: Limits.smallestBlockByteCount)
        let model = PlannedModel(digest: ContentDigest(words: .zero), byteCount: 1)
        core.planned(Self.job, plan, model, into: &effects)
      } catch {
        preconditionFailure("the plan is within the limits: \(error)")
      }
    }

    mutating func run(blockLimit: Int) {
      var isDone = false
      while !isDone {
        isDone = true
        for worker in workers {
          let answer = core.acquire(
            worker, leaseLimit: Limits.leasesPerGrant, now: .start, into: &effects)
          guard case .grants(let grants) = answer else { continue }
          isDone = false
          leaseCount += grants.count
          for grant in grants { finish(grant, worker, blockLimit) }
          effects.removeAll(keepingCapacity: true)
        }
      }
    }

    private mutating func finish(_ grant: Grant, _ worker: WorkerID, _ blockLimit: Int) {
      let lease = grant.lease
      let count = min(blockLimit, lease.blocks.count)
      let blocks = BlockRange(Int(lease.blocks.first), Int(lease.blocks.first) + count)
      let name = PartialName(
        digest: ContentDigest(words: SIMD4(UInt64(lease.shard.rawValue), 0, 0, 0)), byteCount: 1)
      guard
        let result = ShardResult(
          shard: lease.shard, attempt: lease.attempt, entry: lease.entry, blocks: blocks,
          results: results[count], partial: name)
      else { return }
      _ = core.finish(grant.job, result, worker: worker, now: .start, into: &effects)
    }
  }
}

/// Bytes of this process in memory now, from `/proc/self/statm`; 0 where that cannot be read.
private func residentByteCount() -> Int {
  guard let file = fopen("/proc/self/statm", "r") else { return 0 }
  defer { fclose(file) }
  var buffer = [CChar](repeating: 0, count: 256)
  guard fgets(&buffer, 256, file) != nil else { return 0 }
  let fields = String(decoding: buffer.map(UInt8.init(bitPattern:)), as: UTF8.self).split(
    separator: " ")
  return (fields.count > 1 ? Int(fields[1]) ?? 0 : 0) * sysconf(Int32(_SC_PAGESIZE))
}

/// The most bytes this process has ever had in memory.
private func largestResidentByteCount() -> Int {
  var usage = rusage()
  getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
  return usage.ru_maxrss * 1_024
}
