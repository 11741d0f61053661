internal import CKernels
internal import Scoring

/// One step of arithmetic on a column.
struct ChainStep: Hashable, Sendable {
  let kind: UInt32
  var a = 0.0
  var b = 0.0
  /// Edges of buckets.
  var table: [Double] = []

  init(_ kind: ns_feature_kind, a: Double = 0, b: Double = 0, table: [Double] = []) {
    self.kind = kind.rawValue
    self.a = a
    self.b = b
    self.table = table
  }
}

/// A column that is made of another by arithmetic alone, and not before it is needed: all steps
/// then go over it at once, without a column in between.
struct Chain: Hashable, Sendable {
  let source: ValueID
  private(set) var steps: [ChainStep] = []

  init(_ source: ValueID) { self.source = source }

  /// This chain with one more step.
  func followed(by step: ChainStep) -> Chain {
    var chain = self
    chain.steps.append(step)
    return chain
  }
}

/// Computes a chain.
struct ChainInstruction: Instruction {
  private var source: ValueID
  private var target: ValueID
  private let steps: [ChainStep]
  private let tables: [Double]

  init(_ chain: Chain, target: ValueID) {
    source = chain.source
    self.target = target
    steps = chain.steps
    tables = chain.steps.flatMap(\.table)
  }

  var sources: [ValueID] { [source] }
  var targets: [ValueID] { [target] }

  mutating func place(_ places: [Int32]) {
    source = places[Int(source)]
    target = places[Int(target)]
  }

  func run(_ frame: Frame, scratch: inout ScoringScratch) {
    unsafe tables.withUnsafeBufferPointer { tables in
      unsafe withUnsafeTemporaryAllocation(of: ns_feature_step.self, capacity: steps.count + 1) {
        buffer in
        guard let first = buffer.baseAddress else { return }
        var offset = 0
        for (index, step) in steps.enumerated() {
          unsafe buffer.initializeElement(
            at: index,
            to: ns_feature_step(
              kind: ns_feature_kind(step.kind), table_count: UInt32(step.table.count), a: step.a,
              b: step.b, table: tables.baseAddress.map { unsafe $0 + offset }))
          offset += step.table.count
        }
        unsafe ns_feature_chain(
          frame.number(source), frame.target(target), frame.rowCount, first, steps.count,
          frame.isa)
      }
    }
  }
}
