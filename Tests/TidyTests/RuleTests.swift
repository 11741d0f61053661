import Testing

/// Every rule can fail: each finds what is wrong in a small bad example, in the right line.
@Suite struct RuleTests {
  private func lines(_ findings: [Finding]) -> [Int] { findings.map(\.line) }

  // MARK: Reading code

  @Test(arguments: [
    ("let a = 1 // try!\n", "let a = 1        \n"),
    ("/* a /* b */ try! */ c", "                     c"),
    ("\"try! \\(x!) y\"", "\"      (x!)  \""),
    ("#\"a \"b\\(c)\"#", "#\"        \"#"),
    ("\"\"\"\n a \"b\" try!\n\"\"\" + d", "\"\"\"\n           \n\"\"\" + d"),
    ("\"a\\\"b\" + c", "\"    \" + c"),
    ("f(\"(\", g(\"\\(h(\")\"))\"))", "f(\" \", g(\" (h(\" \"))\"))"),
  ])
  func blanksCommentsAndTexts(text: String, code: String) {
    #expect(CodeText.blanked(text, isC: false) == code)
  }

  @Test func blanksCharactersOfC() {
    #expect(CodeText.blanked("if (c == '\"') x = \"}\";", isC: true) == "if (c ==    ) x = \" \";")
    #expect(CodeText.blanked("/* a /* b */ c", isC: true) == "             c")
  }

  // MARK: Imports

  @Test(arguments: [
    ("Sources/Jobs/A.swift", "import Foundation"),
    ("Sources/Leasing/A.swift", "package import CoordinatorCore"),
    ("Sources/CoordinatorCore/A.swift", "import Journal"),
    ("Sources/WorkerCore/A.swift", "import struct Dispatch.DispatchTime"),
    ("Sources/Coordinator/A.swift", "import CNNG"),
    ("Sources/Wire/A.swift", "internal import Transport"),
    ("Sources/Scoring/A.swift", "import Tables"),
    ("Sources/Transport/A.swift", "import Worker"),
    ("Sources/Commands/A.swift", "import GRDB"),
    ("Tests/JobsTests/A.swift", "import CWire"),
  ])
  func findsImportsThatGoUpOrSideways(path: String, line: String) {
    let file = SourceFile(path: path, text: "// a remark\n\(line)\n")
    #expect(lines(file.importFindings()) == [2])
  }

  @Test(arguments: [
    ("Sources/Leasing/A.swift", "package import Jobs"),
    ("Sources/Transport/A.swift", "import CNNG"),
    ("Sources/Worker/A.swift", "import Foundation"),
    ("Tests/WireTests/A.swift", "import CWire"),
    ("Tests/JobsTests/A.swift", "import Testing"),
  ])
  func allowsImportsThatGoDown(path: String, line: String) {
    #expect(SourceFile(path: path, text: line).importFindings().isEmpty)
  }

