/// Every limit of the protocol, with its reason.
///
/// A limit that belongs to one module alone stands there; these are shared.
package enum Limits {
  /// Blocks in one shard: a shard's blocks are one 64-bit mask.
  package static let blocksPerShard = 64
  /// Bytes of text in one block unless the job says otherwise: small enough that handing back
  /// what is unfinished on SIGTERM loses milliseconds, large enough for zstd.
  package static let blockByteCount: UInt64 = 1 << 20
  /// Smallest block a job may ask for; below it the partial's header outweighs the text.
  package static let smallestBlockByteCount: UInt64 = 1 << 8
  /// Largest block a job may ask for; a worker holds a few of them in memory.
  package static let largestBlockByteCount: UInt64 = 1 << 24
  /// What the blocks between two cuts are a multiple of: records in a tile.
  package static let blockLengthUnit: UInt64 = 1_024
  /// Bytes of all inputs of a job, as stored: beyond it a listing lies, and sums would overflow.
  package static let inputByteCount: UInt64 = 1 << 60
  /// Shards in one job: 32-bit numbers, and 64 bytes each in memory (640 MB at the limit).
  package static let shardsPerJob = 10_000_000
  /// Shards whose blocks go to one result file: about 1 GiB of input.
  package static let shardsPerResultFile = 16
  /// Files one job may read: their names, sizes and times are in memory.
  package static let inputsPerJob = 1_000_000
  /// Jobs that have not ended, at once.
  package static let openJobs = 10_000
  /// A record longer than this is one error record.
  package static let recordByteLimit: UInt64 = 16 << 20
  /// Error records a job tolerates unless it says otherwise.
  package static let errorThreshold: Int64 = 1_000

  /// Between two heartbeats of a worker.
  package static let heartbeatInterval = Duration.seconds(2)
  /// A lease not renewed for this long is over: five heartbeats may be lost.
  package static let leaseDuration = Duration.seconds(10)
  /// How long a worker keeps its work while the coordinator is silent.
  package static let outageRiddenOut = Duration.seconds(600)
  /// After this long without the coordinator a worker ends itself.
  package static let deadManTime = Duration.seconds(660)
  /// After a destination did not answer, before it is asked again whether a job that is to be
  /// cancelled was published.
  package static let publicationRetryTime = Duration.seconds(10)
  /// Failures of a shard that count before it is suspect: a record of it may kill its workers.
  package static let chargeLimit = 3
  /// Failures of a suspect shard, scored in a process apart, before the job fails.
  package static let suspectChargeLimit = 3
  /// A worker at the same records (1,024 at most) for this long is stuck.
  package static let stallTime = Duration.seconds(60)
  /// A worker that ends sooner after it began to run has died quickly.
  package static let quickDeath = Duration.seconds(5)
  /// So many quick deaths in a row: something is wrong that no restart mends.
  package static let quickDeathLimit = 10
  /// Records of one lease that are isolated one by one; more of them are no accident.
  package static let isolatedRecordsPerLease = 16
  /// Time that dividing a lease, or trying its blocks twice, must save: less is lost again to a
  /// heartbeat and a second start.
  package static let reliefGain = Duration.milliseconds(500)
  /// Leases of a shard that run out before their worker reports to have begun, for one charge: a
  /// lost message must not cost a charge, a record that kills at once must.
  package static let lossesPerCharge = 3
  /// After a restart, before blocks are leased that a living worker may still hold: one heartbeat
  /// and some time to reconnect.
  package static let recoveryWindow = Duration.seconds(3)

  /// Shards and parts of shards in one grant: they fit in one frame unless paths are very long.
  package static let leasesPerGrant = 128
  /// Leases one worker may hold: all of them fit in one heartbeat.
  package static let leasesPerWorker = 384
  /// Results in one message, for the same frame limit.
  package static let resultsPerMessage = 256
  /// Workers with a session; each costs about a kilobyte.
  package static let workers = 10_000
  /// Sessions under one worker's own token: the processes of a machine, or of one array of them.
  package static let sessionsPerToken = 64
  /// Requests of one worker that are handled at once, on the control listener: it has eight contexts,
  /// and may have given up on as many requests.
  package static let requestsPerWorker = 16
  /// The same on the bulk listener, which handles 16 at once: others have the rest.
  package static let bulkRequestsPerWorker = 8
  /// Partials of one worker that have begun to arrive and are not yet committed, and their bytes.
  package static let stagedPartialsPerWorker = 256
  package static let stagedBytesPerWorker: UInt64 = 8 << 30
  /// Largest control frame, in bytes.
  package static let controlFrameByteCount = 64 << 10
  /// Largest bulk frame, in bytes.
  package static let bulkFrameByteCount = 5 << 20
  /// Largest piece of a partial, of input or of a model in one bulk frame, in bytes.
  package static let pieceByteCount = 4 << 20
  /// Largest partial the spool takes for one shard: 64 blocks at 16 MiB of text each, four times
  /// over for wide outputs.
  package static let partialByteCount: UInt64 = 4 << 30
  /// Largest model, in bytes.
  package static let modelByteCount: UInt64 = 4 << 30
  /// Log events and bytes of text one heartbeat carries; what exceeds them is counted as dropped.
  package static let logEventsPerHeartbeat = 100
  package static let logBytesPerHeartbeat = 16 << 10
  /// Log events the coordinator keeps for one job; older ones are dropped and counted.
  package static let logEventsPerJob = 10_000
}
