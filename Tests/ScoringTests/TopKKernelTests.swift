import CKernels
import Testing

private let sets = [ns_isa_portable, ns_isa_avx2, ns_isa_avx512].filter { isa in
  isa.rawValue <= ns_isa_best().rawValue
}

/// Users, items and what users must not get.
private struct Catalogue {
  var depth: Int
  var items: [Float]
  var users: [Float]
  var bias: [Float]?
  var excluded: [[UInt32]]?

  var itemCount: Int { items.count / depth }
  var userCount: Int { users.count / depth }

  init(_ userCount: Int, _ itemCount: Int, depth: Int, seed: UInt64) {
    var random = SeededNumbers(seed: seed)
    self.depth = depth
    items = random.floats(itemCount * depth)
    users = random.floats(userCount * depth)
  }

  /// What a full sort makes of the chain of fused products.
  func expectation(_ bestCount: Int) -> Ranking {
    var ranking = Ranking()
    for user in 0..<userCount {
      var scored: [(item: UInt32, score: Float)] = []
      for item in 0..<itemCount {
        if excluded?[user].contains(UInt32(item)) == true { continue }
        var score = bias?[item] ?? 0
        for k in 0..<depth { score.addProduct(users[user * depth + k], items[item * depth + k]) }
        scored.append((UInt32(item), score.isNaN ? .nan : score + 0))
      }
      scored.sort { a, b in
        if a.score.isNaN || b.score.isNaN {
          return a.score.isNaN == b.score.isNaN ? a.item < b.item : b.score.isNaN
        }
        return a.score != b.score ? a.score > b.score : a.item < b.item
      }
      for place in 0..<bestCount {
        ranking.indices.append(place < scored.count ? scored[place].item : .max)
        let score = place < scored.count ? scored[place].score : .nan
        ranking.scores.append(score.bitPattern)
      }
    }
    return ranking
  }

  func run(_ isa: ns_isa, _ bestCount: Int) -> Ranking {
    let packed = UnsafeMutableRawBufferPointer.allocate(
      byteCount: ns_dense_packed_size(UInt32(depth), UInt32(itemCount)), alignment: 64)
    let scratch = UnsafeMutableRawBufferPointer.allocate(
      byteCount: ns_topk_scratch_size(UInt32(bestCount)), alignment: 64)
    defer {
      unsafe packed.deallocate()
      unsafe scratch.deallocate()
    }
    var indices = [UInt32](repeating: 7, count: userCount * bestCount)
    var scores = [Float](repeating: 7, count: userCount * bestCount)
    var starts: [UInt64] = [0]
    for list in excluded ?? [] { starts.append(starts[starts.count - 1] + UInt64(list.count)) }
    let flat = excluded.map { Array($0.joined()) + [0] }
    unsafe users.withUnsafeBufferPointer { factors in
      guard let factors = factors.baseAddress, let work = scratch.baseAddress,
        let weights = unsafe packed.bindMemory(to: Float.self).baseAddress
      else { return }
      unsafe pack(to: weights)
      var catalogue = unsafe ns_topk_items(
        packed: weights, depth: UInt32(depth), item_count: UInt32(itemCount))
      unsafe starts.withUnsafeBufferPointer { starts in
        unsafe (flat ?? [0]).withUnsafeBufferPointer { list in
          var group = unsafe ns_topk_users(
            factors: factors, stride: depth, count: UInt32(userCount),
            excluded: flat == nil ? nil : list.baseAddress,
            excluded_starts: flat == nil ? nil : starts.baseAddress)
          unsafe ns_topk(
            isa, &catalogue, &group, UInt32(bestCount), &indices, &scores, work)
        }
      }
    }
    return Ranking(indices: indices, scores: scores.map(\.bitPattern))
  }

  private func pack(to weights: UnsafeMutablePointer<Float>) {
    if let bias {
      unsafe ns_dense_pack(items, 1, depth, bias, UInt32(depth), UInt32(itemCount), weights)
    } else {
      unsafe ns_dense_pack(items, 1, depth, nil, UInt32(depth), UInt32(itemCount), weights)
    }
  }
}

private struct Ranking: Equatable {
  var indices: [UInt32] = []
  var scores: [UInt32] = []
}

@Suite struct TopKKernelTests {
  private func check(_ catalogue: Catalogue, _ bestCount: Int, _ what: String = "") {
    let expected = catalogue.expectation(bestCount)
    for isa in sets {
      #expect(catalogue.run(isa, bestCount) == expected, "set \(isa.rawValue) \(what)")
    }
  }

  @Test(arguments: [1, 2, 10, 32, 33, 100, 1_000])
  func rankingsAreThoseOfAFullSort(bestCount: Int) {
    check(Catalogue(13, 3_001, depth: 17, seed: 1), bestCount)
  }

  @Test(arguments: [1, 31, 32, 33, 63, 64, 65, 500])
  func fewItemsAndManyUsers(itemCount: Int) {
    for userCount in [0, 1, 11, 97] {
      let catalogue = Catalogue(userCount, itemCount, depth: 3, seed: 2)
      check(catalogue, 40, "\(userCount) users")
      check(catalogue, 5, "\(userCount) users")
    }
  }

  @Test(arguments: [3, 10, 50, 400]) func tiesGoToTheLowerIndex(bestCount: Int) {
    var catalogue = Catalogue(5, 2_000, depth: 2, seed: 3)
    catalogue.items = catalogue.items.map { ($0 * 3).rounded() }
    catalogue.users = catalogue.users.map { ($0 * 2).rounded() }
    check(catalogue, bestCount)
  }

  @Test(arguments: [5, 60]) func excludedItemsNeverAppear(bestCount: Int) {
    var catalogue = Catalogue(9, 700, depth: 8, seed: 4)
    let best = catalogue.expectation(100).indices
    catalogue.excluded = (0..<9).map { user in
      switch user {
      case 0: return []
      case 1: return (0..<700).map { UInt32($0) }
      case 2: return (0..<690).map { UInt32($0) }
      default: return best[user * 100..<user * 100 + 10 * user].sorted()
      }
    }
    check(catalogue, bestCount)
  }

  @Test(arguments: [4, 40]) func aBiasIsWhereSumsBegin(bestCount: Int) {
    var catalogue = Catalogue(7, 300, depth: 5, seed: 5)
    var random = SeededNumbers(seed: 6)
    catalogue.bias = random.floats(300).map { $0 * 4 }
    check(catalogue, bestCount)
  }

  @Test(arguments: [3, 20, 45, 300]) func whatIsNotANumberRanksLast(bestCount: Int) {
    var catalogue = Catalogue(6, 200, depth: 4, seed: 7)
    for item in stride(from: 0, to: 180, by: 1) { catalogue.items[item * 4] = .nan }
    catalogue.items[190 * 4] = .infinity
    catalogue.items[191 * 4] = -.infinity
    catalogue.items[192 * 4] = -.infinity
    for k in 0..<4 { catalogue.users[2 * 4 + k] = .nan }
    for k in 0..<4 { catalogue.users[3 * 4 + k] = 0 }
    catalogue.users[4 * 4] = -1e38
    check(catalogue, bestCount)
  }
}