  @Test func comparesThePackageWithTheImports() {
    let package = PackageDescription(
      text: """
        let package = Package(
          targets: [
            .target(name: "Jobs", dependencies: ["Transport"]),
            .target(
              name: "Leasing", dependencies: ["Jobs", .product(name: "GRDB", package: "GRDB.swift")],
              swiftSettings: settings),
            .target(name: "Wire", dependencies: ["Jobs"]),
          ])
        """)
    #expect(package.targets.map(\.name) == ["Jobs", "Leasing", "Wire"])
    #expect(package.targets.map(\.dependencies) == [["Transport"], ["Jobs", "GRDB"], ["Jobs"]])
    let sources = [
      SourceFile(path: "Sources/Jobs/A.swift", text: "struct A {}"),
      SourceFile(path: "Sources/Leasing/A.swift", text: "import Jobs"),
      SourceFile(path: "Sources/Wire/A.swift", text: "import CWire\nimport Foundation"),
    ]
    #expect(
      package.findings(sources).map(\.problem) == [
        "Jobs depends on Transport", "Leasing depends on GRDB",
        "Wire depends on Jobs and imports it nowhere",
        "Wire imports CWire without depending on it",
      ])
  }

  // MARK: Words

  @Test(arguments: [
    "let t = Instant.now", "let t = Date()", "try await Task.sleep(for: .seconds(1))",
    "let n = Int.random(in: 0...9)", "let clock = ContinuousClock()", "let x = list.shuffled()",
    "var g = SystemRandomNumberGenerator()", "let x = list.randomElement()", "print(x)",
  ])
  func findsClocksAndDiceInPureModules(line: String) {
    let pure = SourceFile(path: "Sources/Leasing/A.swift", text: "import Jobs\n\(line)\n")
    #expect(lines(TextRules.findings(in: pure)) == [2])
    let shell = SourceFile(path: "Sources/Worker/A.swift", text: line)
    #expect(TextRules.findings(in: shell).isEmpty)
  }

  @Test func allowsDiceThatComeIn() {
    let file = SourceFile(
      path: "Sources/WorkerCore/A.swift",
      text: "Int.random(\n  in: 0...9, using: &generator)\nlet known = state.nowKnown // .now\n")
    #expect(TextRules.findings(in: file).isEmpty)
  }

  @Test(arguments: [
    "let x = try! f()", "let x = y!", "let x = f()!", "let x = a[0]!.b", "var x: Int!",
    "let x = y as! Z", "public struct A {}", "// FIXME: later", "// TODO: later",
    "// TODO(12): later", "fatalError(\"not implemented yet\")", "@testable import Jobs",
    "_ = try? f()", "final class A: @unchecked Sendable {", "nonisolated(unsafe) var a = 1",
    "import XCTest",
  ])
  func findsWhatIsBanned(line: String) {
    let file = SourceFile(path: "Sources/Worker/A.swift", text: "\n\n\n\n\(line)\n")
    #expect(lines(TextRules.findings(in: file)) == [5])
  }

  @Test(arguments: [
    "if !x, a != b, !f() {", "// y! try! public", "let text = \"public y!\"", "// TODO(#12): later",
    "_ = try? f()  // a missing file is an empty one", "let publicKey = 1",
  ])
  func allowsWhatOnlyLooksBanned(line: String) {
    #expect(TextRules.findings(in: SourceFile(path: "Sources/Worker/A.swift", text: line)).isEmpty)
  }

  @Test(arguments: [
    "struct LeaseManager {}", "enum StringHelpers {}", "let chunk = 1", "func readChunks() {}",
    "var jobInfo: Int", "case segment(Int)", "let cfg = 1", "private static let tmp_path = 1",
  ])
  func findsBannedNames(line: String) {
    let file = SourceFile(path: "Sources/Worker/A.swift", text: "\n\(line)")
    #expect(lines(NameRules.findings(in: file)) == [2])
  }

  @Test func allowsNamesThatOnlyContainThem() {
    let file = SourceFile(
      path: "Sources/Worker/A.swift", text: "let information = 1 // a chunk\nvar length = 2\n")
    #expect(NameRules.findings(in: file).isEmpty)
  }

  // MARK: Sizes

  private func body(_ lineCount: Int) -> String {
    String(repeating: "  work { $0 }\n", count: lineCount)
  }

  @Test(arguments: [
    "func f() {\n", "package init(\n  a: Int = { 1 }()\n) throws {\n", "deinit {\n",
  ])
  func findsLongFunctions(head: String) {
    let text =
      "struct A {\n  let a = [\n    1,\n  ]\n\(head)\(body(SizeRules.functionLineLimit))}\n}\n"
    let file = SourceFile(path: "Sources/Worker/A.swift", text: text)
    #expect(lines(SizeRules.findings(in: file)) == [5])
  }

  @Test func allowsShortFunctionsInLongTypes() {
    let function = "  func f(_ g: () -> Int = { 1 }) {\n\(body(66))  }\n"
    let text = "struct A {\n  let a = B.init(c)\n\(function)\(function)}\n"
    let file = SourceFile(path: "Sources/Worker/A.swift", text: text)
    #expect(SizeRules.findings(in: file).isEmpty)
  }

  @Test func findsLongFunctionsOfC() {
    let long = String(repeating: "  if (a) { b(\"}\"); }\n", count: SizeRules.functionLineLimit)
    let text = "#define X {\nnamespace {\nint f(int a) {\n\(long)}\n}\n"
    let file = SourceFile(path: "Sources/CKernels/a.cpp", text: text)
    #expect(lines(SizeRules.findings(in: file)) == [3])
  }

  @Test func findsLongFiles() {
    let limit = SizeRules.fileLineLimit
    let text = { String(repeating: "let a = 1\n", count: $0) }
    let long = SourceFile(path: "Sources/Worker/A.swift", text: text(limit + 1))
    #expect(lines(SizeRules.findings(in: long)) == [limit + 1])
    let fitting = SourceFile(path: "Sources/Worker/A.swift", text: text(limit))
    #expect(SizeRules.findings(in: fitting).isEmpty)
  }

  // MARK: The repository

  @Test func findsMessagesThatContainThemselves() {
    let common = "message A {\n  B b = 1;\n}\n"
    let fleet = "message B {\n  oneof body {\n    C c = 1;\n  }\n  int64 n = 2;\n}\nmessage C { }\n"
    let loop = "message C {\n  repeated A a = 1;\n}\n"
    #expect(ProtoRules.findings([("a.proto", common), ("b.proto", fleet)]).isEmpty)
    let findings = ProtoRules.findings([("a.proto", common), ("b.proto", fleet), ("c.proto", loop)])
    #expect(findings.map(\.path) == ["a.proto", "b.proto", "c.proto"])
    #expect(ProtoRules.findings([("a.proto", "message A {\n  A a = 1;\n}\n")]).count == 1)
  }

  @Test func findsStrangersAtTheTop() {
    let findings = RepositoryRules.topLevelFindings([
      "Package.swift", "Sources/A.swift", ".ci/run", "notes.txt", "docs/a.md",
    ])
    #expect(findings.map(\.path) == ["docs", "notes.txt"])
  }

  @Test func findsLongReadmes() {
    let text = String(repeating: "a\n", count: SizeRules.readmeLineLimit)
    #expect(RepositoryRules.readmeFindings(text).isEmpty)
    #expect(RepositoryRules.readmeFindings(text + "b\n").map(\.line) == [151])
  }

  @Test(arguments: [
    "cd /" + "work/nightshift", "\"/" + "root/a\"", "--state /" + "home/me/state",
    "pip --index https://" + "pypi" + ".org/simple", "FROM docker" + ".io/swift",
  ])
  func findsPlacesOfOneMachine(line: String) {
    let findings = RepositoryRules.placeFindings(path: "cluster/a", text: "a\n\(line)\n")
    #expect(lines(findings) == [2])
  }

  @Test(arguments: [
    "bench/" + "work/a", "$folder/" + "home/a", "/homework", "/var/lib/nightshift", "a /rooted b",
  ])
  func allowsOtherPlaces(line: String) {
    #expect(RepositoryRules.placeFindings(path: "cluster/a", text: line).isEmpty)
  }

  @Test func faultsWithoutTestsAreFound() {
    let page = """
      | fault | what happens | shows it |
      | --- | --- | --- |
      | a | b | `ATests.one`, `ATests.two` |
      | a | b | words |
      | a | b | `ATests.three` |
      | a | b | `ATests` |
      | a | b | `BTests` |
      """
    let file = SourceFile(
      path: "Tests/ATests/ATests+More.swift", text: "  @Test func one() {}\n  func two(a: Int) {}\n"
    )
    #expect(FaultModelRules.tests([file]) == ["ATests.one", "ATests.two"])
    #expect(
      lines(FaultModelRules.findings(page, tests: FaultModelRules.tests([file]))) == [4, 5, 7])
  }
}
