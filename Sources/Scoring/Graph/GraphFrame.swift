internal import CKernels
internal import Models

/// The cells of one tile of rows while the steps of a graph run over it.
///
/// A cell's values lie one after the other, row after row.
@unsafe struct GraphFrame {
  /// Memory of all cells.
  let base: UnsafeMutableRawPointer
  /// Where each cell begins, in units of four bytes for each row of a full tile.
  let offsets: UnsafePointer<Int32>
  /// How many rows a full tile has; a multiple of sixteen.
  let tileRowCount: Int
  /// How many rows this one has; at least one.
  let rowCount: Int
  /// Which instructions kernels may use.
  let isa: ns_isa
  /// The rows that are scored.
  let tile: FeatureTile
  /// The first of them.
  let firstRow: Int

  func address(_ cell: Cell) -> UnsafeMutableRawPointer {
    unsafe base + Int(offsets[Int(cell.index)]) * tileRowCount * 4
  }

  func floats(_ cell: Cell) -> UnsafeMutablePointer<Float> {
    unsafe address(cell).assumingMemoryBound(to: Float.self)
  }

  func doubles(_ cell: Cell) -> UnsafeMutablePointer<Double> {
    unsafe address(cell).assumingMemoryBound(to: Double.self)
  }

  func integers(_ cell: Cell) -> UnsafeMutablePointer<Int64> {
    unsafe address(cell).assumingMemoryBound(to: Int64.self)
  }

  func codes(_ cell: Cell) -> UnsafeMutablePointer<Int32> {
    unsafe address(cell).assumingMemoryBound(to: Int32.self)
  }

  func texts(_ cell: Cell) -> UnsafeMutablePointer<TextSpan> {
    unsafe address(cell).assumingMemoryBound(to: TextSpan.self)
  }

  /// The values of a cell as what a generic step works on.
  func values<Number: GraphNumber>(
    _ cell: Cell, _ type: Number.Type
  ) -> UnsafeMutablePointer<Number> {
    unsafe address(cell).assumingMemoryBound(to: Number.self)
  }
}

/// One thing that is done to all rows of a tile.
///
/// What it computes for a row depends on that row's cells alone.
protocol GraphStep: Sendable {
  /// The cells that it reads.
  var reads: [Cell] { get }

  /// The cells that it fills.
  var writes: [Cell] { get }

  /// What it is, for people.
  var name: String { get }

  /// The same step without cells that nobody needs, or nil if nobody needs any.
  func keeping(_ isNeeded: (Cell) -> Bool) -> (any GraphStep)?

  /// Fills its cells for the rows of the frame.
  func run(_ frame: GraphFrame, scratch: inout ScoringScratch)
}

extension GraphStep {
  func keeping(_ isNeeded: (Cell) -> Bool) -> (any GraphStep)? {
    writes.contains(where: isNeeded) ? self : nil
  }
}

/// The types that arithmetic is done in.
protocol GraphNumber: BitwiseCopyable, Comparable, Sendable {
  init(constant: GraphColumn)
  static var zero: Self { get }
  static func graphAdd(_ one: Self, _ other: Self) -> Self
  static func graphSubtract(_ one: Self, _ other: Self) -> Self
  static func graphMultiply(_ one: Self, _ other: Self) -> Self
  static func graphDivide(_ one: Self, _ other: Self) -> Self
  static func graphPower(_ one: Self, _ other: Self) -> Self
  static func graphRemainder(_ one: Self, _ other: Self) -> Self
  var isNotANumber: Bool { get }
  var asDouble: Double { get }
  init(double: Double)
}

extension Float: GraphNumber {
  init(constant: GraphColumn) { self = Float(Double(constant: constant)) }
  init(double: Double) { self = Float(double) }
  @inline(__always) static func graphAdd(_ one: Float, _ other: Float) -> Float { one + other }
  @inline(__always) static func graphSubtract(_ one: Float, _ other: Float) -> Float { one - other }
  @inline(__always) static func graphMultiply(_ one: Float, _ other: Float) -> Float { one * other }
  @inline(__always) static func graphDivide(_ one: Float, _ other: Float) -> Float { one / other }
  static func graphPower(_ one: Float, _ other: Float) -> Float {
    Float(Double.graphPower(Double(one), Double(other)))
  }
  static func graphRemainder(_ one: Float, _ other: Float) -> Float {
    one.truncatingRemainder(dividingBy: other)
  }
  @inline(__always) var isNotANumber: Bool { isNaN }
  @inline(__always) var asDouble: Double { Double(self) }
}

extension Double: GraphNumber {
  init(constant: GraphColumn) {
    switch constant {
    case .number(let value): self = value
    case .integer(let value): self = Double(value)
    case .cell, .indicator: preconditionFailure("not a constant")
    }
  }
  init(double: Double) { self = double }
  @inline(__always) static func graphAdd(_ one: Double, _ other: Double) -> Double { one + other }
  @inline(__always) static func graphSubtract(_ one: Double, _ other: Double) -> Double {
    one - other
  }
  @inline(__always) static func graphMultiply(_ one: Double, _ other: Double) -> Double {
    one * other
  }
  @inline(__always) static func graphDivide(_ one: Double, _ other: Double) -> Double {
    one / other
  }
  static func graphPower(_ one: Double, _ other: Double) -> Double { libraryPower(one, other) }
  static func graphRemainder(_ one: Double, _ other: Double) -> Double {
    one.truncatingRemainder(dividingBy: other)
  }
  @inline(__always) var isNotANumber: Bool { isNaN }
  @inline(__always) var asDouble: Double { self }
}

extension Int64: GraphNumber {
  init(constant: GraphColumn) {
    switch constant {
    case .number(let value): self = Int64(truncating: value)
    case .integer(let value): self = value
    case .cell, .indicator: preconditionFailure("not a constant")
    }
  }

  /// The number without its fraction; the least of all for what does not fit, as x86-64 has it.
  @inline(__always) init(truncating value: Double) {
    self = value > -0x1p63 && value < 0x1p63 ? Int64(value) : .min
  }

  init(double: Double) { self = Int64(truncating: double) }
  @inline(__always) static func graphAdd(_ one: Int64, _ other: Int64) -> Int64 { one &+ other }
  @inline(__always) static func graphSubtract(_ one: Int64, _ other: Int64) -> Int64 {
    one &- other
  }
  @inline(__always) static func graphMultiply(_ one: Int64, _ other: Int64) -> Int64 {
    one &* other
  }

  /// The quotient without its fraction; 0 where there is none.
  @inline(__always) static func graphDivide(_ one: Int64, _ other: Int64) -> Int64 {
    other == 0 ? 0 : one.dividedReportingOverflow(by: other).partialValue
  }
  static func graphPower(_ one: Int64, _ other: Int64) -> Int64 {
    Int64(truncating: Double.graphPower(Double(one), Double(other)))
  }
  static func graphRemainder(_ one: Int64, _ other: Int64) -> Int64 {
    other == 0 ? 0 : one.remainderReportingOverflow(dividingBy: other).partialValue
  }
  @inline(__always) var isNotANumber: Bool { false }
  @inline(__always) var asDouble: Double { Double(self) }
}
