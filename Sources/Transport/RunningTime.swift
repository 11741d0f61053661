import Glibc

/// Waits that are as long as the time in which the threads of nng could have run.
///
/// On a machine with more to do than it can, five seconds may pass in which the thread that is waited
/// for never had a processor. Such time does not count: what matters is whether nng hangs.
enum RunningTime {
  private static let slice = Duration.milliseconds(100)
  /// The most that a wait takes, as a multiple of its limit.
  private static let longest = 12

  /// Waits for a gate.
  ///
  /// - Returns: false where it was still shut after nng could have run for the limit.
  static func wait(for latch: Latch, within limit: Duration) async -> Bool {
    let clock = ContinuousClock()
    let end = clock.now + limit * longest
    var counted = Duration.zero
    var before = NngThread.all()
    while counted < limit, clock.now < end {
      let begin = clock.now
      if await latch.wait(within: min(slice, limit - counted)) { return true }
      let elapsed = clock.now - begin
      let now = NngThread.all()
      let isStarved = now.contains { number, thread in
        before[number].map { thread.isStarved(since: $0, for: elapsed) } ?? false
      }
      if !isStarved { counted += elapsed }
      before = now
    }
    return false
  }
}

/// What the kernel tells of one of nng's threads in this process.
package struct NngThread: Equatable, Sendable {
  /// Whether it runs, or would if it had a processor.
  var isRunnable: Bool
  /// Time that it ran, in nanoseconds.
  var ran: UInt64
  /// Time that it waited for a processor, in nanoseconds; a wait is counted when it is over.
  var waited: UInt64

  /// Whether it was kept waiting for a processor since an earlier look, for half of the time or more.
  package func isStarved(since earlier: NngThread, for elapsed: Duration) -> Bool {
    if isRunnable, ran == earlier.ran { return true }
    let waited = waited - min(waited, earlier.waited)
    return Duration.nanoseconds(Int64(clamping: waited)) * 2 >= elapsed
  }

  /// Each of nng's threads by its number; none where the kernel does not tell.
  package static func all() -> [Int32: NngThread] {
    guard let directory = unsafe opendir("/proc/self/task") else { return [:] }
    defer { unsafe closedir(directory) }
    var threads: [Int32: NngThread] = [:]
    while let entry = unsafe readdir(directory) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name.0) {
        unsafe String(cString: $0)
      }
      if let number = Int32(name) { threads[number] = NngThread(folder: name) }
    }
    return threads
  }

  /// Reads one thread's files; nil for a thread of somebody else.
  private init?(folder: String) {
    // 123 (nng:reap2) S …
    let status = Self.line("\(folder)/stat")
    guard let parenthesis = status.firstIndex(of: ")"), status.contains("(nng:") else { return nil }
    let figures = Self.line("\(folder)/schedstat").split(separator: " ").map { UInt64($0) ?? 0 }
    guard figures.count >= 2 else { return nil }
    isRunnable = status[parenthesis...].hasPrefix(") R")
    ran = figures[0]
    waited = figures[1]
  }

  package init(isRunnable: Bool, ran: UInt64, waited: UInt64) {
    self.isRunnable = isRunnable
    self.ran = ran
    self.waited = waited
  }

  private static func line(_ file: String) -> String {
    let descriptor = unsafe open("/proc/self/task/\(file)", O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return "" }  // the thread has ended
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 128)
    let count = unsafe read(descriptor, &bytes, bytes.count)
    return String(decoding: bytes.prefix(max(0, count)).prefix { $0 != 10 }, as: UTF8.self)
  }
}
