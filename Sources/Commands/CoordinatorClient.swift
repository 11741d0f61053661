package import CoordinatorCore
import Digests
import Foundation
package import Jobs
import Synchronization
package import Transport
package import Wire

/// Asks a coordinator on the client plane: the one place that knows the wire's envelopes.
///
/// A request that gets no answer is sent again, with the same number, until `patience` is over;
/// every request of the client plane may be repeated. Whoever follows a job rides out a restart of
/// the coordinator: once it has answered, `describe` and `logs` wait as long as workers do, and so
/// does `submit` once the job is being planned.
package final class CoordinatorClient: Sendable {
  private let transport: Client
  private let token: [UInt8]
  private let patience: Duration
  private let clock = ContinuousClock()
  private let hasAnswered = Atomic<Bool>(false)

  package init(
    address: Address, token: [UInt8], tls: TLSIdentity? = nil, insecure: Bool = false,
    patience: Duration = .seconds(10)
  ) throws(CommandError) {
    self.token = token
    self.patience = patience
    do throws(TransportError) {
      transport = try Client(
        address: address, channel: .control, tls: tls, insecure: insecure, contextCount: 2)
    } catch {
      throw CommandError("cannot use the address \(address): \(error.context)")
    }
  }

  package func close() async { await transport.close(within: .seconds(1)) }

  // MARK: Requests

  /// Between the starts of two questions about a submission that is being planned.
  private static let askingInterval = Duration.seconds(1)

  /// Has a job taken in; asks again for as long as the coordinator says that it is planning it.
  ///
  /// A name that exists already is this request's own, sent again: names are random, or, under
  /// `run`, looked for before.
  package func submit(
    _ id: JobID, _ request: JobRequest, isQuiet: Bool = true
  ) async throws {
    let content = try RequestIdentity.canonical(request)
    let body = ClientRequest.submit(id, request: content, asksAgain: true)
    let advice = " Before you submit it again, see whether `nightshift describe \(id)` knows it."
    var display = PlanningDisplay(isQuiet: isQuiet)
    defer { display.clear() }
    var patience = patience
    while true {
      let asked = clock.now
      switch try await send(body, patience: patience, advice: advice) {
      case .planning(let report):
        display.show(report)
        patience = followingPatience
        try await Task.sleep(until: asked + Self.askingInterval, clock: clock)
      case .refusal(let refusal) where refusal.code != .alreadyExists: throw refusal.explained
      default: return
      }
    }
  }

  /// One page of jobs, and where the next one begins.
  package func jobs(
    after: JobID? = nil, states: [JobState] = []
  ) async throws -> (jobs: [JobSummary], next: JobID?) {
    let answer = try await ask(.list(after: after, limit: WireLimits.jobsPerPage, states: states))
    guard case .jobs(let jobs, let next) = answer else { throw unexpected(answer) }
    return (jobs, next)
  }

  /// Every job, in order of submission.
  package func allJobs(states: [JobState] = []) async throws -> [JobSummary] {
    var all: [JobSummary] = []
    var after: JobID?
    repeat {
      let page = try await jobs(after: after, states: states)
      all += page.jobs
      after = page.next
    } while after != nil
    return all
  }

  package func describe(_ id: JobID) async throws -> (job: JobSummary, details: [UInt8]) {
    let answer = try await ask(.describe(id), patience: followingPatience)
    guard case .description(let job, let details) = answer else { throw unexpected(answer) }
    return (job, details)
  }

  /// Like `describe`, but `nil` where there is no such job.
  package func find(_ id: JobID) async throws -> JobSummary? {
    switch try await send(.describe(id)) {
    case .description(let job, _): return job
    case .refusal(let refusal) where refusal.code == .notFound: return nil
    case .refusal(let refusal): throw refusal.explained
    case let answer: throw unexpected(answer)
    }
  }

  /// A page of a job's log: events after a cursor.
  package func logs(of id: JobID, after cursor: UInt64) async throws -> JobEvents {
    let answer = try await ask(
      .logs(id, after: cursor, limit: WireLimits.eventsPerPage), patience: followingPatience)
    guard case .logs(let events) = answer else { throw unexpected(answer) }
    return events
  }

  /// What somebody has to see to at the coordinator.
  package func warnings() async throws -> [String] { try await ping().warnings }

  package func workers() async throws -> [WorkerSummary] {
    var all: [WorkerSummary] = []
    var after: WorkerID?
    repeat {
      let answer = try await ask(.workers(after: after, limit: WireLimits.workersPerPage))
      guard case .workers(let workers, let next) = answer else { throw unexpected(answer) }
      all += workers
      after = next
    } while after != nil
    return all
  }

  /// The state of the workers that the coordinator starts itself, once it has done what is asked.
  package func fleet(_ request: ScalingRequest) async throws -> FleetStatus {
    let answer = try await ask(.fleet(request))
    guard case .fleet(let bytes) = answer else { throw unexpected(answer) }
    return try JSONDecoder().decode(FleetStatus.self, from: Data(bytes))
  }

  package func cancel(_ id: JobID) async throws { _ = try await ask(.cancel(id)) }

  package func pause(_ id: JobID) async throws { _ = try await ask(.pause(id)) }

  package func resume(_ id: JobID) async throws { _ = try await ask(.resume(id)) }

  /// Deletes a job that has ended.
  ///
  /// Where it was there a moment ago and is not any more, this request has deleted it: the answer to
  /// an earlier sending was lost.
  package func delete(_ id: JobID) async throws {
    let isThere = try await find(id) != nil
    guard case .refusal(let refusal) = try await send(.delete(id)) else { return }
    guard isThere, refusal.code == .notFound else { throw refusal.explained }
  }

  /// What the coordinator says of itself.
  package func ping() async throws -> Pong {
    let answer = try await ask(.ping)
    guard case .pong(let pong) = answer else { throw unexpected(answer) }
    return pong
  }

  /// The job that a user means by its id or the beginning of it.
  package func resolve(_ prefix: String) async throws -> JobID {
    let wanted = try JobNames.check(prefix)
    if let whole = JobID(wanted) { return whole }
    return try JobNames.resolve(wanted, among: try await allJobs().map(\.id))
  }

  // MARK: Transport

  private var followingPatience: Duration {
    hasAnswered.load(ordering: .relaxed) ? max(patience, Limits.outageRiddenOut) : patience
  }

  /// Like `send`, but a refusal is thrown.
  private func ask(
    _ body: ClientRequest, patience: Duration? = nil
  ) async throws -> ClientAnswer {
    let answer = try await send(body, patience: patience ?? self.patience)
    if case .refusal(let refusal) = answer { throw refusal.explained }
    return answer
  }

  /// - Throws: `CommandError` where no answer comes, with `advice` at its end.
  private func send(
    _ body: ClientRequest, patience: Duration? = nil, advice: String = ""
  ) async throws -> ClientAnswer {
    let patience = patience ?? self.patience
    let number = randomBytes(count: 8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    let frame = try ClientEnvelope(requestID: number, body: body).encode(key: token)
    let deadline = clock.now + patience
    var generator = SystemRandomNumberGenerator()
    let retry = Retry(longestDelay: .seconds(1))
    var attempt = 1
    var isSilenceTold = patience <= Self.silenceTime * 2  // the end of it is told soon
    while true {
      let outcome = try await exchange(frame, until: deadline)
      switch outcome {
      case .answer(let answer):
        hasAnswered.store(true, ordering: .relaxed)
        return answer
      case .later(let reason):
        let pause = retry.delay(after: attempt, using: &generator)
        guard clock.now + pause < deadline else {
          throw await silence(reason, after: patience, advice)
        }
        if !isSilenceTold, deadline - clock.now <= patience - Self.silenceTime {
          isSilenceTold = true
          Terminal.standardError.write(
            "the coordinator does not answer: \(printable(reason)); tried for "
              + "\(Int((deadline - clock.now) / .seconds(1))) s more\n")
        }
        try await Task.sleep(for: pause)
        attempt += 1
      }
    }
  }

  /// Silence that is told: longer than a restart takes.
  private static let silenceTime = Duration.seconds(10)

  private enum Outcome {
    case answer(ClientAnswer)
    case later(String)
  }

  /// Sends a request once.
  private func exchange(
    _ frame: [UInt8], until deadline: ContinuousClock.Instant
  ) async throws -> Outcome {
    let reply: [UInt8]
    do throws(TransportError) {
      let timeout = min(.seconds(5), max(.milliseconds(10), deadline - clock.now))
      reply = try await transport.request(frame, timeout: timeout)
    } catch {
      guard error.code.isWorthRepeating else { throw CommandError(error.context) }
      return .later(error.context)
    }
    let answer = try ClientAnswerEnvelope(decoding: reply).body
    guard case .refusal(let refusal) = answer, refusal.code == .unavailable else {
      return .answer(answer)
    }
    return .later(refusal.text)
  }

  /// The error after all attempts, with what a fresh dial finds.
  private func silence(
    _ reason: String, after patience: Duration, _ advice: String
  ) async -> CommandError {
    let finding = await transport.diagnose()
    return CommandError(
      "no answer from the coordinator at \(transport.address) in \(Figures.words(patience)): "
        + "\(finding). Check that it runs (`nightshift coordinator`) and that "
        + "--coordinator or NIGHTSHIFT_COORDINATOR names its address. Last: \(printable(reason))"
        + (advice.isEmpty ? "" : "." + advice))
  }

  private func unexpected(_ answer: ClientAnswer) -> CommandError {
    CommandError(
      "the coordinator at \(transport.address) gave an answer of another kind: "
        + "update the older of the two programs")
  }
}

extension Refusal {
  /// The refusal as an error for a user, with what to do about it.
  package var explained: CommandError {
    let advice =
      switch code {
      case .unauthorized: ": use the client.token of the coordinator's --state folder"
      case .notFound: ": see `nightshift list`"
      case .other, .version, .malformed, .alreadyExists, .state, .limit, .unavailable, .spoolFull,
        .seal, .changed, .invalidRequest:
        ""
      }
    return CommandError(printable(text) + advice)
  }
}
