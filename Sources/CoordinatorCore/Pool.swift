package import Jobs

/// One kind of machine that workers can be started on, at one price.
package struct Pool: Hashable, Sendable {
  package let name: String
  /// Scoring threads of one worker.
  package var threadCount: Int
  /// Money for one worker and hour, in the currency of the fleet file.
  package var pricePerHour = 0.0
  /// Whether the engine may take the machine away at any time.
  package var isSpot = false
  /// Workers that stay although there is no work.
  package var minReplicaCount = 0
  package var maxReplicaCount = Pool.standardMaxReplicaCount
  /// From asking for a worker to its first lease, until it has been measured.
  package var startUpTime = Duration.seconds(5)

  /// What Vertex AI takes unless it is told.
  package static let standardMaxReplicaCount = 10

  package init(name: String, threadCount: Int) {
    precondition(threadCount > 0)
    self.name = name
    self.threadCount = threadCount
  }
}

/// What one job still needs.
package struct Demand: Hashable, Sendable {
  package let job: JobID
  /// Blocks that nobody has finished, and their bytes as stored.
  package var blockCount: Int
  package var byteCount: UInt64
  /// Bytes of this job that one thread scored in a second; nil while nothing is known.
  package var bytesPerThreadSecond: Double?
  /// Workers to begin with while nothing is known.
  package var startingReplicaCount = 1
  package var maxReplicaCount = Pool.standardMaxReplicaCount
  /// The pool that the job asks for; nil for any.
  package var pool: String?
  /// Whether machines that can be taken away come first.
  package var prefersSpot = false
  /// Until the job has to have ended; negative where that is over.
  package var timeLeft: Duration?
  /// Money that it may still cost.
  package var moneyLeft: Double?

  package init(job: JobID, blockCount: Int, byteCount: UInt64) {
    self.job = job
    self.blockCount = blockCount
    self.byteCount = byteCount
  }
}

/// A worker of the fleet that has joined, by what the engine calls it.
package struct FleetWorker: Hashable, Sendable {
  package let name: String
  package var threadCount = 1
  /// How long it has held no lease; zero while it holds one.
  package var idleTime = Duration.zero

  package init(name: String, threadCount: Int = 1, idleTime: Duration = .zero) {
    self.name = name
    self.threadCount = threadCount
    self.idleTime = idleTime
  }
}

/// What an engine says of a worker that it was asked for.
package struct FleetEntry: Hashable, Sendable {
  package enum State: Hashable, Sendable {
    /// Asked for, and not yet running; the engine's reason may be empty.
    case waiting(String)
    case running
    /// Over; why, in the engine's words.
    case ended(String)
  }

  package let name: String
  package var state: State

  package init(name: String, state: State) {
    self.name = name
    self.state = state
  }
}

/// What a provider carries out, or people are told.
package enum FleetAction: Hashable, Sendable {
  /// Start a worker under each of these names.
  case launch(pool: String, names: [String])
  /// Ask a worker to finish what it holds and leave.
  case drain(name: String)
  /// Take back a worker that has not joined or does not leave.
  case terminate(pool: String, name: String, reason: String)
  case log(LogLevel, String)
  /// The job's money is spent.
  case pause(JobID, reason: String)
}
