/// What the statistics of a part of a file say of one column there.
///
/// Every bound may be wider than need be, none narrower. Values that are NaN are outside of them.
package struct ColumnBounds: Hashable, Sendable {
  /// No value is less; nil where nobody says.
  package var least: Value?
  /// No value is greater, but for texts that begin with it; nil where nobody says.
  package var greatest: Value?
  /// Number of records without a value; nil where nobody says.
  package var nullCount: UInt64?
  /// Number of records.
  package var recordCount: UInt64

  /// One value.
  package enum Value: Hashable, Sendable {
    /// Of numbers, floats and integers; of integers the nearest.
    case number(Double)
    /// Days of dates, microseconds of timestamps, 0 and 1 of booleans.
    case integer(Int64)
    /// UTF-8, perhaps cut.
    case text([UInt8])
  }

  /// Makes bounds.
  package init(least: Value?, greatest: Value?, nullCount: UInt64?, recordCount: UInt64) {
    self.least = least
    self.greatest = greatest
    self.nullCount = nullCount
    self.recordCount = recordCount
  }
}
