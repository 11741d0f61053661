package import Jobs

// How the vocabulary of `Jobs` looks in JSON: states and phases by the names that users know, jobs
// and workers by their 16 hex digits.

extension JobState: Codable {}

extension JobPhase: Codable {}

extension JobID: Codable {
  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    guard let id = JobID(text) else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "a job is 16 hex digits")
    }
    self = id
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}

extension WorkerID: Codable {
  package init(from decoder: any Decoder) throws {
    self.init(try JobID(from: decoder).rawValue)
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}

extension RecordCounts: Codable {
  private enum Key: String, CodingKey {
    case ok, error, filtered
  }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    self.init(
      ok: try container.decode(UInt64.self, forKey: .ok),
      error: try container.decode(UInt64.self, forKey: .error),
      filtered: try container.decode(UInt64.self, forKey: .filtered))
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    try container.encode(ok, forKey: .ok)
    try container.encode(error, forKey: .error)
    try container.encode(filtered, forKey: .filtered)
  }
}
