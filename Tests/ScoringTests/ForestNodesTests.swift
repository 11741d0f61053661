import CKernels
import Testing

/// The leaf that each row reaches, against a plain walk from node to node.
struct ForestNodesTests {
  /// Every leaf count, in turn in each form, over columns with few and with many thresholds.
  @Test(arguments: Forms.allCases)
  func everyLeafCountIsWalked(form: Forms) throws {
    var random = SplitMix(state: 11)
    var forest = SampleForest(columnCount: 24)
    for leafCount in 1...256 {
      forest.add(leafCount: leafCount, form: form, using: &random) { random in
        let column = Int.random(in: 0..<24, using: &random)
        // The first columns have few thresholds, and so have masks instead of digits.
        let threshold = Int.random(in: 0..<(column < 8 ? column + 1 : 255), using: &random)
        return (column, column < 8 ? threshold * 31 : threshold)
      }
    }
    let ranks = RankBlock(columnCount: 24, using: &random)
    for isa in instructionSets() { try forest.check(ranks, isa: isa, using: &random) }
  }

  /// Each threshold alone, against each rank.
  @Test func everyRankMeetsEveryThreshold() throws {
    var random = SplitMix(state: 12)
    var forest = SampleForest(columnCount: 1)
    for threshold in 0..<255 {
      forest.add(leafCount: 2, form: .balanced, using: &random) { _ in (0, threshold) }
    }
    let ranks = RankBlock(columnCount: 1) { _, row in UInt8(truncatingIfNeeded: row) }
    for isa in instructionSets() { try forest.check(ranks, isa: isa, using: &random) }
  }

  /// Columns on both sides of the count of thresholds from which digits are used.
  @Test(arguments: 1...12)
  func fewThresholdsMeetEveryRank(thresholdCount: Int) throws {
    var random = SplitMix(state: UInt64(thresholdCount))
    var forest = SampleForest(columnCount: 3)
    let thresholds = [0, 254, 15, 16, 127, 128, 63, 64, 239, 240, 1, 253].prefix(thresholdCount)
    for threshold in thresholds {
      forest.add(leafCount: 2, form: .balanced, using: &random) { _ in (1, threshold) }
    }
    let ranks = RankBlock(columnCount: 3) { column, row in
      UInt8(truncatingIfNeeded: column == 1 ? row : 255 - row)
    }
    for isa in instructionSets() { try forest.check(ranks, isa: isa, using: &random) }
  }

  /// Set columns among others, and by themselves.
  @Test(arguments: [0, 5])
  func setsAreTested(columnCount: Int) throws {
    var random = SplitMix(state: 15)
    var forest = SampleForest(columnCount: columnCount, setCount: 40)
    for leafCount in [1, 2, 31, 64, 255, 256] {
      forest.add(leafCount: leafCount, form: .leafWise, using: &random) { random in
        let column = Int.random(in: 0..<columnCount + 40, using: &random)
        if column >= columnCount { return (Int(NS_FOREST_SET) + column - columnCount, 0) }
        return (column, Int.random(in: 0..<255, using: &random))
      }
    }
    let ranks = RankBlock(columnCount: columnCount, setCount: 40, using: &random)
    for isa in instructionSets() { try forest.check(ranks, isa: isa, using: &random) }
  }

  /// So many columns that a step's short offsets do not reach all masks.
  @Test func forestsOfManyMasksAreWalked() throws {
    var random = SplitMix(state: 13)
    var forest = SampleForest(columnCount: 400)
    for leafCount in [255, 256, 31, 1, 64] + Array(repeating: 200, count: 25) {
      forest.add(leafCount: leafCount, form: .leafWise, using: &random) { random in
        (Int.random(in: 0..<400, using: &random), Int.random(in: 0..<255, using: &random))
      }
    }
    let ranks = RankBlock(columnCount: 400, using: &random)
    for isa in instructionSets() { try forest.check(ranks, isa: isa, using: &random) }
  }

