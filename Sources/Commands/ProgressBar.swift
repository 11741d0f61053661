import Jobs

/// One line that shows how far a job is: a pure function of what it shows.
package struct ProgressBar: Hashable, Sendable {
  private static let shortestBar = 10
  private static let longestBar = 30

  package var snapshot: ProgressSnapshot
  package var rates: ProgressRates

  package init(_ snapshot: ProgressSnapshot, _ rates: ProgressRates) {
    self.snapshot = snapshot
    self.rates = rates
  }

  /// The line, at most `width` columns where that leaves room for the bar and the percentage.
  ///
  /// What fits no more is left out, the least important first. Without a width the line has no
  /// bar, as a log has it.
  package func text(width: Int? = nil) -> String {
    var parts = Part.allCases
    guard let width else { return line(parts) }
    for victim in Part.byRisingImportance {
      if line(parts).count + 2 + Self.shortestBar + 2 <= width { break }
      parts.removeAll { $0 == victim }
    }
    let tail = line(parts)
    let room = width - tail.count - 4
    let cellCount = min(Self.longestBar, max(Self.shortestBar, room))
    let filled = Int(snapshot.fraction * Double(cellCount))
    let bar =
      String(repeating: "#", count: filled) + String(repeating: "-", count: cellCount - filled)
    return "[\(bar)]  \(tail)"
  }

  private enum Part: CaseIterable {
    case percent, rows, bytes, shards, workers, errors, outlook

    static let byRisingImportance: [Part] = [.workers, .bytes, .shards, .rows, .errors, .outlook]
  }

  private func line(_ parts: [Part]) -> String {
    parts.map(text(of:)).joined(separator: "  ")
  }

  private func text(of part: Part) -> String {
    switch part {
    case .percent:
      // 100 % is said only of what is published.
      let percent = Int(snapshot.fraction * 100)
      let digits = String(percent)
      return String(repeating: " ", count: 3 - digits.count) + digits + " %"
    case .rows: return Figures.short(rates.recordsPerSecond) + " rows/s"
    case .bytes: return Figures.short(rates.bytesPerSecond / 1e6) + " MB/s"
    case .shards: return "shards \(snapshot.doneShardCount)/\(snapshot.shardCount)"
    case .workers: return "workers \(snapshot.workerCount)"
    case .errors: return "errors \(snapshot.errorCount)"
    case .outlook: return outlook
    }
  }

  /// The time left while records are scored, otherwise what is going on instead.
  private var outlook: String {
    switch snapshot.state {
    case .queued, .pending, .paused, .cancelling, .cancelled, .succeeded, .partiallySucceeded,
      .failed:
      return snapshot.state.rawValue
    case .running: break
    }
    guard snapshot.phase == .scoring else { return snapshot.phase.rawValue }
    return "ETA " + (rates.remaining.map(Figures.clock) ?? "--:--")
  }
}
