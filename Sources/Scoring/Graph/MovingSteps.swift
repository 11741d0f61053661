internal import CKernels
internal import Models

/// Reads numbers of the rows.
struct LoadNumbers: GraphStep {
  let kind: Kind
  /// Which input goes to which cell.
  let parts: [(input: Int, to: Cell)]

  /// What becomes of the numbers.
  enum Kind: CaseIterable { case float, double, integer, flag }

  var reads: [Cell] { [] }
  var writes: [Cell] { parts.map(\.to) }
  var name: String { "read \(parts.count) columns of numbers" }

  func keeping(_ isNeeded: (Cell) -> Bool) -> (any GraphStep)? {
    let kept = parts.filter { isNeeded($0.to) }
    return kept.isEmpty ? nil : LoadNumbers(kind: kind, parts: kept)
  }

  func run(_ frame: GraphFrame, scratch: inout ScoringScratch) {
    let count = unsafe frame.rowCount
    guard let numbers = unsafe frame.tile.numbers.baseAddress else { return }
    for part in parts {
      let from = unsafe numbers + part.input * frame.tile.stride + frame.firstRow
      switch kind {
      case .float:
        let to = unsafe frame.floats(part.to)
        for row in 0..<count { unsafe to[row] = Float(from[row]) }
        unsafe readAhead(part.input, frame)
      case .double:
        let to = unsafe frame.doubles(part.to)
        unsafe to.update(from: from, count: count)
      case .integer:
        let to = unsafe frame.integers(part.to)
        for row in 0..<count { unsafe to[row] = Int64(truncating: from[row]) }
      case .flag:
        let to = unsafe frame.integers(part.to)
        for row in 0..<count { unsafe to[row] = from[row] == 0 ? 0 : 1 }
      }
    }
  }
}

extension LoadNumbers {
  /// Asks for the rows of an input that the next tile will want, while this one is scored.
  fileprivate func readAhead(_ input: Int, _ frame: GraphFrame) {
    let next = unsafe frame.firstRow + frame.rowCount
    let lineCount = unsafe min(frame.rowCount, frame.tile.rowCount - next) / 8
    guard lineCount > 0, let numbers = unsafe frame.tile.numbers.baseAddress else { return }
    var column = UInt32(input)
    unsafe ns_prefetch_columns(
      numbers + next, frame.tile.stride, &column, UInt32(lineCount), 0, UInt32(lineCount))
  }
}

/// Reads texts of the rows; a missing text is the empty one.
struct LoadTexts: GraphStep {
  let parts: [(input: Int, to: Cell)]

  var reads: [Cell] { [] }
  var writes: [Cell] { parts.map(\.to) }
  var name: String { "read \(parts.count) columns of text" }

  func keeping(_ isNeeded: (Cell) -> Bool) -> (any GraphStep)? {
    let kept = parts.filter { isNeeded($0.to) }
    return kept.isEmpty ? nil : LoadTexts(parts: kept)
  }

  func run(_ frame: GraphFrame, scratch: inout ScoringScratch) {
    guard let texts = unsafe frame.tile.texts.baseAddress else { return }
    for part in parts {
      let from = unsafe texts + part.input * frame.tile.stride + frame.firstRow
      unsafe frame.texts(part.to).update(from: from, count: frame.rowCount)
    }
  }
}

/// Puts a constant in each row.
struct FillStep: GraphStep {
  let storage: CellStorage
  let parts: [(value: GraphColumn, to: Cell)]

  var reads: [Cell] { [] }
  var writes: [Cell] { parts.map(\.to) }
  var name: String { "fill \(parts.count) columns" }

  func keeping(_ isNeeded: (Cell) -> Bool) -> (any GraphStep)? {
    let kept = parts.filter { isNeeded($0.to) }
    return kept.isEmpty ? nil : FillStep(storage: storage, parts: kept)
  }

  func run(_ frame: GraphFrame, scratch: inout ScoringScratch) {
    let count = unsafe frame.rowCount
    for part in parts {
      switch storage {
      case .float:
        unsafe frame.floats(part.to).update(repeating: Float(constant: part.value), count: count)
      case .double:
        unsafe frame.doubles(part.to).update(repeating: Double(constant: part.value), count: count)
      case .integer:
        unsafe frame.integers(part.to).update(repeating: Int64(constant: part.value), count: count)
      case .text, .code: preconditionFailure("not a number")
      }
    }
  }
}

