internal import CKernels
internal import Models

/// What is made of the columns of a group, in their order.
enum Reduction: String, Sendable {
  case sum, mean, product, greatest, least, sumOfSquares, sumOfMagnitudes, length, logOfSum
  case logOfSumOfExponentials
}

/// Makes one column of each group of columns.
struct ReduceSteps: GraphStep {
  let storage: CellStorage
  let reduction: Reduction
  let groups: [(from: [Cell], to: Cell)]

  var reads: [Cell] { groups.flatMap(\.from) }
  var writes: [Cell] { groups.map(\.to) }
  var name: String { "\(reduction) of \(groups.count) groups" }

  func keeping(_ isNeeded: (Cell) -> Bool) -> (any GraphStep)? {
    let kept = groups.filter { isNeeded($0.to) }
    return kept.isEmpty ? nil : ReduceSteps(storage: storage, reduction: reduction, groups: kept)
  }

  func run(_ frame: GraphFrame, scratch: inout ScoringScratch) {
    switch storage {
    case .float: unsafe run(frame, &scratch, Float.self)
    case .double: unsafe run(frame, &scratch, Double.self)
    case .integer: unsafe run(frame, &scratch, Int64.self)
    case .text, .code: preconditionFailure("not a number")
    }
  }

  private func run<Number: GraphNumber>(
    _ frame: GraphFrame, _ scratch: inout ScoringScratch, _ type: Number.Type
  ) {
    for group in groups {
      let to = unsafe frame.values(group.to, Number.self)
      switch reduction {
      case .sum, .mean, .logOfSum:
        unsafe fold(group.from, to, frame, .zero) { .graphAdd($0, $1) }
      case .product:
        unsafe fold(group.from, to, frame, Number(double: 1)) { .graphMultiply($0, $1) }
      case .greatest: unsafe extreme(group.from, to, frame) { $0 > $1 || $0.isNotANumber ? $0 : $1 }
      case .least: unsafe extreme(group.from, to, frame) { $0 < $1 || $0.isNotANumber ? $0 : $1 }
      case .sumOfSquares, .length:
        unsafe fold(group.from, to, frame, .zero) { .graphAdd($0, .graphMultiply($1, $1)) }
      case .sumOfMagnitudes:
        unsafe fold(group.from, to, frame, .zero) {
          $1 < .zero ? .graphSubtract($0, $1) : .graphAdd($0, $1)
        }
      case .logOfSumOfExponentials: unsafe logOfExponentials(group.from, to, frame)
      }
      unsafe finish(to, frame.rowCount, group.from.count)
    }
  }

  private func finish<Number: GraphNumber>(
    _ to: UnsafeMutablePointer<Number>, _ count: Int, _ width: Int
  ) {
    switch reduction {
    case .mean:
      let width = Number(double: Double(width))
      for row in 0..<count { unsafe to[row] = .graphDivide(to[row], width) }
    case .length:
      for row in 0..<count {
        unsafe to[row] = Number(double: to[row].asDouble.squareRoot())
      }
    case .logOfSum:
      for row in 0..<count { unsafe to[row] = Number(double: libraryLog(to[row].asDouble)) }
    default: break
    }
  }

  @inline(__always)
  private func fold<Number: GraphNumber>(
    _ cells: [Cell], _ to: UnsafeMutablePointer<Number>, _ frame: GraphFrame, _ start: Number,
    _ next: (Number, Number) -> Number
  ) {
    let count = unsafe frame.rowCount
    unsafe to.update(repeating: start, count: count)
    for cell in cells {
      let from = unsafe frame.values(cell, Number.self)
      for row in 0..<count { unsafe to[row] = next(to[row], from[row]) }
    }
  }

  @inline(__always)
  private func extreme<Number: GraphNumber>(
    _ cells: [Cell], _ to: UnsafeMutablePointer<Number>, _ frame: GraphFrame,
    _ better: (Number, Number) -> Number
  ) {
    let count = unsafe frame.rowCount
    for (index, cell) in cells.enumerated() {
      let from = unsafe frame.values(cell, Number.self)
      for row in 0..<count {
        unsafe to[row] = index == 0 ? from[row] : better(to[row], from[row])
      }
    }
  }

