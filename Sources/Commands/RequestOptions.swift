import ArgumentParser
package import Jobs

extension JobRequest.PredictionsFormat: ExpressibleByArgument {}
extension JobRequest.OutputCompression: ExpressibleByArgument {}
extension JobRequest.InstanceType: ExpressibleByArgument {}
extension JobRequest.InstancesFormat: ExpressibleByArgument {}
extension JobRequest.OnParseError: ExpressibleByArgument {}
extension JobRequest.WriteMode: ExpressibleByArgument {}

/// What a job is to do, as options: all of it under `run`, changes to the job file under `submit`.
package struct RequestOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The model or bundle: LightGBM text, XGBoost or CatBoost JSON, ONNX, …", valueName: "file"))
  var model: String?

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Input: files, folders, quoted globs, s3://, gs://, http(s):// or postgresql:// URIs, read in this order.",
      valueName: "path"))
  var input: [String] = []

  @Option(
    help: ArgumentHelp(
      "The folder or s3:// or gs:// prefix in which a prediction-… folder is made, or a postgresql:// or sqlite:// database.",
      valueName: "folder"))
  var output: String?

  @Option(
    help: ArgumentHelp(
      "Where error records go instead: a folder or s3:// or gs:// prefix; for a database a table.",
      valueName: "folder"))
  var errors: String?

  @OptionGroup var table: TableOptions

  @Option(help: ArgumentHelp("The job's name, for people.", valueName: "text"))
  var displayName: String?

  @Option(help: "Format of the predictions; jsonl by default.")
  var format: JobRequest.PredictionsFormat?

  @Option(help: "Compression of the predictions; zstd by default.")
  var compression: JobRequest.OutputCompression?

  @Option(
    help: ArgumentHelp(
      "Write this column as the key instead of the whole instance.", valueName: "column"))
  var keyField: String?

  @Option(help: "Write each instance as an array of values (the default) or an object with names.")
  var instanceType: JobRequest.InstanceType?

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("The only columns to write in the instance.", valueName: "column"))
  var include: [String] = []

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Columns not to write in the instance.", valueName: "column"))
  var exclude: [String] = []

  @Option(
    help: ArgumentHelp(
      "The byte between two fields, by default a comma; \\t is a tab.", valueName: "byte"))
  var delimiter: String?

  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      "An unquoted field that means \"missing\"; may be repeated.", valueName: "word"))
  var nullWord: [String] = []

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Error records tolerated, by default 1000; -1 is no limit.", valueName: "count"))
  var errorThreshold: Int64?

  @Flag(help: "Write the sum of the trees as it is, without the objective's transform.")
  var rawScore = false

  @Flag(help: "Add the leaves of trees as multiples of a small unit: faster, not to the last bit.")
  var fastSums = false

  @Flag(help: "Write what each input contributed to each prediction.")
  var explain = false

  @Option(
    help: ArgumentHelp(
      "Bytes of text in one block; part of the output's bytes.", valueName: "bytes",
      visibility: .hidden))
  var blockSize: Int64?

  package init() {}

  /// How a key of the job file is called among the options.
  static func optionName(of key: String) -> String {
    switch key {
    case "model": "--model"
    case "inputConfig.uris": "--input"
    case "outputConfig.uri": "--output"
    case "instanceConfig.keyField": "--key-field"
    case "instanceConfig.includedFields": "--include"
    case "instanceConfig.excludedFields": "--exclude"
    case "inputConfig.query": "--query"
    default: key
    }
  }

  /// Puts what is given into a draft; relative paths begin in `folder`.
  package func apply(to draft: inout JobDraft, in folder: String) {
    if let displayName { draft.displayName = displayName }
    if let model { draft.model = draft.path(model, in: folder, "--model") }
    if !input.isEmpty {
      var uris: [String] = []
      for path in input {
        guard let uri = draft.input(path, in: folder, "--input") else { continue }
        uris.append(uri)
      }
      draft.uris = uris
    }
    if let output { draft.outputFolder = draft.output(output, in: folder, "--output") }
    if let errors { draft.errors = (errors, folder, "--errors") }
    if let format { draft.request.outputConfig.predictionsFormat = format }
    if let compression { draft.request.outputConfig.compression = compression }
    applyInstance(to: &draft)
    table.apply(to: &draft)
    if let delimiter { draft.delimiter(delimiter, "--delimiter") }
    if !nullWord.isEmpty { draft.request.inputConfig.nullWords = nullWord }
    if let errorThreshold { draft.errorThreshold(errorThreshold, "--error-threshold") }
    if rawScore { draft.request.modelParameters.rawScore = true }
    if fastSums { draft.request.modelParameters.fastSums = true }
    if explain { draft.request.generateExplanation = true }
    if let blockSize { draft.blockByteCount(blockSize, "--block-size") }
  }

  private func applyInstance(to draft: inout JobDraft) {
    if let instanceType { draft.request.instanceConfig.instanceType = instanceType }
    if let keyField { draft.request.instanceConfig.keyField = keyField }
    if !include.isEmpty { draft.request.instanceConfig.includedFields = include }
    if !exclude.isEmpty { draft.request.instanceConfig.excludedFields = exclude }
  }

  /// The request that the options alone make.
  package func request(in folder: String) throws(CommandError) -> JobRequest {
    var draft = JobDraft()
    apply(to: &draft, in: folder)
    return try Self.finished(draft)
  }

  /// The request of a draft that options alone made.
  static func finished(_ draft: consuming JobDraft) throws(CommandError) -> JobRequest {
    try draft.finished(from: "the command line", named: optionName)
  }
}

/// How a read command prints.
enum OutputFormat: String, CaseIterable, ExpressibleByArgument {
  case text, json
}

/// The shared option of read commands.
struct OutputOptions: ParsableArguments {
  @Option(name: .customLong("output"), help: "How to print: text for people, json for programs.")
  var format = OutputFormat.text
}
