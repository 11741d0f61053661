import Foundation
import Glibc

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
    StoreEnvironment(variables: ProcessInfo.processInfo.environment)
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
