import Foundation
import Testing

/// `cluster/certs` where something is missing, wrong or broken off.
@Suite struct CertificateFolderTests {
  private let disk = FileManager.default

  /// Runs `cluster/certs`.
  private func run(_ arguments: [String]) throws -> (status: Int32, words: String) {
    let process = Process()
    process.executableURL =
      URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../../cluster/certs").standardized
    process.arguments = arguments
    let errors = Pipe()
    process.standardOutput = FileHandle.nullDevice
    process.standardError = errors
    try process.run()
    let words = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (process.terminationStatus, words)
  }

  private func contents(of folder: String) throws -> [String: Data] {
    try disk.contentsOfDirectory(atPath: folder).reduce(into: [:]) { files, name in
      files[name] = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)"))
    }
  }

  /// Without the authority's key nothing is made, least of all another authority.
  @Test(arguments: [[], ["--renew"], ["--rotate"]])
  func theKeyOfTheAuthorityIsMissed(_ options: [String]) throws {
    let folder = Certificates.shared.fresh("keyless\(options.joined())")
    try disk.removeItem(atPath: "\(folder)/ca.key")
    let before = try contents(of: folder)
    let (status, words) = try run(options + [folder])
    #expect(status == 66)
    #expect(words.contains("no ca.key beside ca.pem"), "\(words)")
    #expect(try contents(of: folder) == before)
  }

  @Test(arguments: [
    "host:7070", "::1\nDNS:evil.example", "10.0.0.1,DNS:evil.example", "1:2", "10.0.0.999", "",
  ])
  func namesThatAreNoneAreRefused(_ name: String) throws {
    let folder = Certificates.shared.fresh("names-\(UUID())")
    let before = try contents(of: folder)
    let (status, words) = try run([folder, name])
    #expect(status != 0)
    #expect(words.contains("certs: "), "\(words)")
    #expect(try contents(of: folder) == before)
  }

  /// The first step of `--rotate` counts once its last file has its name; before, it is done again.
  @Test(arguments: [1, 2])
  func aRotationThatBrokeOffBeginsAgain(certificateCount: Int) throws {
    let folder = Certificates.shared.fresh("broken-off-\(certificateCount)")
    let first = try String(contentsOfFile: "\(folder)/ca.pem", encoding: .utf8)
    #expect(try run(["--rotate", folder]).status == 0)
    // As it was just before that: the key without its name, and lost with it.
    try disk.removeItem(atPath: "\(folder)/next.key")
    if certificateCount == 1 {
      try first.write(toFile: "\(folder)/ca.pem", atomically: true, encoding: .utf8)
    }
    for _ in 0..<3 {
      #expect(try run(["--rotate", folder]).status == 0)
      #expect(try run(["--check", folder]).status == 0)
    }
    let last = try String(contentsOfFile: "\(folder)/ca.pem", encoding: .utf8)
    #expect(last.components(separatedBy: "BEGIN CERTIFICATE").count == 2)
    #expect(!first.contains(last.dropLast(40)))
    #expect(try Set(contents(of: folder).keys) == Self.files)
  }

  private static let files: Set<String> = [
    "ca.pem", "ca.key", "coordinator.pem", "coordinator.key", "worker.pem", "worker.key",
  ]
}