  private func logOfExponentials<Number: GraphNumber>(
    _ cells: [Cell], _ to: UnsafeMutablePointer<Number>, _ frame: GraphFrame
  ) {
    for row in 0..<(unsafe frame.rowCount) {
      var largest = -Double.infinity
      for cell in cells {
        largest = max(largest, unsafe frame.values(cell, Number.self)[row].asDouble)
      }
      guard largest.isFinite else {
        unsafe to[row] = Number(double: largest)
        continue
      }
      var sum = 0.0
      for cell in cells {
        sum += unsafe libraryExp(frame.values(cell, Number.self)[row].asDouble - largest)
      }
      unsafe to[row] = Number(double: largest + libraryLog(sum))
    }
  }
}

/// Which column of each group holds the largest or the smallest number.
struct ArgumentStep: GraphStep {
  let storage: CellStorage
  let isLargest: Bool
  /// Of equal ones the last, not the first.
  let takesLast: Bool
  let groups: [(from: [Cell], to: Cell)]

  var reads: [Cell] { groups.flatMap(\.from) }
  var writes: [Cell] { groups.map(\.to) }
  var name: String {
    "place of the \(isLargest ? "largest" : "smallest") of \(groups.count) groups"
  }

  func run(_ frame: GraphFrame, scratch: inout ScoringScratch) {
    switch storage {
    case .float: unsafe run(frame, &scratch, Float.self)
    case .double: unsafe run(frame, &scratch, Double.self)
    case .integer: unsafe run(frame, &scratch, Int64.self)
    case .text, .code: preconditionFailure("not a number")
    }
  }

  private func run<Number: GraphNumber>(
    _ frame: GraphFrame, _ scratch: inout ScoringScratch, _ type: Number.Type
  ) {
    let count = unsafe frame.rowCount
    let mark = scratch.mark
    defer { scratch.release(to: mark) }
    let best = unsafe scratch.reserve(Number.self, count: count)
    for group in groups {
      let to = unsafe frame.integers(group.to)
      for (index, cell) in group.from.enumerated() {
        let from = unsafe frame.values(cell, Number.self)
        guard index > 0 else {
          unsafe best.update(from: from, count: count)
          unsafe to.update(repeating: 0, count: count)
          continue
        }
        // Chosen without a branch, which would be guessed wrong for every other row.
        let (place, isLargest, takesLast) = (Int64(index), isLargest, takesLast)
        for row in 0..<count {
          let (value, old) = unsafe (from[row], best[row])
          let isBeyond = isLargest ? value > old : value < old
          let isBetter = isBeyond || (takesLast && value == old)
          unsafe best[row] = isBetter ? value : old
          unsafe to[row] = isBetter ? place : to[row]
        }
      }
    }
  }
}

/// What is done to the columns of a group together.
enum GroupOperation: Sendable, Equatable {
  case softmax, logSoftmax
  /// Softmax of the numbers that are not zero; see `SOFTMAX_ZERO` of the format.
  case softmaxOfNonzero
  /// Divided by the sum of magnitudes, the length, or the largest number; zeros stay.
  case unitSum, unitLength, unitLargest
  /// Mean 0 and variance 1, then a scale and an offset for each column.
  case standardize(epsilon: Double, scale: [Double], offset: [Double])

  /// Its name, for people.
  var name: String { String(String(describing: self).prefix { $0 != "(" }) }
}

/// Makes groups of columns of groups of as many columns.
struct GroupSteps: GraphStep {
  let storage: CellStorage
  let operation: GroupOperation
  let groups: [(from: [Cell], to: [Cell])]

  var reads: [Cell] { groups.flatMap(\.from) }
  var writes: [Cell] { groups.flatMap(\.to) }
  var name: String { "\(operation.name) of \(groups.count) groups" }

  func run(_ frame: GraphFrame, scratch: inout ScoringScratch) {
    switch storage {
    case .float: unsafe run(frame, &scratch, Float.self)
    case .double: unsafe run(frame, &scratch, Double.self)
    case .integer: unsafe run(frame, &scratch, Int64.self)
    case .text, .code: preconditionFailure("not a number")
    }
  }

