internal import Models

/// (x − offset) · scale in floats, over any number of columns.
struct ScaleStep: GraphStep {
  let parts: [Part]

  struct Part: Sendable {
    let from: Cell
    let to: Cell
    let offset: Float
    let scale: Float
  }

  var reads: [Cell] { parts.map(\.from) }
  var writes: [Cell] { parts.map(\.to) }
  var name: String { "scale \(parts.count) columns" }

  func keeping(_ isNeeded: (Cell) -> Bool) -> (any GraphStep)? {
    let kept = parts.filter { isNeeded($0.to) }
    return kept.isEmpty ? nil : ScaleStep(parts: kept)
  }

  func run(_ frame: GraphFrame, scratch: inout ScoringScratch) {
    let count = unsafe frame.rowCount
    for part in parts {
      let (from, to) = unsafe (frame.floats(part.from), frame.floats(part.to))
      let (offset, scale) = (part.offset, part.scale)
      for row in 0..<count { unsafe to[row] = (from[row] - offset) * scale }
    }
  }
}

/// Other numbers in place of a missing one, over any number of columns.
struct ReplaceStep: GraphStep {
  let storage: CellStorage
  /// The number that stands for a missing value; NaN is any NaN.
  let missing: Double
  let parts: [Part]

  struct Part: Sendable {
    let from: Cell
    let to: Cell
    let replacement: Double
  }

  var reads: [Cell] { parts.map(\.from) }
  var writes: [Cell] { parts.map(\.to) }
  var name: String { "replace missing values of \(parts.count) columns" }

  func keeping(_ isNeeded: (Cell) -> Bool) -> (any GraphStep)? {
    let kept = parts.filter { isNeeded($0.to) }
    return kept.isEmpty ? nil : ReplaceStep(storage: storage, missing: missing, parts: kept)
  }

  func run(_ frame: GraphFrame, scratch: inout ScoringScratch) {
    switch storage {
    case .float: unsafe run(frame, Float.self)
    case .integer: unsafe run(frame, Int64.self)
    case .double, .text, .code: preconditionFailure("not a float or a whole number")
    }
  }

  private func run<Number: GraphNumber>(_ frame: GraphFrame, _ type: Number.Type) {
    let count = unsafe frame.rowCount
    let missing = Number(double: missing)
    for part in parts {
      let (from, to) = unsafe (frame.values(part.from, type), frame.values(part.to, type))
      let replacement = Number(double: part.replacement)
      if self.missing.isNaN {
        for row in 0..<count {
          let value = unsafe from[row]
          unsafe to[row] = value.isNotANumber ? replacement : value
        }
      } else {
        for row in 0..<count {
          let value = unsafe from[row]
          unsafe to[row] = value == missing ? replacement : value
        }
      }
    }
  }
}
