import CKernels
import Models

/// What stands around the numbers of a line, and which numbers these are.
struct RowPieces {
  /// The pieces, one after the other: one before each number, one after the last.
  private(set) var text: [UInt8] = []
  /// Piece i ends before `ends[i]`; the last one where the text does.
  private(set) var ends: [UInt32] = []
  private(set) var places: [UInt32] = []
  private(set) var kinds: [UInt8] = []

  mutating func append(_ piece: String) { text.append(contentsOf: piece.utf8) }

  mutating func append(_ piece: [UInt8]) { text.append(contentsOf: piece) }

  mutating func appendNumber(_ place: Int, _ kind: ns_row_kind) {
    ends.append(UInt32(text.count))
    places.append(UInt32(place))
    kinds.append(UInt8(kind.rawValue))
  }

  mutating func appendExplanation(_ place: Int) {
    appendNumber(place | Int(NS_ROW_EXPLAINS), ns_row_float64)
  }

  /// Ends the line, and with it the last piece.
  mutating func endLine() {
    text.append(UInt8(ascii: "\n"))
    ends.append(UInt32(text.count))
  }
}

extension PredictionFormat {
  /// What follows the instance on a line of CSV, as `appendCSV` writes it; nil where it is not all
  /// numbers.
  func piecesOfCSV(delimiter: UInt8) -> RowPieces? {
    guard let kinds = numberKinds else { return nil }
    var pieces = RowPieces()
    for (output, kind) in zip(outputs, kinds) {
      for element in 0..<output.width {
        pieces.append([delimiter])
        pieces.appendNumber(output.start + element, kind)
      }
    }
    for index in 0..<explanationWidth {
      pieces.append([delimiter])
      pieces.appendExplanation(index)
    }
    pieces.endLine()
    return pieces
  }

  /// What follows the instance on a line of JSON, as `appendJSON` and `appendExplanation` write
  /// it; nil where it is not all numbers.
  func piecesOfJSON() -> RowPieces? {
    guard let kinds = numberKinds else { return nil }
    var pieces = RowPieces()
    pieces.append(",\"prediction\":")
    for (index, (output, kind)) in zip(outputs, kinds).enumerated() {
      if !hasOneOutput {
        pieces.append(index == 0 ? "{" : ",")
        pieces.append(output.key)
      }
      append(output, kind, to: &pieces)
    }
    if !hasOneOutput { pieces.append("}") }
    if explanationWidth > 0 { appendExplanation(to: &pieces) }
    pieces.append("}")
    pieces.endLine()
    return pieces
  }

  /// The kernel's kinds of the outputs; nil where one is no number, or where there are none.
  private var numberKinds: [ns_row_kind]? {
    guard !outputs.isEmpty else { return nil }
    var kinds: [ns_row_kind] = []
    for output in outputs {
      guard output.bestCount == 0 else { return nil }
      switch output.kind {
      case .float64: kinds.append(ns_row_float64)
      case .float32: kinds.append(ns_row_float32)
      case .integer: kinds.append(ns_row_integer)
      case .label: return nil
      }
    }
    return kinds
  }

  private func append(_ output: WrittenOutput, _ kind: ns_row_kind, to pieces: inout RowPieces) {
    let names = output.elementKeys
    if names.isEmpty, output.width == 1 { return pieces.appendNumber(output.start, kind) }
    pieces.append(names.isEmpty ? "[" : "{")
    for element in 0..<output.width {
      if element > 0 { pieces.append(",") }
      if !names.isEmpty { pieces.append(names[element]) }
      pieces.appendNumber(output.start + element, kind)
    }
    pieces.append(names.isEmpty ? "]" : "}")
  }

  private func appendExplanation(to pieces: inout RowPieces) {
    let count = explained.count + 1
    pieces.append(",\"explanation\":")
    if width > 1 { pieces.append("[") }
    for number in 0..<width {
      pieces.append(number > 0 ? ",{\"baseline\":" : "{\"baseline\":")
      pieces.appendExplanation(number * count + count - 1)
      pieces.append(",\"attributions\":{")
      for index in explained.indices {
        if index > 0 { pieces.append(",") }
        pieces.append(explainedKeys[index])
        pieces.appendExplanation(number * count + index)
      }
      pieces.append("}}")
    }
    if width > 1 { pieces.append("]") }
  }
}
