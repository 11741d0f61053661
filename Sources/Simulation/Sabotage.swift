/// A fault planted in the model around the real cores, to prove that the checks would find it.
package enum Sabotage: String, CaseIterable, Sendable {
  /// Answers leave before the journal is synced.
  case answerBeforeSync
  /// A partial is committed before its file is synced.
  case commitBeforeFileSync
  /// The merge takes whole partials, not the blocks that were committed of them.
  case mergeWithoutDeduplication
  /// A late result of committed blocks is journaled over the first one.
  case lateResultReplaces
  /// A worker claims to have started from the true state when it had only guessed.
  case wrongStateAccepted
  /// Refutations never reach the journal.
  case refuteLost
  /// The rename that publishes replaces what is there.
  case publishTwice
  /// Now and then a commit is acknowledged and not journaled.
  case commitLost
  /// A worker deletes its partial when it has sent the result, not when it is acknowledged.
  case discardBeforeAnswer
  /// A restarted coordinator counts its lives from one again.
  case incarnationReused
  /// The spool is emptied when the merge begins, not when the job has ended.
  case spoolEmptiedEarly
  /// The merge orders partials by arrival, not by the plan.
  case mergeInArrivalOrder
}
