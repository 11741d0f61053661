import Foundation
import Jobs
import Yams

/// Reads job files: YAML, or JSON, with the keys of `JobRequest`.
package enum JobFile {
  /// Reads a file into a draft; relative paths begin in the file's folder.
  ///
  /// - Throws: `CommandError` where the file cannot be read or is neither YAML nor JSON. Mistakes
  ///   in keys and values are noted in the draft.
  package static func read(_ path: String) throws(CommandError) -> JobDraft {
    let file = Paths.absolute(path, in: Paths.currentFolder)
    let text = try YAMLFile.text(of: file, kind: "job file")
    let folder = file.split(separator: "/").dropLast().joined(separator: "/")
    var draft = try parse(text, name: path, folder: "/" + folder)
    draft.displayName = draft.displayName ?? Paths.stem(of: file)
    return draft
  }

  /// Reads a job file's text into a draft.
  ///
  /// `name` is the file's name in messages; relative paths begin in `folder`, which is absolute.
  ///
  /// - Throws: `CommandError` where the text is neither YAML nor JSON.
  package static func parse(
    _ text: String, name: String, folder: String
  ) throws(CommandError) -> JobDraft {
    let root = try YAMLFile.compose(text, name: name, example: "model: FILE")
    var reader = JobFileReader(name: name, folder: folder)
    reader.readTop(root)
    return reader.draft
  }
}

/// Walks a job file's nodes and fills the draft.
struct JobFileReader: NodeReader {
  var draft = JobDraft()
  let name: String
  let folder: String

  init(name: String, folder: String) {
    self.name = name
    self.folder = folder
  }

  mutating func readTop(_ root: Node) {
    each(root, below: "") { reader, key, value in
      switch key {
      case "displayName": reader.draft.displayName = reader.text(value, key)
      case "model":
        guard let text = reader.text(value, key) else { return }
        reader.draft.model = reader.draft.path(text, in: reader.folder, reader.at(value, key))
      case "inputConfig": reader.each(value, below: key) { $0.readInput($1, $2) }
      case "instanceConfig": reader.each(value, below: key) { $0.readInstance($1, $2) }
      case "outputConfig": reader.each(value, below: key) { $0.readOutput($1, $2) }
      case "dedicatedResources": reader.each(value, below: key) { $0.readResources($1, $2) }
      case "modelParameters": reader.each(value, below: key) { $0.readParameters($1, $2) }
      case "labels": reader.readLabels(value)
      case "generateExplanation":
        guard let flag = value.bool else {
          return reader.draft.refuse("\(reader.at(value, key)): true or false is expected")
        }
        reader.draft.request.generateExplanation = flag ? true : nil
      case "errorThreshold":
        guard let number = reader.number(value, key) else { return }
        reader.draft.errorThreshold(number, reader.at(value, key))
      default:  // blockByteCount: `each` lets known keys through alone
        guard let number = reader.number(value, key) else { return }
        reader.draft.blockByteCount(number, reader.at(value, key))
      }
    }
  }

  private mutating func readInput(_ key: String, _ value: Node) {
    let path = "inputConfig.\(key)"
    switch key {
    case "instancesFormat":
      choose(value, path) { $0.instancesFormat = $1 }
    case "uris":
      guard let texts = texts(value, path) else { return }
      var uris: [String] = []
      for text in texts {
        guard let uri = draft.input(text, in: folder, at(value, path)) else { continue }
        uris.append(uri)
      }
      draft.uris = uris
    case "delimiter":
      guard let text = text(value, path) else { return }
      draft.delimiter(text, at(value, path))
    case "nullWords": draft.request.inputConfig.nullWords = texts(value, path)
    case "schema": readSchema(value, path)
    case "onParseError":
      choose(value, path) { $0.request.inputConfig.onParseError = $1 }
    case "hivePartitioning":
      draft.request.inputConfig.hivePartitioning = flag(value, path)
    case "allowEmpty": draft.request.inputConfig.allowEmpty = flag(value, path)
    case "filter": draft.request.inputConfig.filter = text(value, path)
    case "query": draft.request.inputConfig.query = text(value, path)
    default: draft.request.inputConfig.splitColumn = text(value, path)
    }
  }

