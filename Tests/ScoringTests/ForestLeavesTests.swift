import CKernels
import Testing

/// Leaf sums, equal by bits to plain loops on every instruction set.
struct ForestLeavesTests {
  /// Trees handed over in groups of this size.
  static let groups = [1, 7, 16, 32, 300]

  @Test(arguments: [1, 3], ForestLeavesTests.groups)
  func doublesAreAddedInOrder(outputCount: Int, group: Int) {
    let forest = LeafForest(outputCount: outputCount)
    let expected = forest.sums(start: -0.0) { $0 + $1 }.map(\.bitPattern)
    for isa in ForestKernels.isas {
      let leaves = LeavesUnderTest(isa: isa, kind: ns_forest_leaves_double, forest: forest)
      let sums = leaves.sums(forest, group: group, start: -0.0)
      #expect(sums.map(\.bitPattern) == expected, "\(isa)")
    }
  }

  @Test(arguments: [1, 3], ForestLeavesTests.groups)
  func floatsAreAddedInOrder(outputCount: Int, group: Int) {
    let forest = LeafForest(outputCount: outputCount)
    let expected = forest.sums(start: Float(0.5)) { $0 + Float($1) }.map(\.bitPattern)
    for isa in ForestKernels.isas {
      let leaves = LeavesUnderTest(isa: isa, kind: ns_forest_leaves_float, forest: forest)
      let sums = leaves.sums(forest, group: group, start: Float(0.5))
      #expect(sums.map(\.bitPattern) == expected, "\(isa)")
    }
  }

  @Test(arguments: [1, 3], ForestLeavesTests.groups)
  func fixedPointIsWithinItsBound(outputCount: Int, group: Int) {
    let forest = LeafForest(outputCount: outputCount)
    let exact = forest.sums(start: 0.0) { $0 + $1 }
    for isa in ForestKernels.isas {
      let leaves = LeavesUnderTest(isa: isa, kind: ns_forest_leaves_fixed, forest: forest)
      let units = (0..<outputCount).map { leaves.unit(of: $0) }
      let expected = forest.sums(start: Int32(0)) { sum, value, output in
        sum + Int32((value / units[output]).rounded(.toNearestOrEven))
      }
      let sums = leaves.sums(forest, group: group, start: Int32(0))
      #expect(sums == expected, "\(isa)")
      for (index, sum) in sums.enumerated() {
        let output = index / 512
        let bound = Double(forest.tables.count { $0.output == output }) / 2 * units[output]
        #expect(abs(Double(sum) * units[output] - exact[index]) <= bound * (1 + 1e-9))
      }
    }
  }

  /// The unit is the least power of two whose sums cannot overflow.
  @Test func unitsAreTheLeastThatFit() {
    for isa in ForestKernels.isas {
      // The halves of two thousand trees do not fit beside this many units.
      let full = Array(repeating: (0x1p31 - 500) / 2000, count: 2000)
      for values in [[1.0, -3], [1e300, 2], [1e-300, 0], [0, 0], [0x1p-1074], full] {
        let forest = LeafForest(values: values.map { [$0] })
        let leaves = LeavesUnderTest(isa: isa, kind: ns_forest_leaves_fixed, forest: forest)
        let unit = leaves.unit(of: 0)
        func size(_ unit: Double) -> Double {
          values.reduce(0) { $0 + abs($1) / unit + 0.5 }
        }
        #expect(unit.significand == 1 && size(unit) < 0x1p31)
        let isLeast = size(unit / 2) > 0x1p31 * (1 - 1e-8)
        #expect(isLeast || unit == 1 || unit == .leastNormalMagnitude)
      }
    }
  }

  @Test func fixedPointHasNoPlaceForInfinity() {
    for value in [Double.infinity, -.infinity, .nan] {
      let forest = LeafForest(values: [[1, value]])
      #expect(!LeavesUnderTest.canBeMade(kind: ns_forest_leaves_fixed, forest: forest))
      #expect(LeavesUnderTest.canBeMade(kind: ns_forest_leaves_double, forest: forest))
    }
  }

  @Test func infinityAndHugeLeavesAreAdded() {
    let forest = LeafForest(values: [[1, .infinity], [1e308, -0x1p-1074], [1e308, -0.0], [2]])
    let expected = forest.sums(start: -0.0) { $0 + $1 }.map(\.bitPattern)
    for isa in ForestKernels.isas {
      let leaves = LeavesUnderTest(isa: isa, kind: ns_forest_leaves_double, forest: forest)
      let sums = leaves.sums(forest, group: 4, start: -0.0)
      #expect(sums.map(\.bitPattern) == expected, "\(isa)")
    }
  }
}

/// Trees of leaves, and the leaf that each of 512 rows reaches in each.
struct LeafForest {
  struct Table {
    var tree: Int
    var output: Int
    var start: Int
    var stride: Int
    var codeCount: Int
  }

  var outputCount: Int
  var treeCount = 0
  var tables: [Table] = []
  var values: [Double] = []
  var codes: [UInt8] = []

