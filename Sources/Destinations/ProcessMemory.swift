import CPosix
import Glibc

/// What the allocator of the process does with memory that is freed.
package enum ProcessMemory {
  /// Blocks below this are taken from the heap, where they are used again, and not from the system.
  private static let mappingThreshold: Int32 = 32 << 20
  /// Free memory at the end of a heap beyond which it is given back.
  private static let trimThreshold: Int32 = 64 << 20

  /// Heaps, of which each keeps what was freed there: one for each core, two at least.
  ///
  /// glibc makes eight for each core, and every thread that comes and goes may fill another one.
  private static var heapLimit: Int32 { max(2, Int32(sysconf(Int32(_SC_NPROCESSORS_ONLN)))) }

  /// Keeps freed buffers for the next lease, message or frame, within stated bounds.
  ///
  /// By default glibc maps and unmaps each buffer of a megabyte, and the kernel zeroes its pages
  /// anew every time: 30,000 of 42,000 page faults of a job of 540 MB, and 5 % of its time.
  package static func keepFreed() {
    // What is refused leaves the defaults.
    _ = mallopt(-3, mappingThreshold)
    _ = mallopt(-1, trimThreshold)
    _ = mallopt(-8, heapLimit)
  }

  /// Has Arrow take memory from the same heaps, in a process that merges now and then for months;
  /// before anything of Arrow is used.
  ///
  /// Its own allocator keeps much of what each merge's thread has freed: after 60 merges of a
  /// Parquet file of 200,000 rows a coordinator had 99 MiB, and so it has 36. Whoever chooses an
  /// allocator by the variable has it.
  package static func shareHeapsWithArrow() {
    _ = unsafe setenv("ARROW_DEFAULT_MEMORY_POOL", "system", 0)  // or there is no memory at all
  }
}
