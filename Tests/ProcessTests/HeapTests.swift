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

  /// A stretch of a process's memory that is of no file.
  private struct Mapping {
    let start: UInt64
    let end: UInt64
    let permissions: Substring
  }

  private func mappings(of program: Program) throws -> [Mapping] {
    let path = "/proc/\(program.process.processIdentifier)/maps"
    return try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").compactMap {
      let fields = $0.split(separator: " ")
      let ends = (fields.first ?? "").split(separator: "-").compactMap { UInt64($0, radix: 16) }
      guard fields.count == 5, ends.count == 2 else { return nil }
      return Mapping(start: ends[0], end: ends[1], permissions: fields[1])
    }
  }

  /// Bytes of the largest piece of memory that can be written to.
  private func largestMapping(of program: Program) throws -> UInt64 {
    try mappings(of: program).filter { $0.permissions == "rw-p" }.map { $0.end - $0.start }.max()
      ?? 0
  }

  /// glibc has 64 MiB for each heap but the first, from a multiple of that: what is in use, then
  /// what nobody may touch.
  ///
  /// Others' memory begins there now and then too.
  private func heapCount(of program: Program) throws -> Int {
    let size: UInt64 = 64 << 20
    let all = try mappings(of: program)
    return 1
      + all.indices.count { place in
        let used = all[place]
        guard used.permissions == "rw-p", used.start.isMultiple(of: size) else { return false }
        if used.end == used.start + size { return true }
        guard place + 1 < all.count else { return false }
        let rest = all[place + 1]
        return rest.permissions == "---p" && rest.start == used.end
          && rest.end == used.start + size
      }
  }
}