  /// Trees with every number of leaves, in mixed order.
  ///
  /// Every ninth has a vector of all outputs in its leaves. Enough trees of 31 leaves follow to
  /// fill more than one call of a kernel.
  init(outputCount: Int) {
    self.outputCount = outputCount
    var generator = SplitMix(state: UInt64(outputCount))
    let counts =
      Array(1...256).shuffled(using: &generator) + Array(repeating: 31, count: 80) + [64, 128, 256]
    for (tree, count) in counts.enumerated() {
      let isVector = tree % 9 == 4
      let width = isVector ? outputCount : 1
      for output in 0..<width {
        tables.append(
          Table(
            tree: tree, output: isVector ? output : tree % outputCount,
            start: values.count + output, stride: width, codeCount: count))
      }
      values += (0..<(count * width)).map { _ in Double.random(in: -2...2, using: &generator) }
      codes += (0..<512).map { row in
        row < count ? UInt8(row) : UInt8.random(in: 0...UInt8(count - 1), using: &generator)
      }
    }
    treeCount = counts.count
  }

  /// One output; row r reaches leaf r of each tree, again and again.
  init(values lists: [[Double]]) {
    outputCount = 1
    treeCount = lists.count
    for (tree, list) in lists.enumerated() {
      tables.append(
        Table(tree: tree, output: 0, start: values.count, stride: 1, codeCount: list.count))
      values += list
      codes += (0..<512).map { UInt8($0 % list.count) }
    }
  }

  func sums<Sum>(start: Sum, add: (Sum, Double) -> Sum) -> [Sum] {
    sums(start: start) { sum, value, _ in add(sum, value) }
  }

  /// What a plain loop over rows and trees gives.
  func sums<Sum>(start: Sum, add: (Sum, Double, Int) -> Sum) -> [Sum] {
    var sums = [Sum](repeating: start, count: 512 * outputCount)
    for table in tables {
      for row in 0..<512 {
        let value = values[table.start + Int(codes[table.tree * 512 + row]) * table.stride]
        let at = table.output * 512 + row
        sums[at] = add(sums[at], value, table.output)
      }
    }
    return sums
  }
}

/// Leaf tables of the kernels.
@safe final class LeavesUnderTest {
  private let raw: OpaquePointer

  init(isa: ns_isa, kind: ns_forest_leaves_kind, forest: LeafForest) {
    guard let created = unsafe LeavesUnderTest.make(isa: isa, kind: kind, forest: forest) else {
      fatalError("no leaves")
    }
    unsafe raw = created
  }

  deinit { unsafe ns_forest_leaves_destroy(raw) }

  static func canBeMade(kind: ns_forest_leaves_kind, forest: LeafForest) -> Bool {
    let created = unsafe make(isa: ns_isa_best(), kind: kind, forest: forest)
    defer { unsafe ns_forest_leaves_destroy(created) }
    return unsafe created != nil
  }

  private static func make(
    isa: ns_isa, kind: ns_forest_leaves_kind, forest: LeafForest
  ) -> OpaquePointer? {
    let tables = forest.tables.map { table in
      ns_forest_leaf_table(
        start: table.start, stride: UInt32(table.stride), codeCount: UInt32(table.codeCount),
        tree: UInt32(table.tree), output: UInt32(table.output))
    }
    return unsafe ns_forest_leaves_create(isa, kind, tables, tables.count, forest.values)
  }

  func unit(of output: Int) -> Double { unsafe ns_forest_leaves_unit(raw, UInt32(output)) }

  /// All trees' sums by outputs and rows, added in groups of trees.
  func sums(_ forest: LeafForest, group: Int, start: Double) -> [Double] {
    unsafe sums(forest, group: group, start: start, add: ns_forest_leaves_add_f64)
  }

  func sums(_ forest: LeafForest, group: Int, start: Float) -> [Float] {
    unsafe sums(forest, group: group, start: start, add: ns_forest_leaves_add_f32)
  }

  func sums(_ forest: LeafForest, group: Int, start: Int32) -> [Int32] {
    unsafe sums(forest, group: group, start: start, add: ns_forest_leaves_add_i32)
  }

  private func sums<Sum>(
    _ forest: LeafForest, group: Int, start: Sum,
    add: (OpaquePointer, UInt32, UInt32, UnsafePointer<UInt8>, UnsafeMutablePointer<Sum>) -> Void
  ) -> [Sum] {
    let sumCount = forest.outputCount * 512
    let memory = UnsafeMutableRawPointer.allocate(
      byteCount: sumCount * MemoryLayout<Sum>.stride, alignment: 64)
    let codes = UnsafeMutableRawBufferPointer.allocate(byteCount: group * 512, alignment: 64)
    defer {
      unsafe memory.deallocate()
      unsafe codes.deallocate()
    }
    let sums = unsafe memory.bindMemory(to: Sum.self, capacity: sumCount)
    unsafe sums.initialize(repeating: start, count: sumCount)
    for first in stride(from: 0, to: forest.treeCount, by: group) {
      let count = min(group, forest.treeCount - first)
      unsafe codes.copyBytes(from: forest.codes[(first * 512)..<((first + count) * 512)])
      guard let base = codes.baseAddress else { continue }
      unsafe add(raw, UInt32(first), UInt32(count), base.assumingMemoryBound(to: UInt8.self), sums)
    }
    return unsafe Array(UnsafeBufferPointer(start: sums, count: sumCount))
  }
}
