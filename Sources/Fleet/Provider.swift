package import CoordinatorCore

/// Starts workers through one engine, lists them, and takes them back.
///
/// It never decides: it carries out and reports. Names are those of the workers as they join, so
/// that what the engine lists and who is here can be put together after any restart.
package protocol Provider: Sendable {
  /// Asks the engine for a worker under each name; returns once it has taken the request.
  ///
  /// - Throws: `FleetError` with what the engine said, and the names that do not come.
  func launch(_ names: [String]) async throws(FleetError)

  /// Every worker of this fleet in this pool that the engine knows of, whoever asked for it.
  func list() async throws(FleetError) -> [FleetEntry]

  /// Takes workers back, whatever state they are in; those that are gone already are no error.
  func terminate(_ names: [String]) async throws(FleetError)
}

/// What an engine refused or could not do.
package struct FleetError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The engine's own words, and what to do next.
  package let description: String
  /// Of a launch: the workers that do not come.
  package let names: [String]

  package init(_ description: String, names: [String] = []) {
    self.description = description
    self.names = names
  }
}

/// What every worker of a fleet is started with, whatever the engine.
package struct WorkerLaunch: Hashable, Sendable {
  /// Names the coordinator's state folder: what an engine lists under it belongs to this fleet.
  ///
  /// Lower-case letters, digits and hyphens, at most 40.
  package var fleet: String
  package var pool: String
  /// The program, as the machine that runs the worker sees it.
  package var program: String
  /// Where the workers find the coordinator.
  package var address: String
  package var threadCount: Int
  /// The file of the fleet token, as the machine that runs the worker sees it.
  package var tokenFile: String
  /// `--tls-ca` and its like with their files; empty without TLS.
  package var tlsArguments: [String] = []
  /// What the fleet file adds, such as `--fetch-input`.
  package var moreArguments: [String] = []

  package init(
    fleet: String, pool: String, program: String, address: String, threadCount: Int,
    tokenFile: String
  ) {
    self.fleet = fleet
    self.pool = pool
    self.program = program
    self.address = address
    self.threadCount = threadCount
    self.tokenFile = tokenFile
  }

  /// The worker's arguments, without the program.
  ///
  /// - Parameter name: its name, or what a shell makes one of.
  /// - Returns: what `nightshift` is called with.
  package func arguments(name: String) -> [String] {
    [
      "worker", "--join", address, "--name", name, "--threads", String(threadCount),
      "--token-file", tokenFile,
    ] + tlsArguments + moreArguments
  }
}
