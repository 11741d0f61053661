import ArgumentParser
import Foundation
import Models
import Scoring

/// `nightshift-bench topk`.
struct TopKCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "topk",
    abstract: "Ranks the best items for users whose factors are in memory.")

  @Option(help: "Items × factors in NumPy's format.")
  var items: String

  @Option(help: "Users × factors in NumPy's format.")
  var users: String

  @Option(help: "How many of the best.")
  var k = 10

  @Option(help: "How often all users are ranked for.")
  var runs = 5

  @Option(help: "Where the item numbers of the last run are written in NumPy's format.")
  var output: String?

  @Flag(help: "One JSON object; the default, and the only form.")
  var json = false

  private struct Result: Encodable {
    let rows: Int
    let items: Int
    let factors: Int
    let kernel: String
    /// Processor time of each run.
    let seconds: [Double]
  }

  func run() throws {
    let items = try NumberArray(Array(Data(contentsOf: URL(fileURLWithPath: items))))
    let users = try NumberArray(Array(Data(contentsOf: URL(fileURLWithPath: users))))
    guard items.columnCount == users.columnCount else {
      throw BenchmarkError("\(items.columnCount) factors of items, \(users.columnCount) of users")
    }
    let model = try FactorModel(
      items: items, bestCount: k,
      users: .factors(columns: (0..<items.columnCount).map { "factor_\($0)" }))
    let scorer = FactorScorer(model)
    let tiles = TiledRows(users, tileRowCount: 1_024)
    let width = 2 * model.bestCount
    var results = Array(repeating: 0.0, count: users.rowCount * width)
    var scratch = ScoringScratch()
    var seconds: [Double] = []
    for _ in 0..<max(runs, 1) {
      let started = processorSeconds()
      tiles.score(with: scorer, width: width, into: &results, scratch: &scratch)
      seconds.append(processorSeconds() - started)
    }
    if let output {
      let indices = (0..<users.rowCount).flatMap { row in
        results[row * width..<row * width + model.bestCount]
      }
      try writeArray(indices, columnCount: model.bestCount, to: output)
    }
    try report(
      Result(
        rows: users.rowCount, items: items.rowCount, factors: items.columnCount,
        kernel: scorer.summary.kernels.joined(separator: "; "), seconds: seconds))
  }
}
