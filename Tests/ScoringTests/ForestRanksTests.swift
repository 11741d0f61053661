import CKernels
import Testing

/// Ranks of feature values, equal to plain Swift on every instruction set.
struct ForestRanksTests {
  static let counts = [0, 1, 2, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 127, 128, 200, 254, 255]

  @Test(arguments: ForestRanksTests.counts, RankThresholds.allCases)
  func ranksAreNumbersOfThresholdsBelow(count: Int, kind: RankThresholds) {
    var generator = SplitMix(state: UInt64(count) << 8 | kind.rawValue)
    let thresholds = kind.thresholds(count: count, using: &generator)
    let columns = RankColumn.everyPolicy(feature: 0, thresholds: thresholds)
    let values = RankValues.around(thresholds, using: &generator)
    for isa in ForestKernels.isas {
      let ranker = RankerUnderTest(isa: isa, columns: columns, isFloat32: false)
      let ranks = ranker.ranks(of: [values])
      let narrow = ranker.ranks(of: [values.map(Float.init)])
      for (index, column) in columns.enumerated() {
        #expect(ranks[index] == values.map { column.rank(of: $0) }, "\(isa) column \(index)")
        #expect(
          narrow[index] == values.map { column.rank(of: Double(Float($0))) },
          "\(isa) column \(index), floats")
      }
    }
  }

  @Test(arguments: [0, 3, 15, 100, 255])
  func valuesAreRoundedToFloatsFirst(count: Int) {
    var generator = SplitMix(state: UInt64(count))
    let thresholds = RankThresholds.floats.thresholds(count: count, using: &generator)
    var columns = RankColumn.everyPolicy(feature: 0, thresholds: thresholds)
    columns.append(.set(feature: 0, words: [0b1010], flags: 0))
    let values = RankValues.around(thresholds, using: &generator) + [2.99999999999, 3, 2.9999]
    for isa in ForestKernels.isas {
      let ranker = RankerUnderTest(isa: isa, columns: columns, isFloat32: true)
      let ranks = ranker.ranks(of: [values])
      for (index, column) in columns.enumerated() {
        #expect(ranks[index] == values.map { column.rank(of: Double(Float($0))) })
      }
    }
  }

  /// A block without anything missing or small takes other paths than one that has it.
  @Test func blocksAreRankedAlike() {
    let thresholds = [
      -1.5, -Double(ForestKernels.smallLimit), 0, Double(ForestKernels.smallLimit), 0.1, 2,
    ]
    let columns = RankColumn.everyPolicy(feature: 0, thresholds: thresholds)
    let fillings: [[Double]] = [
      [1], [1, .nan], [1, 0], [1, 1e-36, -1e-36], [-1e-50, 1e-50, 1], [.infinity, 1], [.nan],
      [0.1, 0.1.nextUp, 0.1.nextDown],
    ]
    for isa in ForestKernels.isas {
      let ranker = RankerUnderTest(isa: isa, columns: columns, isFloat32: false)
      for filling in fillings {
        let values = (0..<512).map { filling[$0 % filling.count] }
        let ranks = ranker.ranks(of: [values])
        for (index, column) in columns.enumerated() {
          #expect(ranks[index] == values.map { column.rank(of: $0) }, "\(isa) \(filling)")
        }
      }
    }
  }

  /// Columns keep their places whatever order and company they come in.
  @Test func featuresAndColumnsMix() {
    var generator = SplitMix(state: 5)
    var columns: [RankColumn] = []
    for feature in 0..<7 {
      for kind in RankThresholds.allCases {
        let thresholds = kind.thresholds(count: 3 + 9 * feature, using: &generator)
        columns += RankColumn.everyPolicy(feature: feature, thresholds: thresholds)
      }
      columns.append(.set(feature: feature, words: [5, UInt32(feature)], flags: 0))
      columns.append(.set(feature: feature, words: Array(repeating: 9, count: 40), flags: 8))
    }
    columns.shuffle(using: &generator)
    let values = (0..<7).map { _ in
      (0..<1024).map { _ in Double.random(in: -4...4, using: &generator) }
    }
    for isa in ForestKernels.isas {
      let ranks = RankerUnderTest(isa: isa, columns: columns, isFloat32: false).ranks(of: values)
      for (index, column) in columns.enumerated() {
        #expect(ranks[index] == values[column.feature].map { column.rank(of: $0) })
      }
    }
  }

  /// More than 255 thresholds are several columns, and one of them answers each comparison.
  @Test func manyThresholdsAreSplit() {
    var generator = SplitMix(state: 6)
    let thresholds = RankThresholds.doubles.thresholds(count: 700, using: &generator)
    let columns = stride(from: 0, to: 700, by: 255).map { start in
      let part = Array(thresholds[start..<min(start + 255, 700)])
      return RankColumn.numeric(feature: 0, thresholds: part, policy: 1, flags: 0)
    }
    let values = RankValues.around(thresholds, using: &generator).filter { !$0.isNaN }
    for isa in ForestKernels.isas {
      let ranks = RankerUnderTest(isa: isa, columns: columns, isFloat32: false).ranks(of: [values])
      var wrong = 0
      for (node, threshold) in thresholds.enumerated() {
        for (row, value) in values.enumerated() {
          let isLeft = Int(ranks[node / 255][row]) <= node % 255
          if isLeft != (value <= threshold) { wrong += 1 }
        }
      }
      #expect(wrong == 0, "\(isa)")
    }
  }

  @Test(arguments: [1, 2, 31, 61, 62, 100, 125, 126, 253, 254, 257, 480, 481, 512, 513, 2000])
  func setsHoldTheirCategories(categoryCount: Int) {
    var generator = SplitMix(state: UInt64(categoryCount))
    var columns: [RankColumn] = []
    for flags in stride(from: UInt8(0), to: 32, by: 2) {
      for wordCount in Set([0, 1, (categoryCount + 63) / 64, (categoryCount + 31) / 32]).sorted() {
        let words = (0..<wordCount).map { _ in UInt32.random(in: 0...(.max), using: &generator) }
        columns.append(.set(feature: 0, words: words, flags: flags))
      }
    }
    let special: [Double] = [
      .nan, .infinity, -.infinity, -1, -0.5, -0.0, 0, (-1.0).nextUp, -0x1p-1074, -1e-40, -1e300,
      1e300,
      2_147_483_647, 2_147_483_648, 4_294_967_296, 31.999, 0.999, -2_147_483_649, -3,
    ]
    var values = special
    values += (0..<categoryCount + 70).map { Double($0) }
    for _ in 0..<300 {
      values.append(Double.random(in: -2...Double(categoryCount), using: &generator))
    }
    for isa in ForestKernels.isas {
      let ranker = RankerUnderTest(isa: isa, columns: columns, isFloat32: false)
      let ranks = ranker.ranks(of: [values])
      let narrow = ranker.ranks(of: [values.map(Float.init)])
      for (index, column) in columns.enumerated() {
        #expect(ranks[index] == values.map { column.rank(of: $0) }, "\(isa) \(index)")
        #expect(narrow[index] == values.map { column.rank(of: Double(Float($0))) }, "\(isa)")
      }
    }
  }
}

