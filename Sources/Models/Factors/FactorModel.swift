/// Factors of users and items, as matrix factorisation gives them: a user's score for an item is
/// the dot product of both, plus the item's bias.
package struct FactorModel: Sendable {
  /// Numbers in a factor.
  package let depth: Int
  package let itemCount: Int
  /// Item after item.
  package let itemFactors: [Float]
  package let itemBiases: [Float]
  /// What items are called in the output.
  package let itemNames: [String]
  /// How many of the best items a user gets.
  package let bestCount: Int
  package let users: Users

  package enum Users: Sendable {
    /// A row of the table is a user's factors: one column for each number.
    case factors(columns: [String])
    /// A row of the table names a user.
    case known(column: String, names: [String], factors: [Float], excluded: Exclusions)
  }

  /// Items that users must not get, because they have them already.
  package struct Exclusions: Sendable {
    /// User u's are `items[starts[u] ..< starts[u + 1]]`, ascending; no starts if there are none.
    package let starts: [UInt64]
    package let items: [UInt32]

    package static let none = Exclusions(starts: [], items: [])

    private init(starts: [UInt64], items: [UInt32]) {
      self.starts = starts
      self.items = items
    }

    /// Sorts pairs of a user's and an item's index.
    ///
    /// - Throws: `ModelError` naming the first pair that is out of range.
    package init(
      pairs: [(user: Int, item: Int)], userCount: Int, itemCount: Int
    ) throws(ModelError) {
      var counts = Array(repeating: UInt64(0), count: userCount + 1)
      for (index, pair) in pairs.enumerated() {
        guard (0..<userCount).contains(pair.user), (0..<itemCount).contains(pair.item) else {
          throw ModelError(
            code: .malformed,
            context: "exclusions row \(index): user \(pair.user), item \(pair.item)")
        }
        counts[pair.user + 1] += 1
      }
      for user in 0..<userCount { counts[user + 1] += counts[user] }
      let sorted = pairs.sorted { ($0.user, $0.item) < ($1.user, $1.item) }
      self.init(starts: counts, items: sorted.map { UInt32($0.item) })
    }
  }

  /// Most items that a user gets.
  package static let bestLimit = 1_000

  /// Takes factors apart from any file.
  ///
  /// - Parameters:
  ///   - items: one row for each item.
  ///   - biases: one for each item, or none.
  ///   - names: one for each item; numbers from 0 if nil.
  ///   - bestCount: how many of the best; fewer if there are fewer items.
  ///   - users: who they are for.
  /// - Throws: `ModelError` naming what does not fit.
  package init(
    items: NumberArray, biases: [Float] = [], names: [String]? = nil, bestCount: Int, users: Users
  ) throws(ModelError) {
    guard items.rowCount > 0, items.columnCount > 0, items.rowCount <= 1 << 31,
      items.columnCount <= 1 << 16
    else {
      throw ModelError(
        code: .limitExceeded,
        context: "item factors: \(items.rowCount) × \(items.columnCount) numbers")
    }
    guard (1...Self.bestLimit).contains(bestCount) else {
      throw ModelError(
        code: .limitExceeded, context: "k: from 1 to \(Self.bestLimit), not \(bestCount)")
    }
    guard biases.isEmpty || biases.count == items.rowCount,
      names == nil || names?.count == items.rowCount
    else {
      throw ModelError(
        code: .malformed,
        context: """
          \(items.rowCount) item factors, \(biases.count) biases, \(names?.count ?? 0) names
          """)
    }
    depth = items.columnCount
    itemCount = items.rowCount
    itemFactors = items.floats
    itemBiases = biases
    itemNames = names ?? (0..<items.rowCount).map(String.init)
    self.bestCount = min(bestCount, items.rowCount)
    self.users = users
    switch users {
    case .factors(let columns):
      guard columns.count == depth else {
        throw ModelError(
          code: .malformed, context: "\(columns.count) columns for factors of \(depth)")
      }
    case .known(_, let names, let factors, let excluded):
      guard factors.count == names.count * depth,
        excluded.starts.isEmpty || excluded.starts.count == names.count + 1
      else {
        throw ModelError(
          code: .malformed,
          context: "\(names.count) users, \(factors.count) numbers in factors of \(depth)")
      }
    }
  }
}

extension NumberArray {
  /// All numbers as doubles.
  package var doubles: [Double] {
    switch values {
    case .float32(let numbers): numbers.map { Double($0) }
    case .float64(let numbers): numbers
    }
  }

  /// All numbers as floats.
  package var floats: [Float] {
    switch values {
    case .float32(let numbers): numbers
    case .float64(let numbers): numbers.map { Float($0) }
    }
  }
}
