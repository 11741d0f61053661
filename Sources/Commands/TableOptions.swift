import ArgumentParser
import Jobs

/// What tables are read and written, beyond paths.
package struct TableOptions: ParsableArguments {
  @Option(help: "Format of the input; by default what the files' names tell, else csv.")
  var inputFormat: JobRequest.InstancesFormat?

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Types of columns: boolean, integer, number, float, text, binary, date or timestamp.",
      valueName: "column=type"))
  var schema: [String] = []

  @Option(
    help: ArgumentHelp(
      "Score only records for which this holds, such as \"country = 'DE' AND age >= 18\".",
      valueName: "expression"))
  var filter: String?

  @Option(help: "A value that is not of its column's type: an error record, or null.")
  var onParseError: JobRequest.OnParseError?

  @Flag(help: "Take key=value folders of the inputs' paths as columns.")
  var hivePartitioning = false

  @Flag(help: "An input may stand for no file.")
  var allowEmpty = false

  @Option(help: ArgumentHelp("What a postgresql:// input is asked.", valueName: "sql"))
  var query: String?

  @Option(
    help: ArgumentHelp(
      "The integer column that a query's rows are ordered and divided by.", valueName: "column"))
  var splitColumn: String?

  @Option(
    help: ArgumentHelp("The table of a database that gets the predictions.", valueName: "name"))
  var table: String?

  @Option(help: "How the table takes them; append by default.")
  var writeMode: JobRequest.WriteMode?

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Columns by which upsert finds the rows to replace.", valueName: "column"))
  var upsertKeys: [String] = []

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("The only outputs of the model to write.", valueName: "output"))
  var outputFields: [String] = []

  @Option(help: ArgumentHelp("Write only the best classes.", valueName: "count"))
  var topK: Int64?

  package init() {}

  /// Puts what is given into a draft.
  func apply(to draft: inout JobDraft) {
    if let inputFormat { draft.instancesFormat = inputFormat }
    applySchema(to: &draft)
    if let filter { draft.request.inputConfig.filter = filter }
    if let onParseError { draft.request.inputConfig.onParseError = onParseError }
    if hivePartitioning { draft.request.inputConfig.hivePartitioning = true }
    if allowEmpty { draft.request.inputConfig.allowEmpty = true }
    if let query { draft.request.inputConfig.query = query }
    if let splitColumn { draft.request.inputConfig.splitColumn = splitColumn }
    if let table { draft.request.outputConfig.table = table }
    if let writeMode { draft.request.outputConfig.writeMode = writeMode }
    if !upsertKeys.isEmpty { draft.request.outputConfig.upsertKeys = upsertKeys }
    if !outputFields.isEmpty { draft.request.outputConfig.outputFields = outputFields }
    if let topK { draft.topK(topK, "--top-k") }
  }

  private func applySchema(to draft: inout JobDraft) {
    var types: [String: ColumnType] = [:]
    for entry in schema {
      guard let sign = entry.lastIndex(of: "="),
        let type = ColumnType(rawValue: String(entry[entry.index(after: sign)...]))
      else {
        let known = ColumnType.allCases.map(\.rawValue).joined(separator: ", ")
        draft.refuse("--schema: \"\(printable(entry))\" is not column=type; types: \(known)")
        continue
      }
      types[String(entry[..<sign])] = type
    }
    if !types.isEmpty { draft.request.inputConfig.schema = types }
  }
}
