internal import CKernels
internal import Scoring

/// The number of a column of a program, of numbers or of text.
typealias ValueID = Int32

/// One thing that a program does to all rows of a tile.
///
/// Its sources and targets are `ValueID`s until `place` makes places of them: from 0 a column of
/// the program's own, -1 one that nobody needs, from -2 downwards one of the table's.
protocol Instruction: Sendable {
  /// The columns that it reads.
  var sources: [ValueID] { get }
  /// The columns that it fills.
  var targets: [ValueID] { get }

  /// Replaces IDs by places; `places` has one for each ID.
  mutating func place(_ places: [Int32])

  /// Whether it can give its results as entries of rows, for whoever wants no zeros.
  var canBeSparse: Bool { get }

  /// Lets it do so: its targets then stay numbers of features.
  mutating func makeSparse()

  /// Carries it out.
  ///
  /// Memory that it reserves is released by the caller.
  func run(_ frame: Frame, scratch: inout ScoringScratch)
}

extension Instruction {
  var canBeSparse: Bool { false }

  mutating func makeSparse() {}
}

extension [ValueID] {
  /// Replaces IDs by their places.
  mutating func place(_ places: [Int32]) {
    for index in indices { self[index] = places[Int(self[index])] }
  }
}

extension InstructionSet {
  /// What the kernels call it.
  var kernels: ns_isa {
    switch self {
    case .portable: ns_isa_portable
    case .avx2: ns_isa_avx2
    case .avx512: ns_isa_avx512
    }
  }
}

/// The rows that instructions work on, and where their columns are.
@unsafe struct Frame {
  /// The table's columns.
  let tile: FeatureTile
  /// The tile's row that is row 0 here.
  let start: Int
  let rowCount: Int
  /// The program's columns of numbers, `stride` apart.
  let numbers: UnsafeMutablePointer<Double>
  /// The program's columns of text.
  let texts: UnsafeMutablePointer<TextSpan>
  let stride: Int
  /// Counters of n-grams, for the instructions that have some.
  let cells: UnsafeMutablePointer<ns_count_cell>
  /// How many rows were counted with these counters before.
  let stamp: UInt32
  let isa: ns_isa
  /// Where instructions that are sparse put their results; nil if none is.
  let entries: UnsafeMutablePointer<SparseEntries>?

  func number(_ place: Int32) -> UnsafePointer<Double> {
    guard place < 0 else { return unsafe UnsafePointer(numbers + Int(place) * stride) }
    precondition(place < -1)
    let first = unsafe (-2 - Int(place)) * tile.stride + start
    guard let base = unsafe tile.numbers.baseAddress else { preconditionFailure("no numbers") }
    return unsafe base + first
  }

  func text(_ place: Int32) -> UnsafePointer<TextSpan> {
    guard place < 0 else { return unsafe UnsafePointer(texts + Int(place) * stride) }
    precondition(place < -1)
    let first = unsafe (-2 - Int(place)) * tile.stride + start
    guard let base = unsafe tile.texts.baseAddress else { preconditionFailure("no texts") }
    return unsafe base + first
  }

  func target(_ place: Int32) -> UnsafeMutablePointer<Double> {
    unsafe numbers + Int(place) * stride
  }

  func textTarget(_ place: Int32) -> UnsafeMutablePointer<TextSpan> {
    unsafe texts + Int(place) * stride
  }

  /// Fills columns with zeros.
  func clear(_ targets: [Int32]) {
    for target in targets where target >= 0 {
      unsafe self.target(target).update(repeating: 0, count: rowCount)
    }
  }
}
