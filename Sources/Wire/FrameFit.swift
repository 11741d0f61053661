internal import CWire
package import Jobs

/// How many elements of a list fit one control frame beside everything else that belongs there.
///
/// A longer list is sent in several frames, or the rest of it is not granted yet.
package enum FrameFit {
  /// Grants that fit one answer, from the first; each input's path is written once.
  package static func count(of grants: [SealedGrant], now: Instant) -> Int {
    var inputs: Set<GrantInput> = []
    return count(of: grants, limit: Limits.leasesPerGrant) { grant, arena in
      let isNew = inputs.insert(grant.details.input).inserted
      let input = isNew ? unsafe fieldByteCount(grant.details.input.packed(in: arena)) : 0
      // A place takes as many bytes as the number of inputs says at most.
      let packed = unsafe grant.packed(input: UInt32(inputs.count), now: now, in: arena)
      return unsafe input + fieldByteCount(packed)
    }
  }

  /// Results that fit one request, from the first.
  package static func count(of leases: [FinishedLease]) -> Int {
    count(of: leases, limit: Limits.resultsPerMessage) { lease, arena in
      unsafe fieldByteCount(lease.packed(in: arena))
    }
  }

  /// Jobs that fit one page, from the first.
  package static func count(of jobs: [JobSummary]) -> Int {
    count(of: jobs, limit: WireLimits.jobsPerPage) { job, arena in
      unsafe fieldByteCount(job.packed(in: arena))
    }
  }

  /// Workers that fit one page, from the first.
  package static func count(of workers: [WorkerSummary]) -> Int {
    count(of: workers, limit: WireLimits.workersPerPage) { worker, arena in
      unsafe fieldByteCount(worker.packed(in: arena))
    }
  }

  /// Events that fit one page, from the first.
  package static func count(of events: [JobEvent]) -> Int {
    count(of: events, limit: WireLimits.eventsPerPage) { event, arena in
      unsafe fieldByteCount(event.packed(in: arena))
    }
  }

  private static func count<Element>(
    of elements: [Element], limit: Int, byteCount: (Element, MessageArena) -> Int
  ) -> Int {
    let arena = MessageArena()
    var total = 0
    var count = 0
    for element in elements.prefix(limit) {
      total += byteCount(element, arena)
      guard total <= Limits.listByteCount else { break }
      count += 1
    }
    return count
  }

  /// Bytes of a message as a repeated field: itself, its length and a field number below 16.
  private static func fieldByteCount<Message>(_ message: UnsafeMutablePointer<Message>) -> Int {
    let byteCount = unsafe MessageArena.byteCount(of: message)
    return byteCount + (byteCount < 1 << 7 ? 2 : byteCount < 1 << 14 ? 3 : 4)
  }
}
