import ArgumentParser
import Foundation
import Glibc
import Models
import Scoring

/// `nightshift-bench score`.
struct ScoreCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "score",
    abstract: "Scores rows that are in memory; what bench/kernels measures.",
    discussion: """
      The rows are put in columns before the clock starts, as a reader of tables leaves them.
      """)

  @Option(help: "The model or bundle.")
  var model: String

  @Option(help: "Rows × features in NumPy's format, float32 or float64.")
  var rows: String

  @Option(help: "How often all rows are scored.")
  var runs = 5

  @Option(help: "How often the model is read and packed; the last time counts.")
  var loads = 1

  @Option(help: "Rows handed over at once.")
  var tile = 16_384

  @Flag(help: "Predictions instead of raw scores.")
  var predict = false

  @Option(help: "How leaves are added: exact or fast.")
  var mode = "exact"

  @Flag(help: "What each input contributed, too.")
  var explain = false

  @Option(help: "The instructions used: portable, avx2 or avx512; the best if not given.")
  var isa: String?

  @Option(help: "Where the scores of the last run are written in NumPy's format.")
  var output: String?

  @Flag(help: "One JSON object; the default, and the only form.")
  var json = false

  private struct Result: Encodable {
    let rows: Int
    let features: Int
    let outputs: Int
    let sizes: [String: Int]
    let kernel: String
    let loadSeconds: Double
    /// Processor time of each run.
    let seconds: [Double]
  }

  func run() throws {
    let bytes = try Array(Data(contentsOf: URL(fileURLWithPath: model)))
    if let isa { unsafe setenv(InstructionSet.environmentVariable, isa, 1) }
    guard let summation = TreeEnsemble.Summation(rawValue: mode) else {
      throw BenchmarkError("--mode is exact or fast, not \(mode)")
    }
    var started = processorSeconds()
    var model = try Model(bytes, summation: summation)
    for _ in 1..<max(loads, 1) {
      started = processorSeconds()
      model = try Model(bytes, summation: summation)
    }
    let loadSeconds = processorSeconds() - started
    let table = try NumberArray(Array(Data(contentsOf: URL(fileURLWithPath: rows))))
    guard table.columnCount == model.inputs.count else {
      throw BenchmarkError(
        "\(rows) has \(table.columnCount) columns, the model \(model.inputs.count) inputs")
    }
    let tiles = TiledRows(table, tileRowCount: tile)
    let width = explain ? model.scorer.explanationWidth : model.outputCount
    guard width > 0 else { throw BenchmarkError("this model is not explained") }
    var scores = Array(repeating: 0.0, count: table.rowCount * width)
    var scratch = ScoringScratch()
    var seconds: [Double] = []
    for _ in 0..<max(runs, 1) {
      let begin = processorSeconds()
      tiles.score(
        with: model.scorer, width: width, mode: predict ? .transformed : .raw, explains: explain,
        into: &scores, scratch: &scratch)
      seconds.append(processorSeconds() - begin)
    }
    if let output {
      try writeArray(scores, columnCount: width, to: output)
    }
    let summary = model.scorer.summary
    try report(
      Result(
        rows: table.rowCount, features: table.columnCount, outputs: width,
        sizes: Dictionary(
          summary.sizes.map { ($0.name, $0.count) }, uniquingKeysWith: { $0 + $1 }),
        kernel: summary.kernels.joined(separator: "; "), loadSeconds: loadSeconds,
        seconds: seconds))
  }
}

/// Rows cut into tiles of columns.
struct TiledRows {
  let rowCount: Int
  let columnCount: Int
  let tileRowCount: Int
  /// Tile after tile, each column after column; the last tile is as large as the others.
  let values: [Double]

  init(_ table: NumberArray, tileRowCount: Int) {
    rowCount = table.rowCount
    columnCount = table.columnCount
    self.tileRowCount = tileRowCount
    let tileCount = (table.rowCount + tileRowCount - 1) / tileRowCount
    var values = Array(repeating: 0.0, count: tileCount * tileRowCount * table.columnCount)
    for row in 0..<table.rowCount {
      let tile = row / tileRowCount * tileRowCount * table.columnCount
      for column in 0..<table.columnCount {
        let index = row * table.columnCount + column
        let value =
          switch table.values {
          case .float32(let numbers): Double(numbers[index])
          case .float64(let numbers): numbers[index]
          }
        values[tile + column * tileRowCount + row % tileRowCount] = value
      }
    }
    self.values = values
  }

  /// Scores, or explains, all rows.
  func score(
    with scorer: any Scorer, width: Int, mode: ScoreMode = .transformed, explains: Bool = false,
    into scores: inout [Double], scratch: inout ScoringScratch
  ) {
    unsafe scores.withUnsafeMutableBufferPointer { scores in
      unsafe values.withUnsafeBufferPointer { values in
        for row in stride(from: 0, to: rowCount, by: tileRowCount) {
          let count = min(tileRowCount, rowCount - row)
          let begin = row * columnCount
          let tile = unsafe FeatureTile(
            numbers: UnsafeBufferPointer(
              rebasing: values[begin..<begin + tileRowCount * columnCount]),
            stride: tileRowCount, rowCount: count)
          let target = unsafe UnsafeMutableBufferPointer(
            rebasing: scores[row * width..<(row + count) * width])
          if explains {
            unsafe scorer.explain(tile, into: target, scratch: &scratch)
          } else {
            unsafe scorer.score(tile, mode: mode, into: target, scratch: &scratch)
          }
        }
      }
    }
  }
}

/// Writes rows of doubles in NumPy's format, version 1.
func writeArray(_ values: [Double], columnCount: Int, to path: String) throws {
  var header =
    "{'descr': '<f8', 'fortran_order': False, 'shape': "
    + "(\(values.count / max(columnCount, 1)), \(columnCount)), }"
  while (10 + header.utf8.count + 1) % 64 != 0 { header += " " }
  header += "\n"
  var file = Data([0x93]) + Data("NUMPY".utf8) + Data([1, 0])
  file.append(UInt8(header.utf8.count & 255))
  file.append(UInt8(header.utf8.count >> 8))
  file.append(Data(header.utf8))
  unsafe values.withUnsafeBytes { unsafe file.append(contentsOf: $0) }
  try file.write(to: URL(fileURLWithPath: path))
}
