import Jobs

/// Looks for the records of a lease that end the process which scores them.
///
/// The lease is scored in processes apart, one after the other. Where one of them dies, the records
/// that it had at work are halved until one is left: it is isolated, and the whole is tried again
/// without it. One such record costs at most 2·log2(records) + 3 processes: the whole twice, the
/// tile in which the first one died, and at most one for each halving and one to prove the last.
package struct SuspectSearch: Sendable {
  /// What one process scores.
  package enum Run: Hashable, Sendable {
    /// All records but those that are isolated; its result counts.
    case whole
    /// Some records, counted from the lease's begin; without a result.
    case probe(Range<UInt64>)
  }

  /// How a process ended.
  package enum End: Hashable, Sendable {
    case complete
    /// It died or was ended, for the reason given, with these records at work.
    case died(String, records: Range<UInt64>?)
  }

  package enum Step: Hashable, Sendable {
    case run(Run)
    /// The whole was scored.
    case finished
    /// It cannot be, and why.
    case gaveUp(String)
  }

  /// A record that is left out, and what it does to a process.
  package struct Isolated: Hashable, Sendable {
    package let record: UInt64
    package let reason: String
  }

  package private(set) var isolated: [Isolated] = []
  package private(set) var runCount = 0
  private var phase = Phase.whole

  private enum Phase {
    case whole
    /// Whether the records at work are to blame, or some before them.
    case tile(Range<UInt64>)
    /// Whether the first half of records, one of which is to blame, has that one.
    case firstHalf(Range<UInt64>)
    /// Whether the only record left is to blame.
    case last(UInt64)
  }

  package init() {}

  package mutating func begin() -> Step { run(.whole, .whole) }

  /// Takes note of how the last process ended, and says what is next.
  package mutating func ended(_ end: End) -> Step {
    switch (phase, end) {
    case (.whole, .complete): return .finished
    case (.whole, .died(let reason, nil)):
      return .gaveUp("a process apart came to no record: \(reason)")
    case (.whole, .died(let reason, let records?)):
      guard records.lowerBound > 0 else { return narrow(records, to: reason) }
      return run(.probe(records), .tile(records))
    case (.tile(let records), .died(let reason, _)): return narrow(records, to: reason)
    case (.tile(let records), .complete): return halve(0..<records.upperBound)
    case (.firstHalf(let records), .died(let reason, _)):
      return narrow(Self.firstHalf(of: records), to: reason)
    case (.firstHalf(let records), .complete):
      let rest = Self.firstHalf(of: records).upperBound..<records.upperBound
      guard rest.count == 1 else { return halve(rest) }
      return run(.probe(rest), .last(rest.lowerBound))
    case (.last(let record), .died(let reason, _)): return isolate(record, reason)
    case (.last(let record), .complete):
      return .gaveUp("a process apart died, and record \(record) alone does not make it die again")
    }
  }

  /// Goes on with records that were seen to end a process.
  private mutating func narrow(_ records: Range<UInt64>, to reason: String) -> Step {
    records.count == 1 ? isolate(records.lowerBound, reason) : halve(records)
  }

  private mutating func halve(_ records: Range<UInt64>) -> Step {
    guard records.count > 1 else {
      return run(.probe(records), .last(records.lowerBound))
    }
    return run(.probe(Self.firstHalf(of: records)), .firstHalf(records))
  }

  private static func firstHalf(of records: Range<UInt64>) -> Range<UInt64> {
    records.lowerBound..<records.lowerBound + UInt64(records.count + 1) / 2
  }

  private mutating func isolate(_ record: UInt64, _ reason: String) -> Step {
    isolated.append(Isolated(record: record, reason: reason))
    guard isolated.count <= Limits.isolatedRecordsPerLease else {
      return .gaveUp(
        "more than \(Limits.isolatedRecordsPerLease) records each end a process, the last one: "
          + reason)
    }
    return run(.whole, .whole)
  }

  private mutating func run(_ run: Run, _ phase: Phase) -> Step {
    self.phase = phase
    runCount += 1
    return .run(run)
  }
}
