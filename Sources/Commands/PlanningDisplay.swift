package import Wire

/// Shows on standard error how far the planning of a submission is: one line that changes on a
/// terminal, now and then a line elsewhere.
package struct PlanningDisplay: ~Copyable {
  /// Between two lines where there is no terminal.
  private static let lineInterval = Duration.seconds(10)

  private let isQuiet: Bool
  private let clock = ContinuousClock()
  private var lastLine: ContinuousClock.Instant?
  private var isShown = false

  package init(isQuiet: Bool) {
    self.isQuiet = isQuiet
  }

  package mutating func show(_ report: PlanningReport) {
    guard !isQuiet else { return }
    let text = Self.text(report)
    if let width = Terminal.standardError.width {
      // One column stays free: a full line would wrap.
      Terminal.standardError.write("\r\u{1B}[K" + text.prefix(width - 1))
      isShown = true
    } else if lastLine.map({ clock.now - $0 >= Self.lineInterval }) ?? true {
      lastLine = clock.now
      Terminal.standardError.write(text + "\n")
    }
  }

  /// Removes the line, so that other output follows on a clean one.
  package mutating func clear() {
    guard isShown else { return }
    Terminal.standardError.write("\r\u{1B}[K")
    isShown = false
  }

  /// The line: `planning: 12,000 inputs listed, retrying GET s3://…`.
  package static func text(_ report: PlanningReport) -> String {
    var parts = report.text.isEmpty ? [] : [printable(report.text)]
    if report.inputCount > 0 {
      parts.insert(Figures.counted(report.inputCount, "input") + " listed", at: 0)
    }
    return "planning: " + (parts.isEmpty ? "listing the inputs" : parts.joined(separator: ", "))
  }
}
