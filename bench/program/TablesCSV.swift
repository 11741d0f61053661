import ArgumentParser
import Jobs
import Tables

/// `nightshift-bench tables csv`.
struct TablesCSVCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "csv", abstract: "Reads a CSV file to columns, on one thread.")

  @OptionGroup var options: TablesOptions

  func run() throws {
    try report(TableReading.csv(options.file, columns: options.names, options.runs))
  }
}
