/// Which module may import which: the list of DESIGN section 3, from the bottom up.
///
/// Every module may also import what the system brings (`systemModules`), but for the pure ones.
enum ImportTable {
  static let allowed: [String: Set<String>] = [
    "Jobs": [],
    "Leasing": ["Jobs"],
    "CoordinatorCore": ["Jobs", "Leasing"],
    "WorkerCore": ["Jobs", "Leasing"],
    "Simulation": ["CoordinatorCore", "Jobs", "Leasing", "WorkerCore"],
    "Executors": ["CPosix"],
    "Fleet": ["CPosix", "CoordinatorCore", "Executors"],
    "Failpoints": [],
    "Digests": ["CCrypto", "CXXHash"],
    "Compression": ["CZlib", "CZstd"],
    "CColumnar": ["CArrow", "CZstd"],
    "Columnar": ["CColumnar", "CKernels", "Jobs"],
    "ObjectStore": ["CCurl", "Digests"],
    "Database": ["CPQ", "CSQLite3"],
    "Transport": ["CNNG"],
    "Wire": ["CWire", "Digests", "Jobs", "Leasing"],
    "Journal": ["CoordinatorCore", "GRDB", "GRDBSQLite", "Jobs", "Leasing"],
    "Tables": [
      "CKernels", "Columnar", "Compression", "Database", "Digests", "Jobs", "Models",
      "ObjectStore",
    ],
    "Models": ["CKernels"],
    "Scoring": ["CKernels", "Models"],
    "Features": ["CKernels", "Models", "Scoring"],
    "Partials": ["Compression", "Digests", "Jobs", "Leasing", "ObjectStore"],
    "Destinations": [
      "CPosix", "Columnar", "Compression", "CoordinatorCore", "Database", "Digests", "Jobs",
      "Leasing", "ObjectStore", "Partials", "Scoring", "Tables",
    ],
    "Coordinator": [
      "CPosix", "Compression", "CoordinatorCore", "Database", "Destinations", "Digests",
      "Executors",
      "Failpoints", "Features", "Fleet", "Jobs", "Journal", "Leasing", "Logging", "Models",
      "ObjectStore", "Partials", "Scoring", "Tables", "Transport", "Wire",
    ],
    "Worker": [
      "CPosix", "Compression", "Digests", "Executors", "Failpoints", "Features", "Jobs", "Leasing",
      "Logging", "Models", "ObjectStore", "Partials", "Scoring", "Tables", "Transport",
      "Wire", "WorkerCore",
    ],
    "Commands": [
      "ArgumentParser", "Coordinator", "CoordinatorCore", "Destinations", "Digests", "Executors",
      "Features", "Fleet", "Jobs", "Logging", "Models", "ObjectStore", "Scoring", "Tables",
      "Transport", "Wire", "Worker", "WorkerCore", "Yams",
    ],
    "nightshift": ["ArgumentParser", "Commands"],
    "nightshift-sim": ["Jobs", "Simulation"],
    "nightshift-fuzz": [
      "Columnar", "Commands", "Compression", "CoordinatorCore", "Destinations", "Digests",
      "Features", "Fleet", "Jobs", "Journal", "Leasing", "Models", "ObjectStore", "Partials",
      "Scoring", "Simulation", "Tables", "Wire",
    ],
    "nightshift-bench": [
      "ArgumentParser", "Coordinator", "CoordinatorCore", "Digests", "Jobs", "Journal", "Leasing",
      "Logging", "Models", "Scoring", "Simulation", "Tables", "Transport", "Wire",
    ],
  ]

  /// The cores: values in, effects out.
  static let pure: Set<String> = ["Jobs", "Leasing", "CoordinatorCore", "WorkerCore", "Simulation"]

  /// Files of pure modules that need not be pure, and why.
  static let impureFiles: [String: String] = [
    "Sources/Simulation/FleetModel.swift": "it has a clock of its own, which is a number",
    "Sources/Simulation/LeaseBenchmark.swift": "it measures time; worlds never call it",
    "Sources/Simulation/MessageSequence.swift": "it reads its world's own clock, which is a number",
    "Sources/Simulation/SimulationOutcome.swift": "it reads a world's own clock, which is a number",
    "Sources/Simulation/StragglerModel.swift": "it has a clock of its own, which is a number",
  ]

  /// The target of the programs in `bench`.
  static let benchmarks = "nightshift-bench"
  /// The target of the fuzzers in `Tests/Fuzz`.
  static let fuzzers = "nightshift-fuzz"

  static let systemModules: Set<String> = ["Dispatch", "Foundation", "Glibc", "Synchronization"]

  /// Modules in C, and the test targets that call them beside their wrapper.
  static let testedCModules: [String: Set<String>] = [
    "CKernels": ["ColumnarTests", "ScoringTests", "TablesTests"],
    "CPosix": ["TransportTests"],
    "CWire": ["WireTests"],
    "CZlib": ["CompressionTests"],
  ]

  static func isC(_ module: String) -> Bool {
    let letters = Array(module)
    return letters.count > 1 && letters[0] == "C" && letters[1].isUppercase || module == "GRDB"
      || module == "GRDBSQLite"
  }

