internal import CKernels
internal import Models
internal import Scoring

/// A plan made ready to be applied to the columns of a tile.
struct Program: Sendable {
  /// What it wants to be given, in the order of the tile's columns.
  let inputs: [ModelInput]
  private let instructions: [any Instruction]
  /// Columns of numbers that it fills, the features first.
  private let numberCount: Int
  private let textCount: Int
  private let cellCount: Int
  /// For each feature that is text, where it is; -1 for others.
  private let textPlaces: [Int32]
  /// Its first columns, unless it is sparse.
  let featureCount: Int
  /// Which features its first columns are.
  private let denseFeatures: [UInt32]
  /// Whether some features are entries of rows.
  let isSparse: Bool

  var instructionCount: Int { instructions.count }

  /// Rows that go through all instructions together.
  let tileRowCount: Int

  /// What features are made of.
  enum Feature {
    case number(Chain)
    case text(ValueID)
    /// Nobody looks at it.
    case unused
  }

  /// Ends a program, whose first columns are to be the features.
  ///
  /// With `allowsSparse`, features that are mostly 0 become entries of rows instead of columns, where
  /// steps make such.
  init(
    _ builder: consuming ProgramBuilder, features: [Feature], allowsSparse: Bool = false
  ) throws(ModelError) {
    var builder = builder
    var instructions = builder.instructions
    var places: [Int32?] = Array(repeating: nil, count: builder.isText.count)
    let rawIDs = Set(builder.rawColumns.map(\.id))
    for (index, feature) in features.enumerated() {
      guard case .number(let wanted) = feature else { continue }
      let chain = builder.computedColumn(wanted)
      if chain.steps.isEmpty, !rawIDs.contains(chain.source), places[Int(chain.source)] == nil {
        places[Int(chain.source)] = Int32(index)
      } else {
        let id = try builder.makeValues(1)
        places.append(Int32(index))
        instructions.append(ChainInstruction(chain, target: id))
      }
    }
    var isNeeded = places.map { $0 != nil }
    for case .text(let id) in features { isNeeded[Int(id)] = true }
    var needed = Self.needed(instructions, &isNeeded)
    var isSparse = Array(repeating: false, count: places.count)
    if allowsSparse { Self.makeSparse(&needed, &isSparse) }
    let slots = Self.slots(features, places, isSparse)
    for (id, place) in places.enumerated() where !isSparse[id] {
      places[id] = place.map { slots.ofFeature[Int($0)] }
    }
    var inputs: [ModelInput] = []
    for column in builder.rawColumns where isNeeded[Int(column.id)] {
      places[Int(column.id)] = -2 - Int32(inputs.count)
      inputs.append(ModelInput(name: column.name, kind: column.kind))
    }
    var (numberCount, textCount) = (slots.features.count, 0)
    for id in places.indices where isNeeded[id] && places[id] == nil {
      if builder.isText[id] {
        places[id] = Int32(textCount)
        textCount += 1
      } else {
        places[id] = Int32(numberCount)
        numberCount += 1
      }
    }
    let table = places.map { $0 ?? -1 }
    self.inputs = inputs
    self.instructions = needed.map { instruction in
      var placed = instruction
      placed.place(table)
      return placed
    }
    self.numberCount = numberCount
    self.textCount = textCount
    cellCount = builder.cellCount
    featureCount = features.count
    denseFeatures = slots.features
    self.isSparse = isSparse.contains(true)
    textPlaces = features.map { feature in
      guard case .text(let id) = feature else { return -1 }
      return table[Int(id)]
    }
    // 2 MiB of columns stay in the second-level cache for what reads them next.
    let byteCount = max(1, (numberCount + 2 * textCount) * MemoryLayout<Double>.stride)
    tileRowCount = min(1_024, max(8, (2 << 20) / byteCount & ~7))
  }

  /// Makes those instructions sparse that can be, and whose results no other one reads.
  private static func makeSparse(_ instructions: inout [any Instruction], _ isSparse: inout [Bool])
  {
    let read = Set(instructions.flatMap(\.sources))
    for index in instructions.indices where instructions[index].canBeSparse {
      let targets = instructions[index].targets
      guard !targets.contains(where: read.contains) else { continue }
      instructions[index].makeSparse()
      for target in targets { isSparse[Int(target)] = true }
    }
  }