  private func run<Number: GraphNumber>(
    _ frame: GraphFrame, _ scratch: inout ScoringScratch, _ type: Number.Type
  ) {
    let mark = scratch.mark
    defer { scratch.release(to: mark) }
    let width = groups.map(\.from.count).max() ?? 0
    let count = unsafe frame.rowCount
    let rows = unsafe scratch.reserve(Number.self, count: max(1, width * count))
    for group in groups {
      let width = group.from.count
      for (index, cell) in group.from.enumerated() {
        let from = unsafe frame.values(cell, Number.self)
        for row in 0..<count { unsafe rows[row * width + index] = from[row] }
      }
      unsafe apply(rows, count, width, frame.isa)
      for (index, cell) in group.to.enumerated() {
        let to = unsafe frame.values(cell, Number.self)
        for row in 0..<count { unsafe to[row] = rows[row * width + index] }
      }
    }
  }

  private func apply<Number: GraphNumber>(
    _ rows: UnsafeMutablePointer<Number>, _ count: Int, _ width: Int, _ isa: ns_isa
  ) {
    if operation == .softmax, width > 0 {
      let raw = UnsafeMutableRawPointer(rows)
      if Number.self == Float.self {
        unsafe ns_softmax(
          isa, raw.assumingMemoryBound(to: Float.self), width, UInt32(count), UInt32(width))
      } else {
        unsafe ns_softmax_doubles(
          isa, raw.assumingMemoryBound(to: Double.self), width, UInt32(count), UInt32(width))
      }
      return
    }
    for row in 0..<count {
      unsafe apply(UnsafeMutableBufferPointer(start: rows + row * width, count: width))
    }
  }

  private func apply<Number: GraphNumber>(_ row: UnsafeMutableBufferPointer<Number>) {
    switch operation {
    case .softmax: break
    case .logSoftmax: unsafe logSoftmax(row)
    case .softmaxOfNonzero: unsafe softmaxOfNonzero(row)
    case .unitSum: unsafe divide(row, sum(row) { $0.magnitude })
    case .unitLength: unsafe divide(row, sum(row) { $0 * $0 }.squareRoot())
    case .unitLargest:
      var largest = -Double.infinity
      for index in row.indices { unsafe largest = max(largest, row[index].asDouble) }
      unsafe divide(row, largest)
    case .standardize(let epsilon, let scale, let offset):
      unsafe standardize(row, epsilon, scale, offset)
    }
  }

  private func sum<Number: GraphNumber>(
    _ row: UnsafeMutableBufferPointer<Number>, _ part: (Double) -> Double
  ) -> Double {
    var sum = 0.0
    for index in row.indices { unsafe sum += part(row[index].asDouble) }
    return sum
  }

  private func divide<Number: GraphNumber>(
    _ row: UnsafeMutableBufferPointer<Number>, _ divisor: Double
  ) {
    guard divisor != 0 else { return }
    let divisor = Number(double: divisor)
    for index in row.indices { unsafe row[index] = .graphDivide(row[index], divisor) }
  }

  private func logSoftmax<Number: GraphNumber>(_ row: UnsafeMutableBufferPointer<Number>) {
    var largest = -Double.infinity
    for index in row.indices { unsafe largest = max(largest, row[index].asDouble) }
    let total = unsafe libraryLog(sum(row) { libraryExp($0 - largest) })
    for index in row.indices {
      unsafe row[index] = Number(double: (row[index].asDouble - largest) - total)
    }
  }

  private func softmaxOfNonzero<Number: GraphNumber>(_ row: UnsafeMutableBufferPointer<Number>) {
    var largest = -Double(Float.greatestFiniteMagnitude)
    for index in row.indices { unsafe largest = max(largest, row[index].asDouble) }
    let scale = libraryExp(-largest)
    var total = 0.0
    for index in row.indices {
      let value = unsafe row[index].asDouble
      if value.magnitude > 0.0000001 {
        let weight = libraryExp(value - largest)
        total += weight
        unsafe row[index] = Number(double: weight)
      } else {
        unsafe row[index] = Number(double: value * scale)
      }
    }
    for index in row.indices { unsafe row[index] = Number(double: row[index].asDouble / total) }
  }

