/// Rows of text in aligned columns.
package struct TextTable: Sendable {
  private var rows: [[String]]

  package init(header: [String]) {
    rows = [header]
  }

  package mutating func append(_ row: [String]) {
    rows.append(row.map(printable))
  }

  /// The lines, columns two spaces apart, nothing behind the last.
  package var text: String {
    let columnCount = rows.map(\.count).max() ?? 0
    let widths = (0..<columnCount).map { column in
      rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
    }
    return rows.map { row in
      row.enumerated().map { column, cell in
        column == row.count - 1
          ? cell : cell + String(repeating: " ", count: widths[column] - cell.count)
      }.joined(separator: "  ")
    }.joined(separator: "\n")
  }
}
