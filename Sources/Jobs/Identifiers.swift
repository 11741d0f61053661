/// A job's name on the wire, in the journal and in folder names: 64 bits, shown as 16 hex digits.
///
/// Chosen at random (or, under `run`, from a digest of the request), never from a clock: two jobs
/// submitted in one second must not share a name (SPARK-33402).
package struct JobID: Hashable, Comparable, Sendable, CustomStringConvertible {
  package let rawValue: UInt64

  package init(_ rawValue: UInt64) {
    self.rawValue = rawValue
  }

  /// Reads the 16 hex digits that `description` writes; `nil` for anything else.
  package init?(_ text: String) {
    guard text.utf8.count == 16, let value = UInt64(text, radix: 16), !text.hasPrefix("+") else {
      return nil
    }
    rawValue = value
  }

  package var description: String { hexadecimal(rawValue) }

  package static func < (left: JobID, right: JobID) -> Bool { left.rawValue < right.rawValue }
}

/// A worker process, by a number that it draws at random when it starts.
///
/// It outlives a restart of the coordinator, so that leases given before still have an owner.
package struct WorkerID: Hashable, Comparable, Sendable, CustomStringConvertible {
  package let rawValue: UInt64

  package init(_ rawValue: UInt64) {
    self.rawValue = rawValue
  }

  package var description: String { hexadecimal(rawValue) }

  package static func < (left: WorkerID, right: WorkerID) -> Bool {
    left.rawValue < right.rawValue
  }
}

/// A shard's place in its job's plan, from 0, in input order.
package struct ShardID: Hashable, Comparable, Sendable, CustomStringConvertible {
  package let rawValue: UInt32

  package init(_ rawValue: UInt32) {
    self.rawValue = rawValue
  }

  package var index: Int { Int(rawValue) }

  package var description: String { String(rawValue) }

  package static func < (left: ShardID, right: ShardID) -> Bool { left.rawValue < right.rawValue }
}

/// Which life of the coordinator; journaled at every start.
///
/// The first is 1, and each later one greater by a number drawn at random: after the return of a
/// backup, or in a copy of the state, another life would otherwise have the same number, and its
/// attempts the names of those that workers still hold.
package struct Incarnation: Hashable, Comparable, Sendable, CustomStringConvertible {
  package let rawValue: UInt32

  package init(_ rawValue: UInt32) {
    self.rawValue = rawValue
  }

  /// Of how many lives a later one may be the next.
  package static let steps: ClosedRange<UInt32> = 1...65_536

  package func advanced(by step: UInt32) -> Incarnation { Incarnation(rawValue + step) }

  package var description: String { String(rawValue) }

  package static func < (left: Incarnation, right: Incarnation) -> Bool {
    left.rawValue < right.rawValue
  }
}

/// Which try at a shard: the coordinator's incarnation and a counter from 1 within it.
///
/// Names a partial, never decides whether it counts. The incarnation keeps attempts of two lives
/// of the coordinator apart although grants are not journaled.
package struct Attempt: Hashable, Comparable, Sendable, CustomStringConvertible {
  package let incarnation: Incarnation
  package let counter: UInt32

  package init(incarnation: Incarnation, counter: UInt32) {
    self.incarnation = incarnation
    self.counter = counter
  }

  package var description: String { "\(incarnation).\(counter)" }

  package static func < (left: Attempt, right: Attempt) -> Bool {
    (left.incarnation, left.counter) < (right.incarnation, right.counter)
  }
}

/// Sixteen lower-case hex digits.
private func hexadecimal(_ value: UInt64) -> String {
  let digits = String(value, radix: 16)
  return String(repeating: "0", count: 16 - digits.count) + digits
}