  /// Whether a module or test target may import another.
  static func allows(_ module: String, _ imported: String, path: String = "") -> Bool {
    if module.hasSuffix("Tests") {
      return isC(imported)
        ? testedCModules[imported]?.contains(module) == true
        : allowed[imported] != nil || systemModules.contains(imported) || imported == "Testing"
          || ["TestSupport", "Logging", "ArgumentParser", "Yams"].contains(imported)
    }
    if systemModules.contains(imported) {
      return !pure.contains(module) || impureFiles[path] != nil
    }
    return allowed[module]?.contains(imported) == true
  }

  static func replacement(_ module: String, _ imported: String) -> String {
    if pure.contains(module) {
      return "take the value as an argument: \(module) imports "
        + (allowed[module]?.sorted().joined(separator: ", ") ?? "nothing")
        + " and the standard library"
    }
    if isC(imported) { return "call the Swift module that wraps \(imported)" }
    let names = allowed[module]?.sorted().joined(separator: ", ") ?? "nothing"
    return "\(module) may import \(names) (the list is in ImportRules.swift, after the design)"
  }
}

/// One `import` line.
struct ImportLine: Hashable {
  let module: String
  let line: Int
}

extension SourceFile {
  var imports: [ImportLine] {
    guard isSwift else { return [] }
    return code.enumerated().compactMap { number, line in
      let words = line.words.map(\.text)
      guard let place = words.firstIndex(of: "import"), place < 2, words.count > place + 1 else {
        return nil
      }
      let kinds: Set<Substring> = [
        "struct", "class", "enum", "func", "protocol", "typealias", "var",
      ]
      let name =
        kinds.contains(words[place + 1]) ? words.dropFirst(place + 2).first : words[place + 1]
      return name.map { ImportLine(module: String($0), line: number) }
    }
  }

  func importFindings() -> [Finding] {
    guard isSwift, !module.isEmpty else { return [] }
    return imports.filter { !ImportTable.allows(module, $0.module, path: path) }.map { line in
      finding(
        line.line, "\(module) imports \(line.module)",
        ImportTable.replacement(module, line.module))
    }
  }
}

/// The targets of the package description, as far as these rules read it.
struct PackageDescription {
  struct Target: Hashable {
    let name: String
    let dependencies: [String]
    /// From 0.
    let line: Int
  }

  let targets: [Target]
  private let file: SourceFile

  init(text: String) {
    file = SourceFile(path: "Package.swift", text: text)
    var targets: [Target] = []
    var place = 0
    while place < file.code.count {
      let line = file.code[place].trimmed
      let kinds = [".target(", ".testTarget(", ".executableTarget("]
      guard kinds.contains(where: { line.hasPrefix($0) }) else {
        place += 1
        continue
      }
      let end = Self.end(of: file.code, from: place)
      targets.append(Self.target(file.lines[place...end].joined(separator: "\n"), line: place))
      place = end + 1
    }
    self.targets = targets
  }

  /// The line in which the parentheses that open in a line are all closed.
  private static func end(of code: [Substring], from first: Int) -> Int {
    var depth = 0
    for line in first..<code.count {
      for byte in code[line].utf8 {
        if byte == UInt8(ascii: "(") { depth += 1 }
        if byte == UInt8(ascii: ")") { depth -= 1 }
      }
      if depth <= 0 { return line }
    }
    return code.count - 1
  }

  private static func target(_ text: String, line: Int) -> Target {
    let name = text.split(separator: "name: \"", maxSplits: 1).last?.prefix { $0 != "\"" } ?? ""
    guard let list = text.range(of: "dependencies: [") else {
      return Target(name: String(name), dependencies: [], line: line)
    }
    var dependencies: [String] = []
    var rest = text[list.upperBound...].prefix { $0 != "]" }
    if rest.words.contains(where: { $0.text == "log" }) { dependencies.append("Logging") }
    while let quote = rest.firstIndex(of: "\"") {
      let before = rest[..<quote].trimmed
      rest = rest[rest.index(after: quote)...]
      let value = rest.prefix { $0 != "\"" }
      if !before.hasSuffix("package:") { dependencies.append(String(value)) }
      rest = rest[value.endIndex...].dropFirst()
    }
    return Target(name: String(name), dependencies: dependencies, line: line)
  }

  /// What is declared against the table, against the import lines, or without need.
  func findings(_ sources: [SourceFile]) -> [Finding] {
    var findings: [Finding] = []
    for target in targets {
      let files = sources.filter { $0.module == target.name && $0.isSwift }
      let imported = Set(files.flatMap { $0.imports.map(\.module) })
      for dependency in target.dependencies {
        if !ImportTable.allows(target.name, dependency), dependency != "nightshift" {
          findings.append(
            file.finding(
              target.line, "\(target.name) depends on \(dependency)",
              ImportTable.replacement(target.name, dependency)))
        } else if !files.isEmpty, !imported.contains(dependency), dependency != "nightshift" {
          findings.append(
            file.finding(
              target.line, "\(target.name) depends on \(dependency) and imports it nowhere",
              "remove it from the target's dependencies"))
        }
      }
      let undeclared = imported.subtracting(target.dependencies)
        .filter { !ImportTable.systemModules.contains($0) && $0 != "Testing" }
      for module in undeclared.sorted() {
        findings.append(
          file.finding(
            target.line, "\(target.name) imports \(module) without depending on it",
            "add it to the target's dependencies"))
      }
    }
    return findings
  }
}