  @Test func aForestOfNoTreesIsNothing() throws {
    var random = SplitMix(state: 14)
    let forest = SampleForest(columnCount: 0)
    let ranks = RankBlock(columnCount: 0, using: &random)
    for isa in instructionSets() { try forest.check(ranks, isa: isa, using: &random) }
  }
}

/// How a random tree grows.
enum Forms: CaseIterable {
  case balanced, leafWise, leftChain, rightChain, zigzag
}

/// The sets of instructions that this CPU has.
func instructionSets() -> [ns_isa] {
  [ns_isa_portable, ns_isa_avx2, ns_isa_avx512].filter { $0.rawValue <= ns_isa_best().rawValue }
}

/// Rank columns of one block.
struct RankBlock {
  static let rowCount = Int(NS_FOREST_ROWS)
  let bytes: [UInt8]
  /// The bits of sets; those of a byte are 64 rows apart.
  var sets: [UInt8] = []

  init(columnCount: Int, rank: (_ column: Int, _ row: Int) -> UInt8) {
    bytes = (0..<columnCount * Self.rowCount).map { rank($0 / Self.rowCount, $0 % Self.rowCount) }
  }

  /// Random ranks, a quarter of them 0 or 255, as for missing values and sets.
  init(columnCount: Int, setCount: Int = 0, using random: inout SplitMix) {
    sets = (0..<setCount * Int(NS_FOREST_MASK_BYTES)).map { _ in
      UInt8(truncatingIfNeeded: random.next())
    }
    bytes = (0..<columnCount * Self.rowCount).map { _ in
      let bits = random.next()
      switch bits & 7 {
      case 0: return 0
      case 1: return 255
      default: return UInt8(truncatingIfNeeded: bits >> 8)
      }
    }
  }

  /// A rank, or a set's bit.
  func rank(_ column: UInt32, _ row: Int) -> UInt32 {
    if column & NS_FOREST_SET != 0 {
      let first = Int(column ^ NS_FOREST_SET) * Int(NS_FOREST_MASK_BYTES)
      return UInt32(sets[first + row % 64]) >> UInt32(row / 64) & 1
    }
    return UInt32(bytes[Int(column) * Self.rowCount + row])
  }
}

/// Trees for the kernel and for the walk.
struct SampleForest {
  let columnCount: Int
  let setCount: Int
  private(set) var nodes: [ns_forest_node] = []
  private(set) var ends: [UInt32] = []

  init(columnCount: Int, setCount: Int = 0) {
    self.columnCount = columnCount
    self.setCount = setCount
  }

  /// A leaf to be split: the node it hangs from, on which side, and how deep.
  private struct Tip {
    var parent: Int?
    var isRight: Bool
    var depth: Int
  }

  /// Adds a tree that splits leaves until there are enough, each with the next `test`.
  mutating func add(
    leafCount: Int, form: Forms, using random: inout SplitMix,
    test: (inout SplitMix) -> (column: Int, threshold: Int)
  ) {
    let first = nodes.count
    var tips = [Tip(parent: nil, isRight: false, depth: 0)]
    while tips.count < leafCount {
      let tip = tips.remove(at: Self.place(in: tips, form: form, using: &random))
      let id = nodes.count - first
      hang(Int32(id), from: tip, first: first)
      let (column, threshold) = test(&random)
      nodes.append(
        ns_forest_node(
          column: UInt32(column), threshold: UInt32(threshold), left: 0, right: 0))
      for isRight in [false, true] {
        tips.append(Tip(parent: id, isRight: isRight, depth: tip.depth + 1))
      }
    }
    tips.shuffle(using: &random)
    for (leaf, tip) in tips.enumerated() { hang(~Int32(leaf), from: tip, first: first) }
    ends.append(UInt32(nodes.count))
  }

