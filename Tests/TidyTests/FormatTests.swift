import Testing

/// The formatter's own lint, with the repository's configuration.
@Suite struct FormatTests {
  @Test func theFormatterHasNothingToSay() throws {
    let run = try ToolRun(
      "swift", "format", "lint", "--strict", "-r", "Sources", "Tests", "bench", "Package.swift",
      in: SourceTree.current.root)
    #expect(
      run.exitCode == 0,
      """
      \(run.output)
      run: swift format -i -r Sources Tests bench Package.swift
      """)
  }
}