/// What the tests of the forest's kernels share.
enum ForestKernels {
  /// The instruction sets that this CPU has.
  static let isas = [ns_isa_portable, ns_isa_avx2, ns_isa_avx512].filter {
    $0.rawValue <= ns_isa_best().rawValue
  }

  /// Values of at most this size are "small".
  static let smallLimit: Float = 1e-35
}

/// Where thresholds lie.
enum RankThresholds: UInt64, CaseIterable {
  case doubles, floats, betweenFloats, integers, edges, small

  /// Strictly ascending thresholds, fewer than `count` where the kind has no more.
  func thresholds(count: Int, using generator: inout SplitMix) -> [Double] {
    var result: Set<Double> = []
    var candidates = candidates(count: count, using: &generator)
    while result.count < count, let next = candidates.popLast() { result.insert(next) }
    return result.sorted()
  }

  private func candidates(count: Int, using generator: inout SplitMix) -> [Double] {
    let wide = (0..<(2 * count)).map { _ in Double.random(in: -3...3, using: &generator) }
    switch self {
    case .doubles: return wide
    case .floats: return wide.map { Double(Float($0)) }
    case .betweenFloats:
      // Many thresholds between the same two floats, on both sides of zero.
      return (0..<count).map { index in
        let base = index % 3 == 0 ? -0.1 : index % 3 == 1 ? 1 + 1e-9 : -1e-300
        return base * (1 + Double(index) * 0x1p-50)
      }
    case .integers: return (0..<count).map { Double($0 - count / 2) + ($0 % 2 == 0 ? 0 : 0.5) }
    case .edges:
      let edges: [Double] = [
        .infinity, -.infinity, 1e200, -1e200, 3.5e38, -3.5e38, 1e39, .greatestFiniteMagnitude,
        Double(Float.greatestFiniteMagnitude), -Double(Float.greatestFiniteMagnitude),
      ]
      return wide + (count % 2 == 0 ? edges : edges.filter { $0 > 0 })
    case .small:
      let limit = Double(ForestKernels.smallLimit)
      return wide.map { $0 * 1e-35 } + [
        limit, -limit, 0, limit.nextDown, -limit.nextUp, 0x1p-1074, -0x1p-1074, 1e-40, -1e-40,
        1e-300,
        Double(Float.leastNonzeroMagnitude), -Double(Float.leastNonzeroMagnitude),
      ]
    }
  }
}

