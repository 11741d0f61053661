/// A fault of one line, planted to prove that the simulator would find it.
///
/// Each stands where it would be made: in the cores and the pure values that the program runs, or,
/// where only a model can have it, in `Simulation`. The condition `NIGHTSHIFT_PLANTED_BUGS` compiles
/// all of them in; without it `isPlanted` is the constant false, and the optimizer removes them.
/// The program is never built with it.
package enum PlantedBug: String, CaseIterable, Sendable {
  // Leases.
  /// A result commits its blocks, whether or not they are committed.
  case dedupeDropped
  /// Of a late result that overlaps committed blocks the missing ones are not taken.
  case lateBlocksDropped
  /// A block is leased again under the attempt's old name.
  case attemptReused
  /// Blocks are confirmed whatever state their parser started from.
  case stateChainUnchecked
  /// A wrong guess is forgotten in memory and stays in the journal.
  case refutationForgotten
  /// A shard may be charged once more than the limit says.
  case chargeLimitOffByOne
  /// A lease that was handed back counts against its shard.
  case preemptionCharged
  /// A heartbeat renews a lease whose blocks another worker has.
  case deadLeaseRenewed
  /// A lease lasts until the moment that its worker's clock names.
  case leaseBySenderClock
  /// A lease goes on after another has committed its blocks.
  case finishedLeaseKept
  /// Leases that ran out unbegun never count, however many.
  case lossNeverCharged
  /// Charges are not read again after a restart.
  case chargesForgotten
  /// Provisional blocks are not taken up again after a restart.
  case provisionalBlocksLost

  // The coordinator.
  /// A paused job's blocks are leased.
  case pausedJobLeased
  /// A cancelled job's publication goes on.
  case cancelledJobPublished
  /// A restart does not look for the output of a job that is to be cancelled.
  case publicationNotSought
  /// A cancelled job ends when its publication is stopped, whether or not it is visible.
  case blockedCancelEnds
  /// Results are taken after the job's end.
  case commitAfterEnd
  /// A job is planned again at each restart.
  case plannedAgain
  /// A pause and a resume during a merge start a second one.
  case mergedTwice
  /// A merge that was blocked is not begun again.
  case blockedMergeForgotten
  /// A damaged partial's blocks stay committed.
  case damageForgotten
  /// Counts are not set back before the journal is read again.
  case countsDoubled

  // Durability.
  /// Answers leave before the journal has what they rest on.
  case answerBeforeSync
  /// A merge begins before the journal has the last commit.
  case mergeBeforeSync
  /// What a full disk refused is dropped in place of written later.
  case entriesDroppedWhenFull
  /// A partial is renamed to its content's name without an fsync.
  case partialNotSynchronized
  /// The folder of a renamed partial is not synced.
  case folderNotSynchronized
  /// A partial's bytes are not held against its name.
  case partialNotVerified

  // Merge and publication.
  /// Blocks are merged as they come, not in the order of the plan.
  case mergedInArrivalOrder
  /// The folder's rename replaces what is there.
  case renameReplaces
  /// `_SUCCESS` is moved before the other files.
  case successFirst
  /// The published folder's parent is not synced.
  case publicationNotSynchronized
  /// A cancelled job's output that was half moved to its final folder stays so.
  case movesForgotten
  /// An output that an earlier life published is believed in without a sync.
  case foundNotSynchronized
  /// Two coordinators with the same job stage their output in one folder.
  case stagingShared
  /// The manifest is put without a seal and without a condition.
  case manifestUnconditional
  /// The manifest is put although the claim may change hands meanwhile.
  case claimNotSealed
  /// A fresh claim is trusted, although its last owner may have published.
  case freshClaimTrusted
  /// Objects are written by a coordinator that has lost its claim.
  case claimNotRead
  /// What another coordinator is publishing is removed with a cancelled job.
  case othersOutputDiscarded
  /// A refused manifest is not read back, although it may be our own.
  case manifestNotReadBack

  // The worker.
  /// A partial is deleted when its result is sent, not when it is acknowledged.
  case discardedWhenSent
  /// Blocks that a slot works on are given to another slot as well.
  case scoredTwiceAtOnce
  /// A result whose answer was lost is forgotten, and its partial stays.
  case resultForgotten
  /// After a lost answer the worker asks for no more work.
  case acquireNotRepeated
  /// An idle worker leaves with results that nobody acknowledged.
  case leavesWithResults

  // What only a model can have.
  /// A restarted coordinator counts its lives from one again.
  case incarnationNotJournaled
  /// Lives are counted, so that one after the return of a backup has a number that was given before.
  case incarnationCounted
  /// Leases follow the wall clock.
  case wallClockUsed
  /// A late result of committed blocks is journaled over the first one.
  case lateResultReplaces
  /// The merge takes whole partials, not the blocks that were committed of them.
  case wholePartialMerged
  /// The spool is emptied when the merge begins, not when the job has ended.
  case spoolEmptiedEarly
  /// A worker claims to have started from the true state when it had only guessed.
  case guessDenied
  /// After a failed fsync the coordinator goes on.
  case failedSyncIgnored
  /// A damaged partial is merged as it is.
  case damageMerged
}

extension PlantedBug {
  #if NIGHTSHIFT_PLANTED_BUGS
    /// Whether faults are compiled in.
    package static let areCompiledIn = true

    /// The fault that is planted; set before the first world begins, read by all threads.
    nonisolated(unsafe) package static var planted: PlantedBug?

    /// Whether this fault is planted.
    package var isPlanted: Bool { Self.planted == self }
  #else
    /// Whether faults are compiled in.
    package static let areCompiledIn = false

    /// Never.
    @inlinable package var isPlanted: Bool { false }
  #endif
}
