import CoordinatorCore
import Executors
import Fleet
import Foundation
import Jobs
package import Logging
import Synchronization
package import Transport
import Wire

/// A coordinator with its listeners, from start to stop.
package final class CoordinatorService: Sendable {
  package let coordinator: Coordinator
  private let control: Server
  private let bulk: Server
  private let fleet: FleetOperator?
  private let stopping = Mutex<CheckedContinuation<Void, Never>?>(nil)
  private let isStopped = Atomic<Bool>(false)

  /// Opens the state folder, replays the journal and binds both listeners.
  package init(_ options: CoordinatorOptions, logger: Logger) async throws {
    let coordinator = try Coordinator(options, logger: logger)
    self.coordinator = coordinator
    bulk = try Server(
      address: options.listen.withPort(Self.bulkPort(options.listen)), channel: .bulk,
      tls: options.tls, insecure: options.insecure, contextCount: options.bulkContextCount,
      connectionLimit: options.connectionLimit
    ) { frame in await coordinator.answerBulk(frame) }
    control = try Server(
      address: options.listen, channel: .control, tls: options.tls, insecure: options.insecure,
      contextCount: options.controlContextCount, connectionLimit: options.connectionLimit
    ) { frame in await coordinator.answerControl(frame) }
    control.hearLoss { connection in Task { await coordinator.lost(connection) } }
    for server in [control, bulk] {
      server.hearNotices { notice in Task { await coordinator.note(notice) } }
    }
    fleet = try options.fleet.map { [control] configuration in
      let launches = try Self.launches(configuration, options, coordinator, control.boundAddress)
      return FleetOperator(
        configuration, launches: launches, coordinator: coordinator, logger: logger)
    }
    try await coordinator.recover(bulkPort: bulk.boundAddress.port, fleet: fleet)
  }

  /// What the workers of each pool are started with, by the pool's name.
  private static func launches(
    _ configuration: FleetConfiguration, _ options: CoordinatorOptions,
    _ coordinator: Coordinator, _ bound: Address
  ) throws(CoordinatorError) -> [String: WorkerLaunch] {
    var launches: [String: WorkerLaunch] = [:]
    for place in configuration.places {
      let pool = "pools.\(place.pool.name)"
      if place.address == nil, bound.isWildcard {
        throw CoordinatorError(
          "\(pool).address: say where its workers find the coordinator, which listens everywhere")
      }
      let address = place.address ?? bound.description
      let secrets = place.engine.secretFolder
      var tlsArguments = place.tlsArguments
      if address.hasPrefix("tls"), tlsArguments.isEmpty {
        guard let secrets else {
          throw CoordinatorError("\(pool).tls: \(address) needs ca, cert and key")
        }
        tlsArguments = [
          "--tls-ca", "\(secrets)/ca.pem", "--tls-cert", "\(secrets)/worker.pem",
          "--tls-key", "\(secrets)/worker.key",
        ]
      }
      let ownProgram = ProcessInfo.processInfo.arguments.first ?? "nightshift"
      let found = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
      var launch = WorkerLaunch(
        fleet: coordinator.fleetName, pool: place.pool.name,
        program: place.program ?? place.engine.program ?? found ?? ownProgram, address: address,
        threadCount: place.pool.threadCount,
        tokenFile: place.tokenFile ?? "\(secrets ?? options.stateFolder)/\(Tokens.fleetFile)")
      launch.tlsArguments = tlsArguments
      launch.moreArguments = place.moreArguments
      launches[place.pool.name] = launch
    }
    return launches
  }

  /// The next port, or any port where the control port is to be chosen by the system.
  private static func bulkPort(_ address: Address) -> UInt16 {
    address.port == 0 || address.port == .max ? 0 : address.port + 1
  }

  /// Where the control listener is bound.
  package var address: Address { control.boundAddress }

  /// Whether no job is open, and no worker is here or on its way.
  package var isIdle: Bool {
    get async {
      guard await coordinator.isIdle else { return false }
      return await fleet?.isEmpty ?? true
    }
  }

  /// Serves until `stop`.
  ///
  /// - Throws: `CoordinatorError` where only a restart helps.
  package func run() async throws {
    let failure = try await withThrowingTaskGroup(of: CoordinatorError?.self) { group in
      group.addTask { [control] in Self.failure(of: await control.run()) }
      group.addTask { [bulk] in Self.failure(of: await bulk.run()) }
      group.addTask { [coordinator] in
        await coordinator.runTicks()
        return nil
      }
      group.addTask { [coordinator] in
        await coordinator.watchSurroundings()
        return nil
      }
      if let fleet {
        group.addTask {
          await fleet.run()
          return nil
        }
      }
      group.addTask { [coordinator] in await coordinator.failure() }
      group.addTask {
        await self.waitForStop()
        return nil
      }
      let failure = try await group.next() ?? nil
      stop()  // whatever ended first: the group waits for every task of it
      await shutDown()
      group.cancelAll()
      return failure
    }
    if let failure { throw failure }
  }

  /// libnng 1.5.2 can hang for the whole process (see `Server`): only a new process helps.
  private static func failure(of ending: Server.Ending) -> CoordinatorError? {
    switch ending {
    case .closed: nil
    case .stuck:
      CoordinatorError(
        "libnng hangs and takes no more connections: start the coordinator again, it goes on "
          + "from its journal")
    }
  }

  private func waitForStop() async {
    await withCheckedContinuation { continuation in
      let isLate = stopping.withLock { waiting in
        if isStopped.load(ordering: .acquiring) { return true }
        waiting = continuation
        return false
      }
      if isLate { continuation.resume() }
    }
  }

  private func shutDown() async {
    await control.close(within: .seconds(2))
    await bulk.close(within: .seconds(2))
    await coordinator.finishCleanUps()
    await coordinator.close()
  }

  /// Has `run` end within five seconds: no more answers, the journal closed.
  package func stop() {
    let waiting = stopping.withLock { waiting in
      isStopped.store(true, ordering: .releasing)
      defer { waiting = nil }
      return waiting
    }
    waiting?.resume()
  }
}