/// Writes the columns of a one-hot encoding out, where what follows needs them as numbers.
struct IndicatorStep: GraphStep {
  let storage: CellStorage
  let parts: [(codes: Cell, code: Int32, to: Cell)]

  var reads: [Cell] { parts.map(\.codes) }
  var writes: [Cell] { parts.map(\.to) }
  var name: String { "\(parts.count) columns of a one-hot encoding" }

  func keeping(_ isNeeded: (Cell) -> Bool) -> (any GraphStep)? {
    let kept = parts.filter { isNeeded($0.to) }
    return kept.isEmpty ? nil : IndicatorStep(storage: storage, parts: kept)
  }

  func run(_ frame: GraphFrame, scratch: inout ScoringScratch) {
    for part in parts {
      switch storage {
      case .float: unsafe fill(part.codes, part.code, frame.floats(part.to), frame, .nan)
      case .double: unsafe fill(part.codes, part.code, frame.doubles(part.to), frame, .nan)
      case .integer: unsafe fill(part.codes, part.code, frame.integers(part.to), frame, 0)
      case .text, .code: preconditionFailure("not a number")
      }
    }
  }

  @inline(__always)
  private func fill<Number: GraphNumber & ExpressibleByIntegerLiteral>(
    _ codes: Cell, _ code: Int32, _ to: UnsafeMutablePointer<Number>, _ frame: GraphFrame,
    _ invalid: Number
  ) {
    let codes = unsafe frame.codes(codes)
    for row in 0..<(unsafe frame.rowCount) {
      let found = unsafe codes[row]
      unsafe to[row] = found == code ? 1 : found == LookupStep.invalid ? invalid : 0
    }
  }
}

/// Turns numbers of one type into those of another.
struct ConvertStep: GraphStep {
  let from: CellStorage
  let to: CellStorage
  /// What the result is: whole numbers are cut to its width.
  let type: GraphType
  let pairs: [(from: Cell, to: Cell)]

  var reads: [Cell] { pairs.map(\.from) }
  var writes: [Cell] { pairs.map(\.to) }
  var name: String { "\(pairs.count) columns to \(type.name)" }

  func keeping(_ isNeeded: (Cell) -> Bool) -> (any GraphStep)? {
    let kept = pairs.filter { isNeeded($0.to) }
    return kept.isEmpty ? nil : ConvertStep(from: from, to: to, type: type, pairs: kept)
  }

  func run(_ frame: GraphFrame, scratch: inout ScoringScratch) {
    for pair in pairs {
      switch from {
      case .float: unsafe convert(frame.floats(pair.from), pair.to, frame)
      case .double: unsafe convert(frame.doubles(pair.from), pair.to, frame)
      case .integer: unsafe convert(frame.integers(pair.from), pair.to, frame)
      case .text, .code: unsafe parse(pair.from, pair.to, frame)
      }
    }
  }

  private func convert<Number: GraphNumber>(
    _ from: UnsafeMutablePointer<Number>, _ cell: Cell, _ frame: GraphFrame
  ) {
    let count = unsafe frame.rowCount
    switch to {
    case .float:
      let to = unsafe frame.floats(cell)
      for row in 0..<count { unsafe to[row] = Float(from[row].asDouble) }
    case .double:
      let to = unsafe frame.doubles(cell)
      for row in 0..<count { unsafe to[row] = from[row].asDouble }
    case .integer:
      let to = unsafe frame.integers(cell)
      if case .integer(.int64) = type, self.from != .integer {
        for row in 0..<count { unsafe to[row] = Int64(truncating: from[row].asDouble) }
        return
      }
      for row in 0..<count {
        let value = unsafe from[row]
        unsafe to[row] = cut((value as? Int64) ?? Int64(truncating: value.asDouble), value)
      }
    case .text, .code: preconditionFailure("not a number")
    }
  }

