import Synchronization

/// Counts passages of all threads.
final class PassageCount: Sendable {
  private let count = Atomic<Int>(0)

  /// The number of this passage, from 1.
  func add() -> Int { count.add(1, ordering: .relaxed).newValue }
}
