/// The table's columns as they were found when the job was planned.
package struct PlannedColumns: Hashable, Sendable, Codable {
  /// In order.
  package let names: [String]
  /// What their values are; `nil` where the job reads and writes text alone.
  package let types: [ColumnType]?

  package init(names: [String], types: [ColumnType]?) {
    self.names = names
    self.types = types
  }
}
