/// One column of the results as a database or a columnar file has it.
package struct ResultColumn: Hashable, Sendable, Codable {
  package let name: String
  package let type: ColumnType

  package init(name: String, type: ColumnType) {
    self.name = name
    self.type = type
  }
}
