import CKernels
import Testing

/// The codes of oblivious trees, against the tests one by one.
struct ObliviousTests {
  /// Depths up to 8 have a byte for a code, and one deeper tree makes all codes wider.
  @Test(arguments: [0, 1, 6, 8, 9, 16])
  func everyDepthIsCoded(deepest: Int) throws {
    var random = SplitMix(state: UInt64(deepest))
    var forest = LevelForest(columnCount: 20)
    for tree in 0..<150 {
      forest.add(depth: tree == 100 ? deepest : Int.random(in: 0...deepest, using: &random)) {
        let column = Int.random(in: 0..<20, using: &random)
        // Few thresholds in the first columns, and a set's 0 and 255 in the very first.
        let limit = [1, 4, 9, 10, 11].dropFirst(column).first ?? 255
        return (column, Int.random(in: 0..<limit, using: &random))
      }
    }
    let ranks = RankBlock(columnCount: 20, using: &random)
    for isa in instructionSets() { try forest.check(ranks, isa: isa, using: &random) }
  }

  @Test func setsAreTested() throws {
    var random = SplitMix(state: 22)
    var forest = LevelForest(columnCount: 3, setCount: 9)
    for tree in 0..<60 {
      forest.add(depth: tree % 9) {
        let column = Int.random(in: 0..<12, using: &random)
        if column >= 3 { return (Int(NS_FOREST_SET) + column - 3, 0) }
        return (column, Int.random(in: 0..<255, using: &random))
      }
    }
    let ranks = RankBlock(columnCount: 3, setCount: 9, using: &random)
    for isa in instructionSets() { try forest.check(ranks, isa: isa, using: &random) }
  }

  @Test func everyRankMeetsEveryThreshold() throws {
    var random = SplitMix(state: 21)
    var forest = LevelForest(columnCount: 2)
    for threshold in 0..<255 {
      var tests = [(column: 1, threshold: threshold), (column: 0, threshold: 254 - threshold)]
      forest.add(depth: 2) { tests.removeLast() }
    }
    let ranks = RankBlock(columnCount: 2) { column, row in
      UInt8(truncatingIfNeeded: column == 0 ? row : row &* 37)
    }
    for isa in instructionSets() { try forest.check(ranks, isa: isa, using: &random) }
  }
}

/// Oblivious trees for the kernel and for the comparison.
private struct LevelForest {
  let columnCount: Int
  let setCount: Int
  private var levels: [ns_oblivious_level] = []
  private var ends: [UInt32] = []

  init(columnCount: Int, setCount: Int = 0) {
    self.columnCount = columnCount
    self.setCount = setCount
  }

  mutating func add(depth: Int, test: () -> (column: Int, threshold: Int)) {
    for _ in 0..<depth {
      let (column, threshold) = test()
      levels.append(
        ns_oblivious_level(column: UInt32(column), threshold: UInt32(threshold)))
    }
    ends.append(UInt32(levels.count))
  }

  private func treeLevels(_ tree: Int) -> ArraySlice<ns_oblivious_level> {
    levels[(tree == 0 ? 0 : Int(ends[tree - 1]))..<Int(ends[tree])]
  }

  private func code(tree: Int, row: Int, in ranks: RankBlock) -> Int {
    treeLevels(tree).reversed().reduce(0) { code, level in
      code * 2 + (ranks.rank(level.column, row) > level.threshold ? 1 : 0)
    }
  }

  /// Compares the kernel's codes for every tree and row with the tests.
  func check(_ ranks: RankBlock, isa: ns_isa, using random: inout SplitMix) throws {
    guard
      let forest = unsafe ns_oblivious_create(
        levels, ends, UInt32(ends.count), UInt32(columnCount), UInt32(setCount))
    else {
      Issue.record("no memory")
      return
    }
    defer { unsafe ns_oblivious_destroy(forest) }
    let isWide = ends.indices.contains { treeLevels($0).count > 8 }
    let codeSize = unsafe Int(ns_oblivious_code_size(forest))
    try #require(codeSize == (isWide ? 2 : 1))
    let scratch = unsafe UnsafeMutableRawPointer.allocate(
      byteCount: ns_oblivious_scratch_size(forest), alignment: 64)
    defer { unsafe scratch.deallocate() }
    unsafe ns_oblivious_sets(forest, scratch).update(from: ranks.sets, count: ranks.sets.count)
    unsafe ns_oblivious_prepare(forest, isa, ranks.bytes, scratch)
    var tree = 0
    while tree < ends.count {
      let groupCount = min(Int.random(in: 1...100, using: &random), ends.count - tree)
      let codeCount = groupCount * RankBlock.rowCount
      // One more code than there is room for, which has to stay as it is.
      var bytes = [UInt8](repeating: 77, count: (codeCount + 1) * codeSize)
      unsafe ns_oblivious_run(forest, isa, UInt32(tree), UInt32(groupCount), &bytes, scratch)
      #expect(bytes.suffix(codeSize).allSatisfy { $0 == 77 })
      let differs = (0..<codeCount).first { place in
        let low = Int(bytes[place * codeSize]), high = Int(bytes[place * codeSize + codeSize - 1])
        let row = place % RankBlock.rowCount
        let expected = code(tree: tree + place / RankBlock.rowCount, row: row, in: ranks)
        return (codeSize == 2 ? low + high << 8 : low) != expected
      }
      #expect(differs == nil, "trees from \(tree), isa \(isa.rawValue)")
      tree += groupCount
    }
  }
}