  private static func place(
    in tips: [Tip], form: Forms, using random: inout SplitMix
  ) -> Int {
    switch form {
    case .balanced: return tips.indices.min { tips[$0].depth < tips[$1].depth } ?? 0
    case .leafWise: return Int.random(in: 0..<tips.count, using: &random)
    case .leftChain: return max(tips.count - 2, 0)
    case .rightChain: return tips.count - 1
    case .zigzag: return max(tips.count - 1 - tips.count % 2, 0)
    }
  }

  private mutating func hang(_ child: Int32, from tip: Tip, first: Int) {
    guard let parent = tip.parent else { return }
    if tip.isRight {
      nodes[first + parent].right = child
    } else {
      nodes[first + parent].left = child
    }
  }

  private func firstNode(of tree: Int) -> Int { tree == 0 ? 0 : Int(ends[tree - 1]) }

  /// The leaf that a row reaches.
  func leaf(tree: Int, row: Int, in ranks: RankBlock) -> Int {
    let first = firstNode(of: tree)
    var place: Int32 = first < Int(ends[tree]) ? 0 : ~0
    while place >= 0 {
      let node = nodes[first + Int(place)]
      place = ranks.rank(node.column, row) <= node.threshold ? node.left : node.right
    }
    return Int(~place)
  }

  /// Compares the kernel's codes for every tree and row with the walk's leaves.
  func check(_ ranks: RankBlock, isa: ns_isa, using random: inout SplitMix) throws {
    guard
      let forest = unsafe ns_forest_nodes_create(
        nodes, ends, UInt32(ends.count), UInt32(columnCount), UInt32(setCount))
    else {
      Issue.record("no memory")
      return
    }
    defer { unsafe ns_forest_nodes_destroy(forest) }
    let scratch = unsafe UnsafeMutableRawPointer.allocate(
      byteCount: ns_forest_nodes_scratch_size(forest), alignment: 64)
    defer { unsafe scratch.deallocate() }
    unsafe ns_forest_nodes_sets(forest, scratch).update(
      from: ranks.sets, count: ranks.sets.count)
    unsafe ns_forest_nodes_prepare(forest, isa, ranks.bytes, scratch)
    var tree = 0
    while tree < ends.count {
      let groupCount = min(Int.random(in: 1...100, using: &random), ends.count - tree)
      // One more code than there is room for, which has to stay as it is.
      var codes = [UInt8](repeating: 77, count: groupCount * RankBlock.rowCount + 1)
      unsafe ns_forest_nodes_run(forest, isa, UInt32(tree), UInt32(groupCount), &codes, scratch)
      #expect(codes.removeLast() == 77)
      for place in 0..<groupCount {
        let table = unsafe try leaves(of: tree + place, codes: forest)
        let first = place * RankBlock.rowCount
        let differs = (0..<RankBlock.rowCount).first { row in
          table[Int(codes[first + row])] != leaf(tree: tree + place, row: row, in: ranks)
        }
        #expect(differs == nil, "tree \(tree + place), isa \(isa.rawValue)")
      }
      tree += groupCount
    }
  }

  /// The leaf of every code of a tree, nil where a code has none.
  private func leaves(of tree: Int, codes forest: OpaquePointer) throws -> [Int?] {
    let leafCount = Int(ends[tree]) - firstNode(of: tree) + 1
    let codeCount = unsafe Int(ns_forest_nodes_code_count(forest, UInt32(tree)))
    #expect([32, 64, 128, 256].first { $0 >= leafCount } == codeCount)
    var table = [Int?](repeating: nil, count: 256)
    for leaf in 0..<leafCount {
      let code = unsafe Int(ns_forest_nodes_code(forest, UInt32(tree), UInt32(leaf)))
      try #require(code < codeCount)
      #expect(table[code] == nil, "two leaves of tree \(tree) have code \(code)")
      table[code] = leaf
    }
    return table
  }
}
