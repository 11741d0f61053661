/// The name that a misspelt one probably means.
///
/// Compares without case; at most a third of the letters may differ (insertions, deletions,
/// replacements and swaps of neighbours).
package func nearestName(to name: String, among names: [String]) -> String? {
  let wanted = Array(name.lowercased())
  let distances = names.map { ($0, editDistance(wanted, Array($0.lowercased()))) }
  guard let best = distances.min(by: { $0.1 < $1.1 }) else { return nil }
  return best.1 <= max(1, max(wanted.count, best.0.count) / 3) ? best.0 : nil
}

/// Optimal string alignment distance: Levenshtein's with swaps of neighbours; O(n·m).
private func editDistance(_ left: [Character], _ right: [Character]) -> Int {
  var before: [Int] = []
  var previous = Array(0...right.count)
  for (i, a) in left.enumerated() {
    var row = [i + 1]
    for (j, b) in right.enumerated() {
      var best = min(previous[j + 1] + 1, row[j] + 1, previous[j] + (a == b ? 0 : 1))
      if i > 0, j > 0, a == right[j - 1], left[i - 1] == b { best = min(best, before[j - 1] + 1) }
      row.append(best)
    }
    before = previous
    previous = row
  }
  return previous[right.count]
}
