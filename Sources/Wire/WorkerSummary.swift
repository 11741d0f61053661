internal import CWire
package import Jobs

/// One worker as users see it, on the wire and under `--output json`.
package struct WorkerSummary: Hashable, Sendable, Codable {
  package var id: WorkerID
  /// Host and process.
  package var name: String
  package var threadCount: UInt32
  package var leaseCount: UInt32 = 0
  /// Since the worker's start: records scored, input bytes read, time on all its cores.
  package var recordCount: UInt64 = 0
  package var byteCount: UInt64 = 0
  package var processorMilliseconds: UInt64 = 0
  package var joinedMillisecondsAgo: UInt64 = 0
  package var seenMillisecondsAgo: UInt64 = 0
  package var isDraining = false

  package init(id: WorkerID, name: String, threadCount: UInt32) {
    self.id = id
    self.name = name
    self.threadCount = threadCount
  }
}

extension WorkerSummary {
  init(reading message: Wire__WorkerSummary) throws(WireError) {
    let longest = WireLimits.largestMilliseconds
    self.init(
      id: unsafe WorkerID(message.id),
      name: try unsafe Field.text(message.name, limit: WireLimits.nameByteCount, "worker.name"),
      threadCount: unsafe message.thread_count)
    leaseCount = unsafe message.lease_count
    recordCount = try unsafe Field.count(message.record_count, "worker.record_count")
    byteCount = try unsafe Field.count(message.byte_count, "worker.byte_count")
    processorMilliseconds = try unsafe Field.count(
      message.processor_milliseconds, "worker.processor_milliseconds")
    joinedMillisecondsAgo = try unsafe Field.count(
      message.joined_milliseconds_ago, limit: longest, "worker.joined_milliseconds_ago")
    seenMillisecondsAgo = try unsafe Field.count(
      message.seen_milliseconds_ago, limit: longest, "worker.seen_milliseconds_ago")
    isDraining = unsafe message.is_draining != 0
  }

  func packed(in arena: MessageArena) -> UnsafeMutablePointer<Wire__WorkerSummary> {
    unsafe arena.message(wire__worker_summary__init) { message in
      unsafe message.id = id.rawValue
      unsafe message.name = arena.remark(name, limit: WireLimits.nameByteCount)
      unsafe message.thread_count = threadCount
      unsafe message.lease_count = leaseCount
      unsafe message.record_count = recordCount
      unsafe message.byte_count = byteCount
      unsafe message.processor_milliseconds = processorMilliseconds
      unsafe message.joined_milliseconds_ago = joinedMillisecondsAgo
      unsafe message.seen_milliseconds_ago = seenMillisecondsAgo
      unsafe message.is_draining = isDraining ? 1 : 0
    }
  }
}
