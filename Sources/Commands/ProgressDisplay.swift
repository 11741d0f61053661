import Jobs

/// Shows a job's progress on standard error: a bar on a terminal, now and then a line elsewhere.
package struct ProgressDisplay: ~Copyable {
  /// Between two lines where there is no terminal.
  private static let lineInterval = Duration.seconds(10)

  private let isQuiet: Bool
  private let clock = ContinuousClock()
  private let started: ContinuousClock.Instant
  private var meter = ProgressMeter()
  private var lastLine: Duration
  private var barIsShown = false

  package init(isQuiet: Bool) {
    self.isQuiet = isQuiet
    started = clock.now
    lastLine = .zero
  }

  /// Shows a snapshot.
  package mutating func show(_ snapshot: ProgressSnapshot) {
    guard !isQuiet else { return }
    let time = clock.now - started
    let bar = ProgressBar(snapshot, meter.note(snapshot, at: time))
    if let width = Terminal.standardError.width {
      // One column stays free: a full line would wrap.
      Terminal.standardError.write("\r\u{1B}[K" + bar.text(width: width - 1))
      barIsShown = true
    } else if time - lastLine >= Self.lineInterval {
      lastLine = time
      Terminal.standardError.write(bar.text() + "\n")
    }
  }

  /// Writes a line of text, above the bar if there is one.
  package mutating func say(_ text: String) {
    guard !isQuiet else { return }
    clear()
    Terminal.standardError.write(text + "\n")
  }

  /// Removes the bar, so that other output follows on a clean line.
  package mutating func clear() {
    guard barIsShown else { return }
    Terminal.standardError.write("\r\u{1B}[K")
    barIsShown = false
  }
}
