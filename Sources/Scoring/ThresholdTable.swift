internal import Models

/// The distinct thresholds of each feature, and each split's place among those of its feature.
///
/// Found by hashing, because sorting all and then searching for each takes a fifth of the time of
/// reading a model. The hash is seeded: no file can be made whose thresholds meet in few places.
struct ThresholdTable {
  /// Ascending for each feature, feature after feature.
  private(set) var thresholds: [Double] = []
  /// Where the thresholds of each feature stand among all.
  private(set) var ranges: [Range<Int>] = []
  /// Of each split the place of its threshold among those of its feature; of no meaning for sets.
  private(set) var places: [Int32]

  /// What no threshold is: a NaN.
  private static let free = UInt64.max

  /// Takes the thresholds of splits, as `comparable` makes them.
  ///
  /// - Returns: nil if a threshold is NaN, or if slots would be too many for their numbers.
  init?(
    _ splits: [TreeEnsemble.Split], featureCount: Int, comparable: (Double) -> Double
  ) {
    guard splits.count < 1 << 28 else { return nil }
    var counts = Array(repeating: 0, count: featureCount)
    for split in splits {
      guard case .atMost(let threshold, _) = split.test else { continue }
      if threshold.isNaN { return nil }
      counts[Int(split.feature)] += 1
    }
    // Each feature has a power of two of slots, at least twice as many as thresholds.
    let bits = counts.map { $0 == 0 ? 0 : Int.bitWidth - (2 * $0 - 1).leadingZeroBitCount }
    var firsts = [0]
    for (count, bits) in zip(counts, bits) {
      firsts.append(firsts[firsts.count - 1] + (count == 0 ? 0 : 1 << bits))
    }
    var slots = Array(repeating: Self.free, count: firsts[featureCount])
    places = Array(repeating: 0, count: splits.count)
    let seed = UInt64.random(in: 0...UInt64.max) | 1
    for (index, split) in splits.enumerated() {
      guard case .atMost(let threshold, _) = split.test else { continue }
      let feature = Int(split.feature)
      let pattern = comparable(threshold).bitPattern
      let (first, mask) = (firsts[feature], 1 << bits[feature] - 1)
      let mixed = (pattern ^ pattern >> 32) &* seed
      var slot = Int(truncatingIfNeeded: mixed >> UInt64(UInt64.bitWidth - bits[feature]))
      while slots[first + slot] != pattern {
        if slots[first + slot] == Self.free {
          slots[first + slot] = pattern
          break
        }
        slot = (slot + 1) & mask
      }
      places[index] = Int32(first + slot)
    }
    rank(slots, firsts)
  }

  /// Sorts what the slots of each feature hold, and makes places of the numbers of slots.
  private mutating func rank(_ slots: [UInt64], _ firsts: [Int]) {
    var placeOfSlot = Array(repeating: Int32(0), count: slots.count)
    for feature in 0..<firsts.count - 1 {
      let start = thresholds.count
      var entries: [(threshold: Double, slot: Int)] = []
      for slot in firsts[feature]..<firsts[feature + 1] where slots[slot] != Self.free {
        entries.append((Double(bitPattern: slots[slot]), slot))
      }
      entries.sort { $0.threshold < $1.threshold }
      for (place, entry) in entries.enumerated() {
        thresholds.append(entry.threshold)
        placeOfSlot[entry.slot] = Int32(place)
      }
      ranges.append(start..<thresholds.count)
    }
    for index in places.indices where !slots.isEmpty {
      places[index] = placeOfSlot[Int(places[index])]
    }
  }
}