  private mutating func readSchema(_ node: Node, _ path: String) {
    guard let mapping = node.mapping else {
      return draft.refuse("\(at(node, path)): a mapping of columns to types is expected")
    }
    var schema: [String: ColumnType] = [:]
    for (key, value) in mapping {
      let name = key.string ?? ""
      choose(value, "\(path).\(name)") { schema[name] = $1 }
    }
    draft.request.inputConfig.schema = schema
  }

  private mutating func readInstance(_ key: String, _ value: Node) {
    let path = "instanceConfig.\(key)"
    switch key {
    case "instanceType":
      choose(value, path) { $0.request.instanceConfig.instanceType = $1 }
    case "keyField": draft.request.instanceConfig.keyField = text(value, path)
    case "includedFields": draft.request.instanceConfig.includedFields = texts(value, path) ?? []
    default: draft.request.instanceConfig.excludedFields = texts(value, path) ?? []
    }
  }

  private mutating func readOutput(_ key: String, _ value: Node) {
    let path = "outputConfig.\(key)"
    switch key {
    case "predictionsFormat":
      choose(value, path) { $0.request.outputConfig.predictionsFormat = $1 }
    case "compression":
      choose(value, path) { $0.request.outputConfig.compression = $1 }
    case "table": draft.request.outputConfig.table = text(value, path)
    case "writeMode": choose(value, path) { $0.request.outputConfig.writeMode = $1 }
    case "upsertKeys": draft.request.outputConfig.upsertKeys = texts(value, path)
    case "outputFields": draft.request.outputConfig.outputFields = texts(value, path)
    case "topK":
      guard let number = number(value, path) else { return }
      draft.topK(number, at(value, path))
    case "errorsUri":
      guard let text = text(value, path) else { return }
      draft.errors = (text, folder, at(value, path))
    default:
      guard let text = text(value, path) else { return }
      draft.outputFolder = draft.output(text, in: folder, at(value, path))
    }
  }

  private mutating func readResources(_ key: String, _ value: Node) {
    let path = "dedicatedResources.\(key)"
    switch key {
    case "machineSpec":
      each(value, below: path) { reader, key, value in
        guard let name = reader.text(value, "\(path).\(key)") else { return }
        reader.draft.request.dedicatedResources.machineSpec = .init(machineType: name)
      }
    case "spot": draft.request.dedicatedResources.spot = flag(value, path)
    case "deadline":
      guard let text = text(value, path) else { return }
      draft.deadline(text, at(value, path))
    case "budget":
      guard let number = decimal(value, path) else { return }
      draft.budget(number, at(value, path))
    case "startingReplicaCount":
      guard let count = number(value, path, in: 1...Limits.workers) else { return }
      draft.request.dedicatedResources.startingReplicaCount = count
    default:
      guard let count = number(value, path, in: 1...Limits.workers) else { return }
      draft.request.dedicatedResources.maxReplicaCount = count
    }
  }

  private mutating func readParameters(_ key: String, _ value: Node) {
    let path = "modelParameters.\(key)"
    guard let flag = value.bool else {
      return draft.refuse("\(at(value, path)): true or false is expected")
    }
    switch key {
    case "fastSums": draft.request.modelParameters.fastSums = flag ? true : nil
    default: draft.request.modelParameters.rawScore = flag
    }
  }

  private mutating func readLabels(_ node: Node) {
    guard let mapping = node.mapping else {
      return draft.refuse("\(at(node, "labels")): a mapping of names to texts is expected")
    }
    for (key, value) in mapping {
      guard let name = key.string, let text = text(value, "labels.\(key.string ?? "")") else {
        continue
      }
      draft.request.labels[name] = text
    }
  }

  private mutating func each(
    _ node: Node, below prefix: String, _ read: (inout JobFileReader, String, Node) -> Void
  ) {
    each(
      node, at: prefix, known: JobFileKeys.children(of: prefix),
      refusal: { JobFileKeys.refusal(of: $0, below: prefix) }, read)
  }

  mutating func refuse(_ problem: String) { draft.refuse(problem) }

  private mutating func choose<Choice: RawRepresentable & CaseIterable>(
    _ node: Node, _ path: String, _ set: (inout JobDraft, Choice) -> Void
  ) where Choice.RawValue == String {
    guard let text = text(node, path) else { return }
    if let choice = Choice(rawValue: text) { return set(&draft, choice) }
    let choices = Choice.allCases.map(\.rawValue).joined(separator: ", ")
    draft.refuse("\(at(node, path)): \"\(printable(text))\" is not supported; use \(choices)")
  }
}
