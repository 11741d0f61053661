/// Words that no declaration may carry: those of the style's tables, and abbreviations.
enum NameRules {
  static let replacements: [String: String] = [
    "manager": "name what it does", "managers": "name what it does",
    "helper": "name what it does", "helpers": "name what it does",
    "util": "name what it does", "utils": "name what it does",
    "utility": "name what it does", "utilities": "name what it does",
    "info": "name what it holds",
    "chunk": "say shard, block or piece", "chunks": "say shards, blocks or pieces",
    "segment": "say block", "segments": "say blocks",
    "epoch": "say attempt or incarnation", "epochs": "say attempts or incarnations",
    "artifact": "say bundle", "artifacts": "say bundles",
    "fragment": "say partial", "fragments": "say partials",
    "keepalive": "say heartbeat", "lock": "say lease, where a worker holds it",
    "ctx": "say context", "cfg": "say configuration", "buf": "say buffer", "idx": "say index",
    "tmp": "say what it is for", "msg": "say message", "req": "say request",
    "resp": "say answer", "cnt": "say count", "len": "say count, with its unit",
    "num": "say number or count", "ptr": "say pointer", "addr": "say address",
    "pos": "say offset or place", "cur": "say current", "prev": "say previous",
    "err": "say error", "mgr": "name what it does",
  ]

  /// Where a word means something else.
  static let exceptions: [String: Set<String>] = [
    "lock": ["Journal", "JournalTests"],  // a file's
    "keepalive": ["Transport", "TransportTests"],  // TCP's
    "epoch": ["Transport"],  // from which certificates count their days
    "info": ["Commands"],  // outputInfo is what Vertex AI calls it
  ]

  private static let declaring: Set<Substring> = [
    "struct", "class", "enum", "actor", "protocol", "typealias", "func", "var", "let", "case",
  ]

  static func findings(in file: SourceFile) -> [Finding] {
    guard file.isSwift, !file.isOurs else { return [] }
    var findings: [Finding] = []
    for (number, line) in file.code.enumerated() {
      let words = line.words.map(\.text)
      for (place, word) in words.enumerated() where declaring.contains(word) {
        guard place + 1 < words.count else { continue }
        let name = words[place + 1]
        let parts = parts(of: name)
        guard parts != ["info"] else { continue }  // a level of logging
        for part in parts {
          guard let replacement = replacements[part],
            exceptions[part]?.contains(file.module) != true
          else { continue }
          findings.append(file.finding(number, "\(name) says \"\(part)\"", replacement))
        }
      }
    }
    return findings
  }

  /// The words of a name in camel case, in lower case.
  static func parts(of name: Substring) -> [String] {
    var parts: [String] = []
    for character in name {
      if character.isUppercase || character == "_" || parts.isEmpty { parts.append("") }
      if character != "_" { parts[parts.count - 1] += character.lowercased() }
    }
    return parts
  }
}
