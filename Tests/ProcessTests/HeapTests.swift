import Foundation
import Glibc
import Testing

/// What processes that live for long keep of the memory that they have freed.
@Suite struct HeapTests {
  /// Threads that come and go fill no heaps of their own: each would keep up to 64 MiB.
  @Test func processesHaveAHeapForEachCore() async throws {
    let fleet = try await TestFleet(rowCount: 40_000)
    let worker = try await fleet.startJoinedWorker()
    let submit = try fleet.submit()
    #expect(await submit.wait() == 2, "\(submit.errors)")
    for program in [fleet.coordinator, worker] {
      let count = try heapCount(of: program)
      #expect(count <= max(2, sysconf(Int32(_SC_NPROCESSORS_ONLN))), "\(program.errors)")
    }
    await fleet.end(worker)
  }

  /// Arrow's own allocator reserves a gibibyte, and keeps there what the merges have freed.
  @Test func coordinatorsMergeInTheirOwnHeaps() async throws {
    let fleet = try await TestFleet(rowCount: 4_000)
    let worker = try await fleet.startJoinedWorker()
    let file = try fleet.jobFile()
    let job = try String(contentsOfFile: file, encoding: .utf8)
      .replacing("outputConfig:", with: "outputConfig:\n  predictionsFormat: parquet")
    try job.write(toFile: file, atomically: true, encoding: .utf8)
    let submit = try fleet.client(["submit", file, "--wait"])
    #expect(await submit.wait() == 2, "\(submit.errors)")
    #expect(try largestMapping(of: fleet.coordinator) < 1 << 29, "\(fleet.coordinator.errors)")
    // The worker has read no Parquet, but its results went through Arrow.
    #expect(try largestMapping(of: worker) >= 1 << 29, "this test would see Arrow's allocator")
    await fleet.end(worker)
  }

  /// Bytes of the largest piece of memory that can be written to and is of no file.
  private func largestMapping(of program: Program) throws -> UInt64 {
    let path = "/proc/\(program.process.processIdentifier)/maps"
    return try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map { line in
      let fields = line.split(separator: " ")
      let ends = (fields.first ?? "").split(separator: "-").compactMap { UInt64($0, radix: 16) }
      return fields.count == 5 && fields[1] == "rw-p" && ends.count == 2 ? ends[1] - ends[0] : 0
    }.max() ?? 0
  }

  /// glibc begins each heap but the first at a multiple of 64 MiB.
  private func heapCount(of program: Program) throws -> Int {
    let path = "/proc/\(program.process.processIdentifier)/maps"
    return try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").count { line in
      let fields = line.split(separator: " ")
      let start = fields.first.flatMap { UInt64($0.prefix { $0 != "-" }, radix: 16) } ?? 1
      return fields.count == 5 && fields[1] == "rw-p" && start.isMultiple(of: 64 << 20)
    } + 1
  }
}
