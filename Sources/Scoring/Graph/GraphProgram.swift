internal import CKernels
internal import Models

/// The steps of a graph, and where their cells lie in the memory of a tile.
struct GraphProgram: Sendable {
  let steps: [any GraphStep]
  /// Where each cell begins, in units of four bytes for each row of a tile.
  private let offsets: [Int32]
  /// How much memory a tile takes, in units of four bytes for each of its rows.
  private let unitCount: Int
  let tileRowCount: Int

  /// Takes the steps whose results are wanted, in their order.
  ///
  /// - Parameters:
  ///   - steps: each after those whose cells it reads.
  ///   - storages: what each cell holds.
  ///   - wanted: the cells that are read afterwards.
  /// - Throws: `ModelError` if a row takes too much memory.
  init(
    steps: [any GraphStep], storages: [CellStorage], wanted: [Cell]
  ) throws(ModelError) {
    var lastUse = Array(repeating: -1, count: storages.count)
    for cell in wanted { lastUse[Int(cell.index)] = steps.count }
    var kept: [any GraphStep] = []
    for step in steps.reversed() {
      guard let step = step.keeping({ lastUse[Int($0.index)] >= 0 }) else { continue }
      for cell in step.reads where lastUse[Int(cell.index)] < 0 {
        lastUse[Int(cell.index)] = steps.count - 1 - kept.count
      }
      kept.append(step)
    }
    let shift = steps.count - kept.count
    for index in lastUse.indices where lastUse[index] >= 0 && lastUse[index] < steps.count {
      lastUse[index] -= shift
    }
    self.steps = kept.reversed()
    for cell in wanted { lastUse[Int(cell.index)] = self.steps.count }
    (offsets, unitCount) = Self.place(self.steps, storages, lastUse)
    guard unitCount < 1 << 22 else {
      throw ModelError(
        code: .limitExceeded, context: "ONNX: a row takes \(unitCount * 4) bytes of memory")
    }
    // Trees are scored in blocks of rows, full or not; the second-level cache holds a quarter of a
    // mebibyte beside the weights of anything else.
    let hasTrees = kept.contains { $0 is ForestStep }
    var rowCount = hasTrees ? RankForest.rowCount : 256
    let byteLimit = hasTrees ? 4 << 20 : 256 << 10
    while rowCount > 16, rowCount * unitCount * 4 > byteLimit { rowCount /= 2 }
    tileRowCount = rowCount
  }

  /// Gives cells memory; what one step fills lies together, and memory is taken again once nobody
  /// reads it any more.
  private static func place(
    _ steps: [any GraphStep], _ storages: [CellStorage], _ lastUse: [Int]
  ) -> ([Int32], Int) {
    var offsets = Array(repeating: Int32(0), count: storages.count)
    var free: [Int: [Int]] = [:]  // blocks by size
    var ending: [Int: [(offset: Int, size: Int)]] = [:]
    var top = 0
    for (index, step) in steps.enumerated() {
      let writes = step.writes
      let size = writes.reduce(0) { $0 + storages[Int($1.index)].unitCount }
      var offset = top
      if let block = free[size]?.popLast() { offset = block } else { top += size }
      let end = writes.reduce(index) { max($0, lastUse[Int($1.index)]) }
      ending[end, default: []].append((offset, size))
      for cell in writes {
        offsets[Int(cell.index)] = Int32(truncatingIfNeeded: offset)
        offset += storages[Int(cell.index)].unitCount
      }
      for block in ending.removeValue(forKey: index) ?? [] {
        free[block.size, default: []].append(block.offset)
      }
    }
    return (offsets, max(top, 1))
  }

  /// How many bytes the cells of a tile take.
  var tileByteCount: Int { unitCount * tileRowCount * 4 }

  /// Runs all steps over up to `tileRowCount` rows and shows the frame.
  func run(
    _ tile: FeatureTile, firstRow: Int, rowCount: Int, isa: ns_isa, memory: UnsafeMutableRawPointer,
    scratch: inout ScoringScratch, _ body: (GraphFrame) -> Void
  ) {
    unsafe offsets.withUnsafeBufferPointer { offsets in
      var none: Int32 = 0
      unsafe withUnsafePointer(to: &none) { none in
        let frame = unsafe GraphFrame(
          base: memory, offsets: offsets.baseAddress ?? none, tileRowCount: tileRowCount,
          rowCount: rowCount, isa: isa, tile: tile, firstRow: firstRow)
        for step in steps { unsafe step.run(frame, scratch: &scratch) }
        unsafe body(frame)
      }
    }
  }
}