  /// The columns that features stand in: all of them, or without those that are sparse.
  private static func slots(
    _ features: [Feature], _ places: [Int32?], _ isSparse: [Bool]
  ) -> (features: [UInt32], ofFeature: [Int32]) {
    guard isSparse.contains(true) else {
      return (features.indices.map(UInt32.init), features.indices.map(Int32.init))
    }
    var isDense = features.map { feature in
      if case .number = feature { true } else { false }
    }
    for (id, place) in places.enumerated() where isSparse[id] {
      if let place { isDense[Int(place)] = false }
    }
    let dense = features.indices.filter { isDense[$0] }
    var slots = Array(repeating: Int32(-1), count: features.count)
    for (slot, feature) in dense.enumerated() { slots[feature] = Int32(slot) }
    return (dense.map(UInt32.init), slots)
  }

  /// The instructions whose results somebody needs, in order; what they read is needed too.
  private static func needed(
    _ instructions: [any Instruction], _ isNeeded: inout [Bool]
  ) -> [any Instruction] {
    var needed: [any Instruction] = []
    for instruction in instructions.reversed() {
      guard instruction.targets.contains(where: { isNeeded[Int($0)] }) else { continue }
      for source in instruction.sources { isNeeded[Int(source)] = true }
      needed.append(instruction)
    }
    return needed.reversed()
  }

  /// Memory for one call.
  @unsafe struct Memory {
    let numbers: UnsafeMutablePointer<Double>
    fileprivate let texts: UnsafeMutablePointer<TextSpan>
    /// Features that are text, `tileRowCount` apart; none if no feature is.
    let featureTexts: UnsafeMutableBufferPointer<TextSpan>
    fileprivate let cells: UnsafeMutablePointer<ns_count_cell>
    fileprivate var rowsDone = 0
  }

  /// Reserves memory, which the caller releases; columns that nobody fills hold zeros.
  func reserve(_ scratch: inout ScoringScratch) -> Memory {
    let numbers = unsafe scratch.reserve(Double.self, count: numberCount * tileRowCount)
    unsafe numbers.update(repeating: 0, count: denseFeatures.count * tileRowCount)
    let cells = unsafe scratch.reserve(ns_count_cell.self, count: cellCount)
    unsafe cells.update(repeating: ns_count_cell(), count: cellCount)
    let hasText = textPlaces.contains { $0 != -1 }
    let count = hasText ? featureCount * tileRowCount : 0
    let featureTexts = unsafe scratch.reserveTexts(count: count)
    let texts = unsafe scratch.reserveTexts(count: textCount * tileRowCount)
    return unsafe Memory(
      numbers: numbers, texts: texts,
      featureTexts: UnsafeMutableBufferPointer(start: featureTexts, count: count), cells: cells)
  }

  /// Computes the features of rows of a tile.
  ///
  /// - Parameters:
  ///   - tile: the columns of `inputs`.
  ///   - start: the first row.
  ///   - rowCount: how many, at most `tileRowCount`.
  ///   - memory: what `reserve` gave; its features are `tileRowCount` apart.
  ///   - scratch: texts that were made stay valid until the caller releases it.
  ///   - isa: which kernels run.
  ///   - entries: of a sparse program, gets all features of the rows but those that are 0.
  func run(
    _ tile: FeatureTile, start: Int, rowCount: Int, memory: inout Memory,
    scratch: inout ScoringScratch, isa: ns_isa,
    entries: UnsafeMutablePointer<SparseEntries>? = nil
  ) {
    let frame = unsafe Frame(
      tile: tile, start: start, rowCount: rowCount, numbers: memory.numbers, texts: memory.texts,
      stride: tileRowCount, cells: memory.cells, stamp: UInt32(memory.rowsDone), isa: isa,
      entries: entries)
    for instruction in instructions { unsafe instruction.run(frame, scratch: &scratch) }
    unsafe memory.rowsDone += rowCount
    if let entries = unsafe entries {
      for (slot, feature) in denseFeatures.enumerated() {
        let values = unsafe frame.number(Int32(slot))
        for row in 0..<rowCount {
          unsafe entries.pointee.add(row: row, column: Int32(feature), values[row])
        }
      }
    }
    for (index, place) in textPlaces.enumerated() where place != -1 {
      guard let target = unsafe memory.featureTexts.baseAddress else { continue }
      unsafe (target + index * tileRowCount).update(from: frame.text(place), count: rowCount)
    }
  }
}

extension ScoringScratch {
  /// Memory for texts, all of them missing.
  fileprivate mutating func reserveTexts(count: Int) -> UnsafeMutablePointer<TextSpan> {
    let memory = unsafe reserve(byteCount: count * MemoryLayout<TextSpan>.stride)
      .bindMemory(to: TextSpan.self, capacity: count)
    unsafe memory.initialize(repeating: TextSpan.missing, count: count)
    return unsafe memory
  }
}
