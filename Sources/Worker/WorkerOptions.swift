package import Transport
package import WorkerCore

/// How a worker is started.
package struct WorkerOptions: Sendable {
  /// The coordinator's control listener.
  package var join: Address
  package var token: [UInt8]
  /// Whose token it is; empty for the one that lets any worker in.
  package var tokenName = ""
  package var tls: TLSIdentity?
  /// Allows a plain connection to another machine.
  package var insecure = false
  /// Shards scored at once.
  package var threadCount: Int
  package var timing = WorkerTiming()
  /// Partials wait here until they are acknowledged; files in it have no name.
  package var scratchFolder: String
  /// Host and process, for people.
  package var name: String
  /// Names the machine for the coordinator: workers of one machine say the same.
  package var host = ""
  /// What scoring a suspect lease may take above what the model takes, in bytes.
  package var suspectByteCount: UInt64 = 512 << 20
  /// Takes the bytes of every input from the coordinator although the path may be readable.
  package var alwaysFetchesInput = false

  /// The spool of a coordinator that runs beside this worker, as its user: partials are offered
  /// there before they are sent.
  package var spoolFolder: String?

  /// This program's version, for people.
  package static let versionText = "nightshift 0.1.0"

  package init(
    join: Address, token: [UInt8], threadCount: Int, scratchFolder: String, name: String
  ) {
    self.join = join
    self.token = token
    self.threadCount = threadCount
    self.scratchFolder = scratchFolder
    self.name = name
  }
}

/// Why something could not be done by this worker.
package struct WorkerError: Error, CustomStringConvertible {
  package let context: String

  package init(_ context: String) {
    self.context = context
  }

  package var description: String { context }
}
