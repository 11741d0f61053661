import Foundation
import Glibc
import Synchronization

/// What the store takes from around it: variables, clocks, pauses and chance.
///
/// Tests give their own, so that waiting takes no time and every run is the same.
package struct StoreEnvironment: Sendable {
  /// The environment variables.
  package var variables: [String: String]
  /// Nanoseconds since 1970, for signatures and for the ends of credentials.
  package var wallClock: @Sendable () -> Int64
  /// Time since some start, which no one sets; for limits of time.
  package var uptime: @Sendable () -> Duration
  /// Waits.
  package var pause: @Sendable (Duration) -> Void
  /// Evenly spread over 0 ..< 1, for jitter.
  package var fraction: @Sendable () -> Double
  /// Tells that the process is about to end; nil where it is not for the store to know.
  package var ending: StoreEnding?
  /// Is told, in a line, that a request has been failing for some seconds and is tried again.
  package var notice: @Sendable (String) -> Void = { _ in }

  /// Makes an environment; what is left out is the process's own.
  package init(
    variables: [String: String],
    wallClock: @escaping @Sendable () -> Int64 = { systemWallClock() },
    uptime: @escaping @Sendable () -> Duration = { systemUptime() },
    pause: @escaping @Sendable (Duration) -> Void = { systemPause($0) },
    fraction: @escaping @Sendable () -> Double = { Double.random(in: 0..<1) }
  ) {
    self.variables = variables
    self.wallClock = wallClock
    self.uptime = uptime
    self.pause = pause
    self.fraction = fraction
  }

  /// The environment of this process.
  package static var process: StoreEnvironment {
    var environment = StoreEnvironment(variables: ProcessInfo.processInfo.environment)
    environment.ending = .process
    environment.notice = { StoreNotices.process.say($0) }
    return environment
  }

  /// A variable that is set and not empty.
  func variable(_ names: String...) -> String? {
    for name in names {
      if let value = variables[name], !value.isEmpty { return value }
    }
    return nil
  }

  /// Whether a variable says yes.
  func isTrue(_ name: String) -> Bool {
    ["1", "true", "yes"].contains(variables[name]?.lowercased() ?? "")
  }

  /// A path below the user's home folder, or nil without one.
  func homePath(_ path: String) -> String? {
    variable("HOME").map { "\($0)/\(path)" }
  }
}

/// That the process is about to end: its stores then try nothing again, and soon ask nothing at all.
package final class StoreEnding: Sendable {
  /// Nanoseconds of `systemUptime`.
  private let deadline = Atomic<Int64>(.max)

  /// Of this process.
  package static let process = StoreEnding()

  /// Makes one that has not begun.
  package init() {}

  /// Begins the end: pauses are over, what fails is not tried again, and what is still under way
  /// after a while breaks off.
  package func begin(grace: Duration) {
    let time = (systemUptime() + grace).components
    deadline.store(
      time.seconds * 1_000_000_000 + time.attoseconds / 1_000_000_000, ordering: .relaxed)
  }

  /// Whether it has begun.
  package var hasBegun: Bool { deadline.load(ordering: .relaxed) != .max }

  var isOver: Bool {
    let deadline = deadline.load(ordering: .relaxed)
    return deadline != .max && systemUptime() >= .nanoseconds(deadline)
  }
}

/// Where the stores of a process say that they have to try again.
package final class StoreNotices: Sendable {
  private let listener = Mutex<(@Sendable (String) -> Void)?>(nil)

  /// Of this process.
  package static let process = StoreNotices()

  /// Has what is said from now on go to a listener, which any thread may call.
  package func hear(_ body: @escaping @Sendable (String) -> Void) {
    listener.withLock { $0 = body }
  }

  func say(_ text: String) {
    let listener = listener.withLock(\.self)
    listener?(text)
  }
}

/// Nanoseconds since 1970 by the system's clock.
package func systemWallClock() -> Int64 {
  var time = timespec()
  unsafe clock_gettime(CLOCK_REALTIME, &time)
  return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}

/// Time since the machine started, sleep included.
package func systemUptime() -> Duration {
  var time = timespec()
  unsafe clock_gettime(CLOCK_BOOTTIME, &time)
  return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
}

/// Has the calling thread wait.
package func systemPause(_ duration: Duration) {
  let parts = duration.components
  guard parts.seconds >= 0, parts.attoseconds >= 0 else { return }
  var wanted = timespec(
    tv_sec: Int(parts.seconds), tv_nsec: Int(parts.attoseconds / 1_000_000_000))
  var rest = timespec()
  while unsafe nanosleep(&wanted, &rest) != 0, errno == EINTR { wanted = rest }
}