  private func standardize<Number: GraphNumber>(
    _ row: UnsafeMutableBufferPointer<Number>, _ epsilon: Double, _ scale: [Double],
    _ offset: [Double]
  ) {
    let mean = unsafe sum(row) { $0 } / Double(row.count)
    let variance = unsafe sum(row) { ($0 - mean) * ($0 - mean) } / Double(row.count)
    let deviation = (variance + epsilon).squareRoot()
    for index in row.indices {
      let value = unsafe (row[index].asDouble - mean) / deviation
      let shift = offset.isEmpty ? 0 : offset[index]
      unsafe row[index] = Number(double: value * scale[index] + shift)
    }
  }
}

/// The largest or smallest numbers of each group of columns, in order, and where they stood.
struct TopStep: GraphStep {
  let storage: CellStorage
  let isLargest: Bool
  let groups: [(from: [Cell], values: [Cell], places: [Cell])]

  var reads: [Cell] { groups.flatMap(\.from) }
  var writes: [Cell] { groups.flatMap { $0.values + $0.places } }
  var name: String {
    "the \(groups.first?.values.count ?? 0) \(isLargest ? "largest" : "smallest")"
  }

  func run(_ frame: GraphFrame, scratch: inout ScoringScratch) {
    switch storage {
    case .float: unsafe run(frame, &scratch, Float.self)
    case .double: unsafe run(frame, &scratch, Double.self)
    case .integer: unsafe run(frame, &scratch, Int64.self)
    case .text, .code: preconditionFailure("not a number")
    }
  }

  private func run<Number: GraphNumber>(
    _ frame: GraphFrame, _ scratch: inout ScoringScratch, _ type: Number.Type
  ) {
    for group in groups {
      unsafe choose(group.from, group.values, group.places, frame, &scratch, type)
    }
  }

  private func choose<Number: GraphNumber>(
    _ from: [Cell], _ values: [Cell], _ places: [Cell], _ frame: GraphFrame,
    _ scratch: inout ScoringScratch, _ type: Number.Type
  ) {
    guard !values.isEmpty else { return }
    let mark = scratch.mark
    defer { scratch.release(to: mark) }
    let best = unsafe scratch.reserve(Number.self, count: values.count)
    let order = unsafe scratch.reserve(Int.self, count: values.count)
    for row in 0..<(unsafe frame.rowCount) {
      var count = 0
      for (index, cell) in from.enumerated() {
        let value = unsafe frame.values(cell, Number.self)[row]
        var place = count
        while place > 0, unsafe goesBefore(value, best[place - 1]) { place -= 1 }
        guard place < values.count else { continue }
        count = min(count + 1, values.count)
        for later in stride(from: count - 1, to: place, by: -1) {
          unsafe best[later] = best[later - 1]
          unsafe order[later] = order[later - 1]
        }
        unsafe best[place] = value
        unsafe order[place] = index
      }
      for index in values.indices {
        unsafe frame.values(values[index], Number.self)[row] = best[index]
        unsafe frame.integers(places[index])[row] = Int64(order[index])
      }
    }
  }

  /// NaN goes last.
  private func goesBefore<Number: GraphNumber>(_ one: Number, _ other: Number) -> Bool {
    if other.isNotANumber { return !one.isNotANumber }
    return isLargest ? one > other : one < other
  }
}

/// Takes one column of a group in each row, the one whose place stands in another column.
struct PickStep: GraphStep {
  let storage: CellStorage
  let parts: [(from: [Cell], place: Cell, to: Cell)]

  var reads: [Cell] { parts.flatMap { $0.from + [$0.place] } }
  var writes: [Cell] { parts.map(\.to) }
  var name: String { "pick \(parts.count) columns" }

  func run(_ frame: GraphFrame, scratch: inout ScoringScratch) {
    for part in parts {
      let places = unsafe frame.integers(part.place)
      for row in 0..<(unsafe frame.rowCount) {
        var place = unsafe places[row]
        if place < 0 { place &+= Int64(part.from.count) }
        // What is out of range is an error of the model; the nearest column keeps it harmless.
        let index = Int(max(0, min(Int64(part.from.count) - 1, place)))
        let from = part.from[index]
        switch storage {
        case .float: unsafe frame.floats(part.to)[row] = frame.floats(from)[row]
        case .double: unsafe frame.doubles(part.to)[row] = frame.doubles(from)[row]
        case .integer: unsafe frame.integers(part.to)[row] = frame.integers(from)[row]
        case .text, .code: preconditionFailure("not a number")
        }
      }
    }
  }
}
