/// Rules for the repository as a whole, and for files of any kind.
enum RepositoryRules {
  /// What the top level may hold, beside dot files.
  static let topLevel: Set<String> = [
    "Package.swift", "README.md", "Sources", "Tests", "bench", "cluster", "proto",
  ]

  static func topLevelFindings(_ paths: [String]) -> [Finding] {
    let names = Set(paths.compactMap { $0.split(separator: "/").first.map(String.init) })
    return names.filter { !topLevel.contains($0) && !$0.hasPrefix(".") }.sorted().map { name in
      Finding(
        path: name, line: 1, problem: "\(name) is not one of the repository's folders",
        replacement: "move it below \(topLevel.sorted().joined(separator: ", "))")
    }
  }

  /// Folders that are of one machine alone, and where packages come from.
  ///
  /// Put together here, so that this file does not break its own rule.
  private static let places = ["work", "root", "home"].map { "/" + $0 }
  private static let hosts = [
    "pypi" + ".org", "pythonhosted" + ".org", "deb.debian" + ".org", "registry." + "npmjs",
    "proxy." + "golang", "crates" + ".io", "docker" + ".io", "ghcr" + ".io", "arti" + "factory",
  ]

  /// Paths that belong to a system, not to a machine.
  static let exceptions: Set<String> = [
    // Lines of /proc/self/mountinfo, as Linux writes them.
    "Tests/JournalTests/OpeningTests.swift"
  ]

  static func placeFindings(path: String, text: String) -> [Finding] {
    guard !exceptions.contains(path),
      (places + hosts).contains(where: { text.range(of: $0) != nil })
    else { return [] }
    var findings: [Finding] = []
    for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
    {
      for place in places where names(line, place) {
        findings.append(
          Finding(
            path: path, line: number + 1, problem: "\(place) is a place of one machine",
            replacement: "use a relative path, a temporary folder, or an option"))
      }
      for host in hosts where line.range(of: host) != nil {
        findings.append(
          Finding(
            path: path, line: number + 1, problem: "\(host) is a registry's host",
            replacement: "name the package; the tool knows where to get it"))
      }
    }
    return findings
  }

  /// Whether a line names a folder at the top of the file system.
  private static func names(_ line: Substring, _ place: String) -> Bool {
    var rest = line
    while let found = rest.range(of: place) {
      let before = rest[..<found.lowerBound].utf8.last
      let after = rest[found.upperBound...].utf8.first
      let isTop =
        before.map { !$0.isPartOfWord && !".~}/)*-$".utf8.contains($0) } ?? true
      if isTop, after == UInt8(ascii: "/") { return true }
      rest = rest[found.upperBound...]
    }
    return false
  }

  static func readmeFindings(_ text: String) -> [Finding] {
    let count = text.split(separator: "\n", omittingEmptySubsequences: false).count - 1
    guard count > SizeRules.readmeLineLimit else { return [] }
    return [
      Finding(
        path: "README.md", line: count,
        problem: "\(count) lines; the limit is \(SizeRules.readmeLineLimit)",
        replacement: "move details to Sources/nightshift/Documentation.docc")
    ]
  }
}

/// The messages of the wire must not contain themselves: an unpacker would recurse as deep as a
/// stranger likes.
enum ProtoRules {
  static func findings(_ files: [(path: String, text: String)]) -> [Finding] {
    var fields: [String: Set<String>] = [:]
    var places: [String: (path: String, line: Int)] = [:]
    for file in files {
      var open: [String] = []
      for (number, line) in CodeText.blanked(file.text, isC: true).split(
        separator: "\n", omittingEmptySubsequences: false
      ).enumerated() {
        let words = line.words.map { String($0.text) }
        if words.first == "message", words.count > 1 {
          open.append(words[1])
          places[words[1]] = (file.path, number + 1)
        } else if line.range(of: "{") != nil {
          open.append(open.last ?? "")  // oneof and enum: their fields are the message's
        } else if let message = open.last, line.range(of: "=") != nil {
          fields[message, default: []].formUnion(words)
        }
        if line.range(of: "}") != nil, !open.isEmpty { open.removeLast() }
      }
    }
    return places.keys.sorted().filter { reaches($0, $0, fields) }.map { name in
      Finding(
        path: places[name]?.path ?? "proto", line: places[name]?.line ?? 1,
        problem: "message \(name) contains itself", replacement: "use a repeated flat message")
    }
  }

  private static func reaches(
    _ start: String, _ goal: String, _ fields: [String: Set<String>]
  ) -> Bool {
    var seen: Set<String> = []
    var waiting = Array(fields[start] ?? [])
    while let next = waiting.popLast() {
      if next == goal { return true }
      if seen.insert(next).inserted { waiting += fields[next] ?? [] }
    }
    return false
  }
}

/// The pages of faults and of threats: each line of their tables names a test, and each test that it
/// names exists.
enum FaultModelRules {
  static let paths = ["FaultModel", "ThreatModel"].map {
    "Sources/nightshift/Documentation.docc/\($0).md"
  }

  /// Reads a page beside the tests that there are, as `Suite.test`; a suite alone names all of it.
  static func findings(_ text: String, tests: Set<String>, path: String = paths[0]) -> [Finding] {
    let suites = Set(tests.compactMap { $0.split(separator: ".").first.map(String.init) })
    var findings: [Finding] = []
    for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
    where line.hasPrefix("| ") && !line.hasPrefix("| ---") && !line.hasSuffix("| shows it |") {
      let quoted = line.split(separator: "`").filter { name in
        name.range(of: "Tests.") != nil || name.hasSuffix("Tests")
      }
      if quoted.isEmpty {
        findings.append(
          Finding(
            path: path, line: number + 1, problem: "a fault without a test",
            replacement: "name the test that shows it, as `Suite.test`"))
      }
      for name in quoted where !tests.contains(String(name)) && !suites.contains(String(name)) {
        findings.append(
          Finding(
            path: path, line: number + 1, problem: "there is no test \(name)",
            replacement: "name one that is there"))
      }
    }
    return findings
  }

  /// The functions of the files of tests, by the file's name up to a plus sign.
  static func tests(_ sources: [SourceFile]) -> Set<String> {
    var names: Set<String> = []
    for file in sources where file.isSwift && !file.isSource {
      guard let last = file.path.split(separator: "/").last,
        let suite = last.split(whereSeparator: { $0 == "+" || $0 == "." }).first
      else { continue }
      for line in file.lines {
        guard let found = line.range(of: "func ") else { continue }
        let name = line[found.upperBound...].prefix { $0.isLetter || $0.isNumber }
        names.insert("\(suite).\(name)")
      }
    }
    return names
  }
}
