package import CoordinatorCore
package import Destinations
import Dispatch
import Failpoints
package import Jobs
package import Leasing
import Partials

/// A job's merge that goes along with its scoring, so that little is left to do after the last
/// block.
///
/// It appends blocks that are in the journal and stand at the end of the chain of parser states:
/// those are confirmed, and nothing but damage takes them back. What it wrote counts only if the
/// journal, read when the job is complete, begins with the very same blocks; otherwise, and after
/// any trouble, it gives up and everything is merged anew. One queue guards all of its state.
package final class MergeAhead: @unchecked Sendable {
  /// Jobs that are merged ahead at once; each holds files and a few megabytes.
  static let jobLimit = 2

  private let placed: @Sendable (CommittedBlocks) -> PlacedBlocks
  private let begin: @Sendable () throws -> PosixMerge
  private let queue = DispatchQueue(label: "nightshift.merge")
  private var merge: PosixMerge?
  private var order: MergeOrder

  /// A merge that begins with the first block.
  ///
  /// - Parameters:
  ///   - plan: The job's.
  ///   - placed: Finds the partial of committed blocks.
  ///   - begin: Begins to write, when there is something to append.
  package init(
    of plan: Plan, placing placed: @escaping @Sendable (CommittedBlocks) -> PlacedBlocks,
    beginning begin: @escaping @Sendable () throws -> PosixMerge
  ) {
    order = MergeOrder(plan)
    self.placed = placed
    self.begin = begin
  }

  /// Takes note of what the journal has about the job's blocks, in the order of the journal.
  package func note(_ entries: [JournalEntry]) {
    queue.async { [self] in
      for entry in entries { order.take(entry) }
      if order.hasGivenUp { giveUp() } else { appendReady() }
    }
  }

  /// Ends the merge with what the journal has; blocks.
  ///
  /// - Parameters:
  ///   - commits: All of the job's committed blocks in the order of the plan.
  ///   - counts: What they add up to.
  ///   - execution: For the receipt.
  /// - Returns: Whether the output is written; false: it has to be merged from the beginning.
  /// - Throws: What the destination says, `damaged` above all.
  package func finish(
    _ commits: [CommittedBlocks], counts: RecordCounts, execution: JSONValue
  ) throws(DestinationError) -> Bool {
    let result = queue.sync { [self] () -> Result<Bool, DestinationError> in
      guard let merge, order.isBegin(of: commits) else {
        giveUp()
        return .success(false)
      }
      do throws(DestinationError) {
        for committed in commits.dropFirst(order.count) { try merge.append(placed(committed)) }
        Failpoint.coordinatorMerging.hit()
        _ = try merge.finish(counts: counts, execution: execution)
        self.merge = nil
        order.giveUp()  // over
        return .success(true)
      } catch {
        giveUp()
        return .failure(error)
      }
    }
    return try result.get()
  }

  /// Removes what was written; blocks.
  package func abandon() { queue.sync { giveUp() } }

  private func appendReady() {
    do {
      while let committed = order.next() {
        let merge = try merge ?? begin()
        self.merge = merge
        try merge.append(placed(committed))
      }
    } catch {
      giveUp()  // the merge at the end meets it again, and tells
    }
  }

  private func giveUp() {
    order.giveUp()
    merge?.abandon()
    merge = nil
  }
}
