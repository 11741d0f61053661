import Synchronization

/// How fast requests go to each bucket, for all threads of the process together.
///
/// A bucket that says "slow down" halves the rate, every good answer lets it grow by a tenth, as
/// TCP does with its window: a fleet then settles below what the store allows instead of asking
/// again at full speed. Buckets that never complain are never waited for.
final class Pace: Sendable {
  private let environment: StoreEnvironment
  private let buckets = Mutex<[String: Bucket]>([:])

  private static let firstGap = Duration.milliseconds(5)
  private static let longestGap = Duration.seconds(1)
  /// Below this a gap is none.
  private static let shortestGap = Duration.milliseconds(1)

  private struct Bucket {
    /// Between the starts of two requests.
    var gap = Duration.zero
    /// When the next may start.
    var next = Duration.zero
  }

  init(_ environment: StoreEnvironment) {
    self.environment = environment
  }

  /// Waits for this request's turn.
  func waitForTurn(_ bucket: String) {
    let now = environment.uptime()
    let wait = buckets.withLock { buckets -> Duration in
      guard var entry = buckets[bucket], entry.gap > .zero else { return .zero }
      let start = max(now, entry.next)
      entry.next = start + entry.gap
      buckets[bucket] = entry
      return start - now
    }
    if wait > .zero { environment.pause(wait) }
  }

  /// Takes note of an answer that asks for fewer requests.
  func slowDown(_ bucket: String) {
    buckets.withLock { buckets in
      var entry = buckets[bucket] ?? Bucket()
      entry.gap = entry.gap == .zero ? Self.firstGap : min(entry.gap * 2, Self.longestGap)
      buckets[bucket] = entry
    }
  }

  /// Takes note of a good answer.
  func speedUp(_ bucket: String) {
    buckets.withLock { buckets in
      guard var entry = buckets[bucket] else { return }
      entry.gap = entry.gap * 0.9
      buckets[bucket] = entry.gap < Self.shortestGap ? nil : entry
    }
  }
}