/// Values that are hard to rank.
enum RankValues {
  static func around(_ thresholds: [Double], using generator: inout SplitMix) -> [Double] {
    let limit = Double(ForestKernels.smallLimit)
    var values: [Double] = [
      .nan, .infinity, -.infinity, 0, -0.0, limit, -limit, limit.nextUp, limit.nextDown,
      -limit.nextUp, -limit.nextDown, 0x1p-1074, -0x1p-1074, 1e-40, -1e-40, 1e-50, -1e-50, 1e300,
      -1e300,
      .greatestFiniteMagnitude, -.greatestFiniteMagnitude, 3.45e38, -3.45e38, -.nan,
    ]
    for threshold in thresholds {
      let float = Float(threshold)
      values += [threshold, threshold.nextUp, threshold.nextDown, Double(float)]
      values += [Double(float.nextUp), Double(float.nextDown)]
      values.append(Double.random(in: 0...1, using: &generator) * (threshold - Double(float)))
      values.append(Double(float) + (threshold - Double(float)) / 2)
    }
    values += (0..<300).map { _ in Double.random(in: -4...4, using: &generator) }
    values.shuffle(using: &generator)
    return values
  }
}

/// A column as plain Swift sees it.
struct RankColumn {
  var feature: Int
  var thresholds: [Double] = []
  var words: [UInt32] = []
  var policy: UInt8
  var flags: UInt8

  static func numeric(
    feature: Int, thresholds: [Double], policy: UInt8, flags: UInt8
  ) -> RankColumn {
    RankColumn(feature: feature, thresholds: thresholds, policy: policy, flags: flags)
  }

  static func set(feature: Int, words: [UInt32], flags: UInt8) -> RankColumn {
    RankColumn(feature: feature, words: words, policy: 5, flags: flags)
  }

  /// All five policies, with small values as they are and as zeros.
  static func everyPolicy(feature: Int, thresholds: [Double]) -> [RankColumn] {
    (0..<10).map { index in
      numeric(
        feature: feature, thresholds: thresholds, policy: UInt8(index / 2), flags: UInt8(index % 2))
    }
  }

  func rank(of value: Double) -> UInt8 {
    if policy == 5 { return isInSet(value) ? 0 : 255 }
    let isSmall = abs(value) <= Double(ForestKernels.smallLimit)
    if policy == 3, isSmall || value.isNaN { return 0 }
    if policy == 4, isSmall || value.isNaN { return 255 }
    if policy == 1, value.isNaN { return 0 }
    if policy == 2, value.isNaN { return 255 }
    let number = value.isNaN || isSmall && flags & 1 != 0 ? 0 : value
    return UInt8(thresholds.reduce(0) { $1 < number ? $0 + 1 : $0 })
  }

