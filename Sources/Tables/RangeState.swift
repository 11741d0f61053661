/// What a CSV parser finds at the place where a range or block really starts.
package enum RangeState: Hashable, Sendable {
  /// A record begins there.
  case recordStart
  /// A quoted field goes on there; its record began at `recordOffset`.
  case insideField(recordOffset: UInt64)
}
