internal import CKernels
package import Models

/// Scores rows with oblivious trees.
///
/// Equal to CatBoost 1.2.10 bit for bit in raw scores: leaves are added as doubles in the order of
/// the trees.
package struct ObliviousScorer: Scorer {
  package let inputs: [ModelInput]
  package let outputs: [ModelOutput]
  package let objective: Objective
  private let ensemble: ObliviousEnsemble
  /// The inputs that are texts and asked for.
  private let textFeatures: [Int]
  /// The hashes that each of them is compared with.
  private let wantedHashes: [[UInt32]]
  /// nil if the trees are scored level by level: some are too deep.
  private let forest: RankForest?
  private let instructions: InstructionSet

  private static let tileRowCount = RankForest.rowCount

  /// Prepares the trees of a model.
  ///
  /// - Parameters:
  ///   - ensemble: the trees.
  ///   - inputs: one for each feature.
  ///   - objective: what makes predictions of the raw scores.
  ///   - classNames: a name for each output, or none.
  ///   - instructions: what kernels may use.
  ///   - goesByLevels: whether rows go level by level even where all levels could be evaluated.
  /// - Throws: `ModelError` if there is no memory.
  package init(
    _ ensemble: ObliviousEnsemble, inputs: [ModelInput], objective: Objective,
    classNames: [String] = [], instructions: InstructionSet = .best, goesByLevels: Bool = false
  ) throws(ModelError) {
    precondition(inputs.count == ensemble.featureCount)
    self.ensemble = ensemble
    self.inputs = inputs
    self.objective = objective
    self.instructions = instructions
    textFeatures = ensemble.usedFeatures.filter { inputs[$0].isText }.sorted()
    let hashLevels = Set(ensemble.levels.filter { $0.hash != nil })
    let levelsByFeature = Dictionary(grouping: hashLevels) { Int($0.feature) }
    let levels = textFeatures.map { feature in
      (levelsByFeature[feature] ?? []).sorted { ($0.hash ?? 0) < ($1.hash ?? 0) }
    }
    wantedHashes = levels.map { $0.compactMap(\.hash) }
    let ordered = levels.flatMap(\.self)
    forest =
      goesByLevels || inputs.isEmpty || ordered.count < hashLevels.count
      ? nil : try RankForest(ensemble, hashes: ordered, instructions: instructions)
    outputs = [
      ModelOutput(
        name: "prediction", kind: .float64, width: ensemble.outputCount, elementNames: classNames)
    ]
  }

  package var summary: ScorerSummary {
    ScorerSummary(
      sizes: [
        ("trees", ensemble.trees.count),
        ("leaves", ensemble.leafValues.count / ensemble.outputCount),
      ],
      kernels: [kernel])
  }

  private var kernel: String {
    guard let forest else {
      return "oblivious: level by level for all rows of a tile, because a tree is deep"
    }
    return """
      oblivious ranks (\(instructions)): every level for \(RankForest.rowCount) rows at once, \
      \(forest.columnCount) byte columns of \(forest.thresholdCount) borders and \
      \(wantedHashes.reduce(0) { $0 + $1.count }) bit columns of texts
      """
  }

  package func score(
    _ tile: FeatureTile, mode: ScoreMode, into output: UnsafeMutableBufferPointer<Double>,
    scratch: inout ScoringScratch
  ) {
    let rowCount = unsafe tile.rowCount
    let width = ensemble.outputCount
    guard rowCount > 0 else { return }
    unsafe tile.requireNumbers(inputCount: inputs.count)
    precondition(output.count >= rowCount * width)
    let mark = scratch.mark
    defer { scratch.release(to: mark) }
    let hashes = unsafe scratch.reserve(
      UInt32.self, count: textFeatures.count * Self.tileRowCount)
    let columns = unsafe scratch.reserve(Double.self, count: width * Self.tileRowCount)
    let leaves = unsafe scratch.reserve(UInt32.self, count: Self.tileRowCount)
    for start in stride(from: 0, to: rowCount, by: Self.tileRowCount) {
      let rows = start..<min(start + Self.tileRowCount, rowCount)
      let sums = unsafe UnsafeMutableBufferPointer(
        rebasing: output[rows.lowerBound * width..<rows.upperBound * width])
      unsafe hash(tile, rows: rows, into: hashes)
      if let forest, let features = unsafe tile.numbers.baseAddress {
        unsafe columns.update(repeating: 0, count: width * Self.tileRowCount)
        unsafe forest.add(
          features: features + start, stride: tile.stride,
          availableCount: min(
            tile.numbers.count - (inputs.count - 1) * tile.stride - start, tile.stride - start),
          to: columns, outputCount: width, scratch: &scratch
        ) { sets in unsafe compare(hashes, into: sets) }
        for row in 0..<rows.count {
          for index in 0..<width {
            unsafe sums[row * width + index] = columns[index * Self.tileRowCount + row]
          }
        }
      } else {
        unsafe add(tile, rows: rows, hashes: hashes, leaves: leaves, to: sums)
      }
      unsafe finish(sums, mode: mode)
    }
  }

  /// Fills in which rows have the hashes that levels ask for.
  private func compare(
    _ hashes: UnsafePointer<UInt32>, into sets: UnsafeMutablePointer<UInt8>
  ) {
    var start = 0
    for (place, wanted) in wantedHashes.enumerated() {
      unsafe ns_oblivious_compare(
        hashes + place * Self.tileRowCount, wanted, wanted.count,
        sets + start * Int(NS_FOREST_MASK_BYTES))
      start += wanted.count
    }
  }

  /// Hashes the texts of some rows; a missing one counts as empty.
  private func hash(
    _ tile: FeatureTile, rows: Range<Int>, into hashes: UnsafeMutablePointer<UInt32>
  ) {
    for (place, feature) in textFeatures.enumerated() {
      precondition(unsafe tile.texts.count > feature * tile.stride + rows.upperBound - 1)
      for row in rows {
        let text = unsafe tile.texts[feature * tile.stride + row]
        let bytes = unsafe UnsafeRawBufferPointer(start: text.start, count: text.count)
        unsafe hashes[place * Self.tileRowCount + row - rows.lowerBound] =
          UInt32(truncatingIfNeeded: CityHash.hash64(bytes))
      }
      unsafe (hashes + place * Self.tileRowCount + rows.count).update(
        repeating: 0, count: Self.tileRowCount - rows.count)
    }
  }

  private func add(
    _ tile: FeatureTile, rows: Range<Int>, hashes: UnsafePointer<UInt32>,
    leaves: UnsafeMutablePointer<UInt32>, to sums: UnsafeMutableBufferPointer<Double>
  ) {
    let width = ensemble.outputCount
    unsafe sums.update(repeating: 0)
    for tree in ensemble.trees {
      unsafe leaves.update(repeating: 0, count: rows.count)
      for (bit, level) in ensemble.levels[tree.levels].enumerated() {
        let feature = Int(level.feature)
        switch level.question {
        case .above(let border, let ifMissing):
          let first = unsafe feature * tile.stride + rows.lowerBound
          for row in 0..<rows.count {
            let value = unsafe Float(tile.numbers[first + row])
            let isAbove = value > border || (ifMissing && value.isNaN)
            unsafe leaves[row] |= (isAbove ? 1 : 0) << UInt32(bit)
          }
        case .hash(let hash):
          guard let place = textFeatures.firstIndex(of: feature) else { continue }
          for row in 0..<rows.count {
            let isEqual = unsafe hashes[place * Self.tileRowCount + row] == hash
            unsafe leaves[row] |= (isEqual ? 1 : 0) << UInt32(bit)
          }
        }
      }
      for row in 0..<rows.count {
        let leaf = unsafe (tree.firstLeaf + Int(leaves[row])) * width
        for index in 0..<width {
          unsafe sums[row * width + index] += ensemble.leafValues[leaf + index]
        }
      }
    }
  }

  private func finish(_ sums: UnsafeMutableBufferPointer<Double>, mode: ScoreMode) {
    let width = ensemble.outputCount
    for row in 0..<sums.count / width {
      let scores = unsafe UnsafeMutableBufferPointer(
        rebasing: sums[row * width..<(row + 1) * width])
      unsafe Affine.apply(ensemble.scale, ensemble.bias, to: scores)
      if mode == .transformed { unsafe objective.transform(scores) }
    }
  }
}

/// scale · score + bias, as CatBoost takes it: the product rounded, and what changes nothing left
/// out, which keeps the sign of zeros.
enum Affine {
  static func apply(
    _ scale: Double, _ bias: [Double], to scores: UnsafeMutableBufferPointer<Double>
  ) {
    for index in scores.indices {
      if scale != 1 { unsafe scores[index] *= scale }
      if bias[index] != 0 { unsafe scores[index] += bias[index] }
    }
  }
}

extension ObliviousEnsemble.Level {
  /// The hash that it asks for; nil if it asks for a number.
  fileprivate var hash: UInt32? {
    guard case .hash(let hash) = question else { return nil }
    return hash
  }
}
