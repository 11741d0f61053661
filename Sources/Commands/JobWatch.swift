import ArgumentParser
import CoordinatorCore
import Foundation
import Jobs
import Wire

/// Follows a job to its end, showing progress, and tells how it ended.
enum JobWatch {
  /// Between two questions: short at first, so that a short job ends at once, then a tenth of the
  /// time that has passed.
  static func pause(after elapsed: Duration) -> Duration {
    min(.milliseconds(250), max(.milliseconds(5), elapsed / 10))
  }

  /// What has been so for so long is worth a line, such as what workers wait for.
  private static let remarkDelay = Duration.seconds(5)

  /// Shows progress until the job has ended.
  static func follow(
    _ id: JobID, through client: CoordinatorClient, isQuiet: Bool
  ) async throws -> JobSummary {
    var display = ProgressDisplay(isQuiet: isQuiet)
    let clock = ContinuousClock()
    let started = clock.now
    var remark = (text: "", since: started, isSaid: false)
    while true {
      let job = try await client.describe(id).job
      display.show(ProgressSnapshot(job))
      if job.state.isTerminal {
        display.clear()
        return job
      }
      if remark.text != job.reason { remark = (job.reason, clock.now, false) }
      if !remark.isSaid, !remark.text.isEmpty, clock.now - remark.since >= remarkDelay {
        remark.isSaid = true
        display.say(printable(remark.text))
      }
      try await Task.sleep(for: pause(after: clock.now - started))
    }
  }

  /// Waits until nothing is left of the workers that the coordinator started.
  ///
  /// - Returns: seconds from the job's end, or from now where the coordinator began anew meanwhile.
  static func waitForZero(
    after id: JobID, through client: CoordinatorClient
  ) async throws -> Double {
    struct Details: Decodable {
      let zeroAfterSeconds: Double?
      let awaitsZero: Bool?
    }
    let start = ContinuousClock.now
    while true {
      let bytes = try await client.describe(id).details
      let details = try JSONDecoder().decode(Details.self, from: Data(bytes))
      if let seconds = details.zeroAfterSeconds { return seconds }
      if details.awaitsZero != true {
        let pools = try await client.fleet(.status).pools
        let isZero = pools.allSatisfy { pool in
          pool.listedSecondsAgo != nil
            && pool.starting + pool.joined + pool.leaving <= pool.minReplicaCount
        }
        if isZero { return (ContinuousClock.now - start).inSeconds }
      }
      try await Task.sleep(for: .milliseconds(250))
    }
  }

  /// Prints how a job ended.
  static func report(_ job: JobSummary, as format: OutputFormat) throws {
    switch format {
    case .json: printLine(try jsonText(JobDocument(job)))
    case .text: printLine(JobOutcome(job).text)
    }
  }
}

/// `nightshift watch`.
struct WatchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "watch", abstract: "Show a job's progress until it has ended.",
    discussion: """
      Leaving it (Ctrl-C) does nothing to the job. The exit code is the job's: 0 succeeded, \
      1 failed or cancelled, 2 partially succeeded.

      Examples:
        nightshift watch 3f9a
        nightshift watch 3f9a --output json    (the final state as JSON)
      """)

  @OptionGroup var argument: JobArgument
  @OptionGroup var client: ClientOptions
  @OptionGroup var output: OutputOptions

  @Flag(help: "No bar and no lines in between.")
  var quiet = false

  func run() async throws {
    let client = try client.connect()
    let id = try await client.resolve(argument.job)
    let job = try await JobWatch.follow(id, through: client, isQuiet: quiet)
    try JobWatch.report(job, as: output.format)
    try JobOutcome(job).exit()
  }
}

/// How a job ended: a text for people and the exit code.
struct JobOutcome {
  let job: JobSummary

  init(_ job: JobSummary) {
    self.job = job
  }

  var exitCode: ExitCode {
    switch job.state {
    case .succeeded: .success
    case .partiallySucceeded: ExitCode(2)
    case .queued, .pending, .running, .paused, .cancelling, .cancelled, .failed: .failure
    }
  }

  /// Ends the process unless the job succeeded.
  func exit() throws {
    guard exitCode == .success else { throw exitCode }
  }

  var text: String {
    var lines = [headline]
    if !job.reason.isEmpty { lines.append("reason:   \(printable(job.reason))") }
    lines.append("records:  \(recordLine(job.counts))")
    if let folder = job.resultFolder {
      lines.append("output:   \(printable(folder))")
      if job.counts.error > 0 {
        lines.append("errors:   \(printable(folder))/prediction.errors_stats-*")
      }
      lines.append("verify:   nightshift verify '\(printable(folder))'")
    }
    return lines.joined(separator: "\n")
  }

  private var headline: String {
    let colour: Terminal.Colour =
      switch job.state {
      case .succeeded: .green
      case .partiallySucceeded: .yellow
      case .queued, .pending, .running, .paused, .cancelling, .cancelled, .failed: .red
      }
    let state = Terminal.standardOutput.colour(colour, job.state.rawValue)
    let time = job.elapsed.map { " in \(secondsText($0))" } ?? ""
    return "\(job.id)  \(state)\(time)"
  }

  private func secondsText(_ duration: Duration) -> String {
    duration < .seconds(60)
      ? Figures.fixed(duration.inSeconds, places: 2) + " s" : Figures.clock(duration)
  }
}
