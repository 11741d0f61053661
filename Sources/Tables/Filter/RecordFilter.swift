package import Jobs

/// Which records of a table a job scores: an expression like that after WHERE in SQL.
///
/// Comparisons (`= != <> < <= > >=`), AND, OR, NOT, parentheses, IN, BETWEEN, LIKE, IS [NOT] NULL;
/// columns plain or in "…", texts in '…', numbers, TRUE and FALSE; dates and timestamps as texts. As
/// in SQL a comparison with no value is neither true nor false, and a record is kept where the
/// whole is true. NaN is no value. Texts are compared byte by byte; a number with a 32-bit column
/// as 32 bits; a column without a type is what it is compared with. Sendable and shared; each
/// thread evaluates it with a `RecordSieve` of its own.
package struct RecordFilter: Hashable, Sendable {
  let condition: FilterCondition
  let slots: [FilterSlot]
  private let names: [String]

  /// Reads a filter and holds it against a table.
  ///
  /// - Parameters:
  ///   - text: The expression.
  ///   - columns: The names of the table's columns.
  ///   - types: What their values are; nil where nobody says.
  /// - Throws: `TableError.unsupported` naming the place in characters and what was expected.
  package init(_ text: String, columns: [String], types: [ColumnType]?) throws(TableError) {
    precondition(types == nil || types?.count == columns.count)
    var binder = FilterBinder(columns: columns, types: types)
    condition = try binder.bind(FilterParser.parse(text))
    slots = binder.slots
    names = slots.map { columns[$0.column] }
  }

  /// Reads the filter of a job; nil where it has none.
  ///
  /// - Returns: The filter.
  /// - Throws: See `init(_:columns:types:)`.
  package static func filter(
    of configuration: JobConfiguration
  ) throws(TableError) -> RecordFilter? {
    guard let text = configuration.request.inputConfig.filter else { return nil }
    return try RecordFilter(text, columns: configuration.columns, types: configuration.types)
  }

  /// Which columns it reads, and how.
  package var needs: ColumnNeeds {
    ColumnNeeds(
      numbers: Set(slots.filter(\.isNumber).map(\.column)),
      texts: Set(slots.filter { !$0.isNumber }.map(\.column)))
  }

  /// Why a slot's value failed, for an error record.
  func failure(ofSlot slot: Int) -> String {
    "the filter needs \(slots[slot].valueName) in column \"\(names[slot])\""
  }
}