  @inline(__always)
  private func cut<Number: GraphNumber>(_ whole: Int64, _ value: Number) -> Int64 {
    switch type {
    case .flag: value == .zero ? 0 : 1
    case .integer(.int32): Int64(Int32(truncatingIfNeeded: whole))
    case .integer(.int16): Int64(Int16(truncatingIfNeeded: whole))
    case .integer(.int8): Int64(Int8(truncatingIfNeeded: whole))
    case .integer(.uint32): Int64(UInt32(truncatingIfNeeded: whole))
    case .integer(.uint16): Int64(UInt16(truncatingIfNeeded: whole))
    case .integer(.uint8): Int64(UInt8(truncatingIfNeeded: whole))
    default: whole
    }
  }

  /// Texts to numbers; what is not a number is NaN, or the least whole number.
  private func parse(_ from: Cell, _ cell: Cell, _ frame: GraphFrame) {
    let texts = unsafe frame.texts(from)
    for row in 0..<(unsafe frame.rowCount) {
      let bytes = unsafe UnsafeBufferPointer(start: texts[row].start, count: texts[row].count)
      let value = unsafe ByteText.double(Array(bytes)[...]) ?? .nan
      switch to {
      case .float: unsafe frame.floats(cell)[row] = Float(value)
      case .double: unsafe frame.doubles(cell)[row] = value
      case .integer: unsafe frame.integers(cell)[row] = cut(Int64(truncating: value), value)
      case .text, .code: preconditionFailure("not a number")
      }
    }
  }
}

/// Takes the first or the second of two columns, as a column of truth values says.
struct SelectStep: GraphStep {
  let storage: CellStorage
  let parts: [(condition: Cell, yes: Cell, no: Cell, to: Cell)]

  var reads: [Cell] { parts.flatMap { [$0.condition, $0.yes, $0.no] } }
  var writes: [Cell] { parts.map(\.to) }
  var name: String { "choose \(parts.count) columns" }

  func keeping(_ isNeeded: (Cell) -> Bool) -> (any GraphStep)? {
    let kept = parts.filter { isNeeded($0.to) }
    return kept.isEmpty ? nil : SelectStep(storage: storage, parts: kept)
  }

  func run(_ frame: GraphFrame, scratch: inout ScoringScratch) {
    for part in parts {
      switch storage {
      case .float: unsafe choose(part.condition, part.yes, part.no, part.to, frame, Float.self)
      case .double: unsafe choose(part.condition, part.yes, part.no, part.to, frame, Double.self)
      case .integer: unsafe choose(part.condition, part.yes, part.no, part.to, frame, Int64.self)
      case .text, .code: preconditionFailure("not a number")
      }
    }
  }

  private func choose<Number: GraphNumber>(
    _ condition: Cell, _ yes: Cell, _ no: Cell, _ to: Cell, _ frame: GraphFrame,
    _ type: Number.Type
  ) {
    let condition = unsafe frame.integers(condition)
    let (yes, no) = unsafe (frame.values(yes, type), frame.values(no, type))
    let to = unsafe frame.values(to, type)
    for row in 0..<(unsafe frame.rowCount) {
      unsafe to[row] = condition[row] != 0 ? yes[row] : no[row]
    }
  }
}

/// Whether numbers are NaN, or infinite.
struct ClassifyStep: GraphStep {
  let test: Test
  let from: CellStorage
  let pairs: [(from: Cell, to: Cell)]

  enum Test: String { case isNaN, isInfinite, isZero }

  var reads: [Cell] { pairs.map(\.from) }
  var writes: [Cell] { pairs.map(\.to) }
  var name: String { "\(test) of \(pairs.count) columns" }

  func run(_ frame: GraphFrame, scratch: inout ScoringScratch) {
    for pair in pairs {
      switch from {
      case .float: unsafe classify(frame.floats(pair.from), pair.to, frame)
      case .double: unsafe classify(frame.doubles(pair.from), pair.to, frame)
      case .integer: unsafe classify(frame.integers(pair.from), pair.to, frame)
      case .text, .code: preconditionFailure("not a number")
      }
    }
  }

  private func classify<Number: GraphNumber>(
    _ from: UnsafeMutablePointer<Number>, _ cell: Cell, _ frame: GraphFrame
  ) {
    let to = unsafe frame.integers(cell)
    for row in 0..<(unsafe frame.rowCount) {
      let value = unsafe from[row]
      let isTrue =
        switch test {
        case .isNaN: value.isNotANumber
        case .isInfinite: value.asDouble.isInfinite
        case .isZero: value == .zero
        }
      unsafe to[row] = isTrue ? 1 : 0
    }
  }
}
