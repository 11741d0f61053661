/// What a file of an input holds, by the end of its name.
package enum InputKind: String, Hashable, Sendable, CaseIterable {
  case csv, tsv, jsonl, parquet, orc, arrow
  /// Images and documents, which are records as a whole.
  case media

  /// The endings of names that tell a kind, in lower case, behind that of a compression.
  private static let endings: [String: InputKind] = [
    "csv": .csv, "txt": .csv, "tsv": .tsv, "tab": .tsv, "jsonl": .jsonl, "ndjson": .jsonl,
    "json": .jsonl, "parquet": .parquet, "pq": .parquet, "orc": .orc, "arrow": .arrow,
    "arrows": .arrow, "feather": .arrow, "ipc": .arrow, "jpg": .media, "jpeg": .media,
    "png": .media, "gif": .media, "webp": .media, "bmp": .media, "tif": .media, "tiff": .media,
    "pdf": .media, "docx": .media, "mp4": .media, "wav": .media, "mp3": .media,
  ]

  /// The kind that a path's ending tells; `nil` where it tells none, as those of folders do.
  package init?(path: String) {
    var path = path[...]
    // What stands behind the path of a web address is no part of the name.
    if path.hasPrefix("http") { path = path.prefix { $0 != "?" && $0 != "#" } }
    var name = path.split(separator: "/").last?.lowercased() ?? ""
    for ending in [".gz", ".zst", ".bgz"] where name.hasSuffix(ending) {
      name.removeLast(ending.count)
    }
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    guard !path.hasSuffix("/"), parts.count > 1, let kind = Self.endings[String(parts.last ?? "")]
    else { return nil }
    self = kind
  }

  /// How it is read.
  package var format: JobRequest.InstancesFormat {
    switch self {
    case .csv, .tsv: .csv
    case .jsonl: .jsonl
    case .parquet: .parquet
    case .orc: .orc
    case .arrow: .arrow
    case .media: .files
    }
  }
}

extension JobRequest.InputConfig {
  /// Takes the format that files' names tell, for a job that does not say it.
  package mutating func take(_ kind: InputKind) {
    instancesFormat = kind.format
    // What is named for its tabs has them, unless the job says otherwise.
    if kind == .tsv, delimiter == "," { delimiter = "\t" }
    infersFormat = nil
  }
}

extension JobRequest {
  /// Whether this is what became of a request once its inputs were listed.
  package func isResolved(from asked: JobRequest) -> Bool {
    guard asked.inputConfig.infersFormat == true else { return self == asked }
    var other = asked
    other.inputConfig.instancesFormat = inputConfig.instancesFormat
    other.inputConfig.delimiter = inputConfig.delimiter
    other.inputConfig.infersFormat = nil
    return self == other
  }
}
