import Jobs

extension FuzzTarget {
  /// Files of columns, from their metadata to their last value; memory has a limit there.
  static let columnar = [
    FuzzTarget(name: "parquet") { readTable($0, .parquet, limit: 1 << 16) },
    FuzzTarget(name: "orc") { readTable($0, .orc, limit: 1 << 16) },
    FuzzTarget(name: "arrow") { readTable($0, .arrow, limit: 1 << 16) },
  ]
}
