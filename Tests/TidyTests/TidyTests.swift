import Testing

/// Our linter: the house style as far as a program can read it, over the tree as it is.
@Suite struct TidyTests {
  private static let sources = SourceTree.current.sources()

  private func expectNone(_ findings: [Finding]) {
    for finding in findings { Issue.record("\(finding)") }
  }

  @Test func sourcesAreThere() {
    #expect(Self.sources.count > 100)
    #expect(Self.sources.contains { $0.path == "Sources/Jobs/Plan.swift" })
    #expect(SourceTree.current.trackedPaths.contains("Package.swift"))
  }

  @Test func importsGoDownwards() throws {
    expectNone(Self.sources.flatMap { $0.importFindings() })
    let text = try #require(SourceTree.current.text(of: "Package.swift"))
    let package = PackageDescription(text: text)
    #expect(package.targets.count > 20)
    expectNone(package.findings(Self.sources))
  }

  @Test func everyModuleHasItsPlace() {
    let modules = Set(Self.sources.filter { $0.isSource && $0.isSwift }.map(\.module))
    let unknown = modules.subtracting(ImportTable.allowed.keys).sorted()
    #expect(unknown.isEmpty, "add them to ImportTable.allowed, after the design")
  }

  @Test func everyModuleIsATarget() throws {
    let text = try #require(SourceTree.current.text(of: "Package.swift"))
    let targets = Set(PackageDescription(text: text).targets.map(\.name))
    let forgotten = Set(Self.sources.filter { $0.isSource && $0.isSwift }.map(\.module))
      .subtracting(targets)
    #expect(forgotten.sorted() == [], "nobody builds them: add them to Package.swift")
  }

  @Test func nothingBannedIsSaid() {
    expectNone(Self.sources.flatMap { TextRules.findings(in: $0) })
  }

  @Test func namesAreWords() {
    expectNone(Self.sources.flatMap { NameRules.findings(in: $0) })
  }

  @Test func functionsAndFilesAreShort() {
    expectNone(Self.sources.flatMap { SizeRules.findings(in: $0) })
    for path in SizeRules.longFiles.keys {
      #expect(Self.sources.contains { $0.path == path }, "\(path) is gone: remove its exception")
    }
  }

  @Test func messagesOfTheWireAreFlat() {
    let files = SourceTree.current.trackedPaths.filter { $0.hasSuffix(".proto") }
      .compactMap { path in SourceTree.current.text(of: path).map { (path: path, text: $0) } }
    #expect(files.count >= 3)
    expectNone(ProtoRules.findings(files))
  }

  @Test func theRepositoryIsInOrder() {
    let paths = SourceTree.current.trackedPaths
    expectNone(RepositoryRules.topLevelFindings(paths))
    if let readme = SourceTree.current.text(of: "README.md") {
      expectNone(RepositoryRules.readmeFindings(readme))
    }
  }

  @Test func everyFaultHasItsTest() throws {
    let tests = FaultModelRules.tests(Self.sources)
    for path in FaultModelRules.paths {
      let text = try #require(SourceTree.current.text(of: path))
      expectNone(FaultModelRules.findings(text, tests: tests, path: path))
    }
  }

  @Test func nothingNamesAMachine() {
    for path in SourceTree.current.trackedPaths {
      guard let text = SourceTree.current.text(of: path) else { continue }
      expectNone(RepositoryRules.placeFindings(path: path, text: text))
    }
  }
}
