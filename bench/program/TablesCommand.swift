import ArgumentParser

/// `nightshift-bench tables`.
struct TablesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tables",
    abstract: "Reads tables to columns: how fast, and what was read.",
    subcommands: [TablesCSVCommand.self, TablesJSONLCommand.self, TablesParquetCommand.self])
}

/// What all formats are asked.
struct TablesOptions: ParsableArguments {
  @Argument(help: "The file; read once beforehand it comes from the page cache.")
  var file: String

  @Option(
    help: ArgumentHelp("Columns, with commas between them; all if not named.", valueName: "names"))
  var columns = ""

  @Option(help: "How often the file is read.")
  var runs = 3

  @Option(help: "json: one object; the only form.")
  var output = "json"

  /// The columns' names.
  var names: [String] { columns.split(separator: ",").map(String.init) }
}