extension Coordinator {
  /// Answers one frame of the control listener, of either plane.
  nonisolated func answerControl(_ frame: [UInt8]) async -> [UInt8] {
    let fleet = Result { () throws(WireError) in try FleetEnvelope(decoding: frame, now: now) }
    // A client is no worker, and says so.
    if case .success(let envelope) = fleet, envelope.worker.rawValue != 0 {
      let body = await answer(envelope, as: frame)
      return encoded { () throws(WireError) in
        try FleetAnswerEnvelope(requestID: envelope.requestID, body: body).encode(now: now)
      }
    }
    let client = Result { () throws(WireError) in try ClientEnvelope(decoding: frame) }
    if case .success(let envelope) = client,
      FrameProof.isMade(in: frame, .client, key: tokens.client)
    {
      Server.recognizePeer()
      let body = await answer(envelope)
      return encoded { () throws(WireError) in
        try ClientAnswerEnvelope(requestID: envelope.requestID, body: body).encode()
      }
    }
    return refuse(fleet, client)
  }

  /// Answers a worker's frame if it is let in.
  private nonisolated func answer(
    _ envelope: FleetEnvelope, as frame: [UInt8]
  ) async -> FleetAnswerBody {
    let (worker, number) = (envelope.worker, envelope.requestID)
    let verdict: Admission.Verdict
    switch envelope.body {
    case .nonce: return .nonce(admission.nonce(for: worker))
    case .hello(_, _, _, _, let tokenName):
      verdict = admission.welcome(worker, number: number, tokenName: tokenName, frame: frame)
    default: verdict = admission.verdict(on: frame, of: worker, number: number, on: .control)
    }
    switch verdict {
    case .unknownWorker: return .unknownWorker
    case .refused(let refusal): return .refusal(refusal)
    case .admitted:
      defer { admission.leave(worker, .control) }
      Server.recognizePeer(worker.rawValue)
      return await answer(envelope)
    }
  }

  /// Refuses a frame that is of no plane, under the request's number where it can be read.
  private nonisolated func refuse(
    _ fleet: Result<FleetEnvelope, WireError>, _ client: Result<ClientEnvelope, WireError>
  ) -> [UInt8] {
    let (requestID, refusal): (UInt64, Refusal) =
      switch (fleet, client) {
      case (.success(let envelope), _): (envelope.requestID, Self.tokenRefusal)
      case (_, .success(let envelope)): (envelope.requestID, Self.tokenRefusal)
      case (.failure(let error), .failure): (error.requestID, Refusal(error))
      }
    return encoded { () throws(WireError) in
      try FleetAnswerEnvelope(requestID: requestID, body: .refusal(refusal)).encode(now: now)
    }
  }
}
