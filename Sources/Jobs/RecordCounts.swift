/// How many input records ended where: the sum is the number of records read.
package struct RecordCounts: Hashable, Sendable {
  /// Scored and written to the results.
  package var ok: UInt64
  /// Written to the error file.
  package var error: UInt64
  /// Left out by the job's filter.
  package var filtered: UInt64

  package init(ok: UInt64 = 0, error: UInt64 = 0, filtered: UInt64 = 0) {
    self.ok = ok
    self.error = error
    self.filtered = filtered
  }

  package var total: UInt64 { ok + error + filtered }

  package static func + (left: RecordCounts, right: RecordCounts) -> RecordCounts {
    RecordCounts(
      ok: left.ok + right.ok, error: left.error + right.error,
      filtered: left.filtered + right.filtered)
  }

  package static func += (left: inout RecordCounts, right: RecordCounts) { left = left + right }

  package static func - (left: RecordCounts, right: RecordCounts) -> RecordCounts {
    RecordCounts(
      ok: left.ok - right.ok, error: left.error - right.error,
      filtered: left.filtered - right.filtered)
  }
}
