/// The keys that a job file may have, and what is said about others.
package enum JobFileKeys {
  /// Every known key, by its full path, in the order in which the documentation has them.
  package static let all = [
    "displayName", "model",
    "inputConfig.instancesFormat", "inputConfig.uris", "inputConfig.delimiter",
    "inputConfig.nullWords", "inputConfig.schema", "inputConfig.filter",
    "inputConfig.onParseError", "inputConfig.hivePartitioning", "inputConfig.allowEmpty",
    "inputConfig.query", "inputConfig.splitColumn",
    "instanceConfig.instanceType", "instanceConfig.keyField", "instanceConfig.includedFields",
    "instanceConfig.excludedFields",
    "outputConfig.predictionsFormat", "outputConfig.compression", "outputConfig.uri",
    "outputConfig.table", "outputConfig.writeMode", "outputConfig.upsertKeys",
    "outputConfig.outputFields", "outputConfig.topK", "outputConfig.errorsUri",
    "dedicatedResources.maxReplicaCount", "dedicatedResources.startingReplicaCount",
    "dedicatedResources.machineSpec.machineType", "dedicatedResources.spot",
    "dedicatedResources.deadline", "dedicatedResources.budget",
    "modelParameters.rawScore", "modelParameters.fastSums", "generateExplanation",
    "labels", "errorThreshold", "blockByteCount",
  ]

  /// Keys that other systems have, and what to do instead.
  package static let hints = [
    "inputConfig.gcsSource": "list gs:// URIs under inputConfig.uris",
    "inputConfig.bigquerySource":
      "export the table to Parquet and list its gs:// URIs under inputConfig.uris",
    "outputConfig.gcsDestination": "name a folder or a gs:// prefix under outputConfig.uri",
    "outputConfig.bigqueryDestination":
      "write Parquet to a gs:// prefix under outputConfig.uri and load it",
    "dedicatedResources.machineSpec.acceleratorType": "workers score on processors",
    "dedicatedResources.machineSpec.acceleratorCount": "workers score on processors",
    "dedicatedResources.minReplicaCount":
      "workers go when the work does; what a pool keeps is said in the fleet file",
    "manualBatchTuningParameters": "batches need no tuning here",
    "explanationSpec": "contributions are exact and need no settings: use generateExplanation",
    "modelMonitoringConfig": "monitoring is not supported yet",
    "modelVersion": "name the model's file under model",
  ]

  /// The keys directly below a prefix such as `inputConfig`, or at the top for an empty one.
  package static func children(of prefix: String) -> [String] {
    let depth = prefix.split(separator: ".").count
    var names: [String] = []
    for key in all where prefix.isEmpty || key.hasPrefix(prefix + ".") {
      let name = String(key.split(separator: ".")[depth])
      if !names.contains(name) { names.append(name) }
    }
    return names
  }

  /// What to say about a key that is not known.
  package static func refusal(of name: String, below prefix: String) -> String {
    let path = prefix.isEmpty ? name : "\(prefix).\(name)"
    if let hint = hints[path] { return "\(path) is not supported: \(hint)" }
    let home = all.first { $0.hasSuffix(".\(name)") }
    if let home { return "unknown key \(printable(path)); did you mean \(home)?" }
    if let near = nearestName(to: name, among: children(of: prefix)) {
      let full = prefix.isEmpty ? near : "\(prefix).\(near)"
      return "unknown key \(printable(path)); did you mean \(full)?"
    }
    let known = children(of: prefix).joined(separator: ", ")
    return "unknown key \(printable(path)); known here: \(known)"
  }
}
