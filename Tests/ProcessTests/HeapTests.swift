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
