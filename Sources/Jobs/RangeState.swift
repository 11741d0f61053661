/// What a CSV parser knows at a cut: the two states of quoted text that can follow a line feed.
///
/// Why two are enough stands in the documentation, "How quoted CSV is split".
package enum RangeState: Hashable, Sendable {
  /// A record begins here.
  case recordStart
  /// Inside a quoted field of the record that began at this offset of the file, in bytes.
  case insideField(recordOffset: UInt64)

  /// As one number, for flat arrays, the wire and the journal: -1, or the record's offset.
  package var code: Int64 {
    switch self {
    case .recordStart: -1
    case .insideField(let recordOffset): Int64(recordOffset)
    }
  }

  /// Reads what `code` wrote; `nil` for other numbers.
  package init?(code: Int64) {
    switch code {
    case -1: self = .recordStart
    case 0...: self = .insideField(recordOffset: UInt64(code))
    default: return nil
    }
  }
}
