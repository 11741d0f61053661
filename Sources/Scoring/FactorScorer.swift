internal import CKernels
package import Models

/// Gives each user the items with the highest scores.
///
/// Scores are made and ranked a tile at a time; see `ns_topk.h`. An unknown user, or one with a
/// missing factor, gets no items.
@safe package final class FactorScorer: Scorer {
  package let inputs: [ModelInput]
  package let outputs: [ModelOutput]
  private let model: FactorModel
  private let instructions: InstructionSet
  // Packed once, freed in deinit, and only read in between.
  nonisolated(unsafe) private let packed: UnsafeMutableRawPointer

  /// Users that are ranked in one call.
  private static let blockUserCount = 256

  /// Packs the factors of the items.
  package init(_ model: FactorModel, instructions: InstructionSet = .best) {
    self.model = model
    self.instructions = instructions
    switch model.users {
    case .factors(let columns):
      inputs = columns.map { ModelInput(name: $0, kind: .numeric) }
    case .known(let column, let names, _, _):
      let table = CategoryTable(names.map { .text($0) })
      inputs = [ModelInput(name: column, kind: .categorical(table))]
    }
    outputs = [
      ModelOutput(
        name: "items", kind: .label(model.itemNames), width: model.bestCount),
      ModelOutput(
        name: "scores", kind: .float32, width: model.bestCount, isOptional: true),
    ]
    let size = ns_dense_packed_size(UInt32(model.depth), UInt32(model.itemCount))
    unsafe packed = .allocate(byteCount: size, alignment: Int(NS_DENSE_ALIGNMENT))
    unsafe model.itemBiases.withUnsafeBufferPointer { biases in
      unsafe ns_dense_pack(
        model.itemFactors, 1, model.depth, model.itemBiases.isEmpty ? nil : biases.baseAddress,
        UInt32(model.depth), UInt32(model.itemCount),
        packed.assumingMemoryBound(to: Float.self))
    }
  }

  deinit { unsafe packed.deallocate() }

  package var summary: ScorerSummary {
    var sizes = [("items", model.itemCount), ("factors", model.depth)]
    if case .known(_, let names, _, _) = model.users { sizes.append(("users", names.count)) }
    return ScorerSummary(
      sizes: sizes,
      kernels: [
        "top-\(model.bestCount) (\(instructions)): scores of a tile of items at a time, never all"
      ])
  }

  package func score(
    _ tile: FeatureTile, mode: ScoreMode, into output: UnsafeMutableBufferPointer<Double>,
    scratch: inout ScoringScratch
  ) {
    let mark = scratch.mark
    defer { scratch.release(to: mark) }
    let block = unsafe Block(
      factors: scratch.reserve(Float.self, count: Self.blockUserCount * model.depth),
      known: scratch.reserve(Bool.self, count: Self.blockUserCount),
      indices: scratch.reserve(UInt32.self, count: Self.blockUserCount * model.bestCount),
      scores: scratch.reserve(Float.self, count: Self.blockUserCount * model.bestCount),
      starts: scratch.reserve(UInt64.self, count: Self.blockUserCount + 1),
      memory: scratch.reserve(byteCount: ns_topk_scratch_size(UInt32(model.bestCount))))
    let rowCount = unsafe tile.rowCount
    var start = 0
    while start < rowCount {
      let count = min(Self.blockUserCount, rowCount - start)
      unsafe gather(tile, start: start, count: count, into: block, scratch: &scratch)
      unsafe write(block, count: count, start: start, to: output)
      start += count
    }
  }

  /// What one call of the kernel reads and writes.
  @unsafe private struct Block {
    let factors: UnsafeMutablePointer<Float>
    /// Whether the user is known and all factors are numbers.
    let known: UnsafeMutablePointer<Bool>
    let indices: UnsafeMutablePointer<UInt32>
    let scores: UnsafeMutablePointer<Float>
    let starts: UnsafeMutablePointer<UInt64>
    let memory: UnsafeMutableRawPointer
  }

  /// Puts the factors of some rows' users together and ranks the items for them.
  private func gather(
    _ tile: FeatureTile, start: Int, count: Int, into block: Block,
    scratch: inout ScoringScratch
  ) {
    switch model.users {
    case .factors:
      for row in 0..<count {
        var isKnown = true
        for element in 0..<model.depth {
          let value = unsafe Float(tile.numbers[element * tile.stride + start + row])
          if value.isNaN { isKnown = false }
          unsafe block.factors[row * model.depth + element] = value
        }
        unsafe block.known[row] = isKnown
      }
      unsafe rank(block, count: count, excluded: nil, starts: nil)
    case .known(_, let names, let factors, let exclusions):
      var excluded: [UInt32] = []
      unsafe block.starts[0] = 0
      for row in 0..<count {
        let user = unsafe Int(exactly: tile.numbers[start + row]) ?? -1
        let isKnown = names.indices.contains(user)
        unsafe block.known[row] = isKnown
        for element in 0..<model.depth {
          unsafe block.factors[row * model.depth + element] =
            isKnown ? factors[user * model.depth + element] : 0
        }
        if isKnown, !exclusions.starts.isEmpty {
          let own = Int(exclusions.starts[user])..<Int(exclusions.starts[user + 1])
          excluded += exclusions.items[own]
        }
        unsafe block.starts[row + 1] = UInt64(excluded.count)
      }
      unsafe excluded.withUnsafeBufferPointer { excluded in
        unsafe rank(
          block, count: count, excluded: excluded.isEmpty ? nil : excluded.baseAddress,
          starts: excluded.isEmpty ? nil : UnsafePointer(block.starts))
      }
    }
  }

  private func rank(
    _ block: Block, count: Int, excluded: UnsafePointer<UInt32>?, starts: UnsafePointer<UInt64>?
  ) {
    var items = unsafe ns_topk_items(
      packed: UnsafePointer(packed.assumingMemoryBound(to: Float.self)),
      depth: UInt32(model.depth), item_count: UInt32(model.itemCount))
    var users = unsafe ns_topk_users(
      factors: UnsafePointer(block.factors), stride: model.depth, count: UInt32(count),
      excluded: excluded, excluded_starts: starts)
    unsafe ns_topk(
      instructions.raw, &items, &users, UInt32(model.bestCount), block.indices, block.scores,
      block.memory)
  }

  /// The items of each row, then their scores; missing ones are NaN.
  private func write(
    _ block: Block, count: Int, start: Int, to output: UnsafeMutableBufferPointer<Double>
  ) {
    for row in 0..<count {
      let target = (start + row) * 2 * model.bestCount
      for place in 0..<model.bestCount {
        let index = unsafe block.indices[row * model.bestCount + place]
        let isThere = unsafe block.known[row] && index != NS_TOPK_NONE
        unsafe output[target + place] = isThere ? Double(index) : .nan
        unsafe output[target + model.bestCount + place] =
          isThere ? Double(block.scores[row * model.bestCount + place]) : .nan
      }
    }
  }
}
