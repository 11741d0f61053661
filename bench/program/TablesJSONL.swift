import ArgumentParser
import Jobs
import Tables

/// `nightshift-bench tables jsonl`.
struct TablesJSONLCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "jsonl", abstract: "Reads a file of JSON lines to columns, on one thread.")

  @OptionGroup var options: TablesOptions

  func run() throws {
    try report(TableReading.jsonl(options.file, columns: options.names, options.runs))
  }
}