  private func isInSet(_ value: Double) -> Bool {
    if value.isNaN { return flags & 2 != 0 }
    if flags & 16 != 0 ? value < 0 : value <= -1 { return flags & 4 != 0 }
    let category = Int(min(value, 2_147_483_648))
    guard category < 32 * words.count else { return flags & 8 != 0 }
    return words[category / 32] >> UInt32(category % 32) & 1 != 0
  }
}

/// A ranker of the kernels.
@safe final class RankerUnderTest {
  private let raw: OpaquePointer
  /// Of each column whether it is a set.
  private let isSet: [Bool]

  init(isa: ns_isa, columns: [RankColumn], isFloat32: Bool) {
    var thresholds: [Double] = []
    var words: [UInt32] = []
    var list: [ns_forest_column] = []
    for column in columns {
      let isSet = column.policy == 5
      list.append(
        ns_forest_column(
          feature: UInt32(column.feature), start: UInt32(isSet ? words.count : thresholds.count),
          count: UInt32(isSet ? column.words.count : column.thresholds.count),
          policy: column.policy, flags: column.flags))
      thresholds += column.thresholds
      words += column.words
    }
    thresholds.append(0)  // so that no array is empty
    words.append(0)
    let created = unsafe ns_forest_ranker_create(
      isa, list, list.count, thresholds, words, isFloat32 ? 1 : 0)
    guard let created = unsafe created else { fatalError("no memory") }
    unsafe raw = created
    isSet = columns.map { $0.policy == 5 }
  }

  deinit { unsafe ns_forest_ranker_destroy(raw) }

  /// Ranks by columns, 0 or 255 for sets, of values by features.
  func ranks(of values: [[Double]]) -> [[UInt8]] {
    unsafe ranks(of: values, rank: ns_forest_rank_f64)
  }

  func ranks(of values: [[Float]]) -> [[UInt8]] {
    unsafe ranks(of: values, rank: ns_forest_rank_f32)
  }

  private func ranks<Value: BinaryFloatingPoint>(
    of values: [[Value]],
    rank: (
      OpaquePointer, UnsafePointer<Value>, Int, UnsafeMutablePointer<UInt8>,
      UnsafeMutablePointer<UInt8>
    ) -> Void
  ) -> [[UInt8]] {
    let count = values[0].count
    let stride = (count + 511) / 512 * 512 + 3
    // One value more in front, so that features are not aligned.
    var cells = [Value](repeating: 0.25, count: 1 + stride * values.count)
    for (feature, column) in values.enumerated() {
      for (row, value) in column.enumerated() { cells[1 + feature * stride + row] = value }
    }
    let numericCount = isSet.count { !$0 }
    let setCount = isSet.count - numericCount
    // Set columns are expanded behind the others.
    let block = unsafe Self.memory(byteCount: isSet.count * 512)
    let sets = unsafe Self.memory(byteCount: setCount * 64)
    defer {
      unsafe block.deallocate()
      unsafe sets.deallocate()
    }
    var places: [Int] = []
    var (numericPlace, setPlace) = (0, numericCount)
    for isSet in isSet {
      places.append(isSet ? setPlace : numericPlace)
      if isSet { setPlace += 1 } else { numericPlace += 1 }
    }
    var result = [[UInt8]](repeating: [], count: isSet.count)
    unsafe cells.withUnsafeBufferPointer { cells in
      guard let first = cells.baseAddress else { return }
      for start in Swift.stride(from: 0, to: count, by: 512) {
        unsafe rank(raw, first + 1 + start, stride, block, sets)
        unsafe ns_forest_expand_sets(sets, setCount, block + numericCount * 512)
        for (column, place) in places.enumerated() {
          let rows = unsafe UnsafeBufferPointer(
            start: block + place * 512, count: min(512, count - start))
          unsafe result[column].append(contentsOf: rows)
        }
      }
    }
    return result
  }

  private static func memory(byteCount: Int) -> UnsafeMutablePointer<UInt8> {
    unsafe UnsafeMutableRawPointer.allocate(byteCount: max(byteCount, 64), alignment: 64)
      .bindMemory(to: UInt8.self, capacity: max(byteCount, 64))
  }
}
