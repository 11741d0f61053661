import CPosix
import Executors
import Foundation
import Glibc

/// One call of an engine's own command-line client.
package struct EngineCommand: Sendable {
  /// An engine that says nothing for so long has failed.
  package static let standardTimeLimit = Duration.seconds(60)
  /// Bytes of output that are read of each stream; a listing of 10,000 workers has about a fifth.
  ///
  /// More is an error: workers that a cut listing lacks would seem to be gone.
  static let outputByteLimit = 32 << 20

  package let program: String
  package let arguments: [String]
  /// What the command reads from its standard input.
  package var input = ""
  package var variables: [String: String] = [:]
  package var timeLimit = EngineCommand.standardTimeLimit

  package init(_ program: String, _ arguments: [String]) {
    self.program = program
    self.arguments = arguments
  }

  package struct Output: Hashable, Sendable {
    package var exitCode: Int32
    package var output: String
    package var errors: String
  }

  /// Runs the command to its end, and takes every code but 0 for a failure.
  ///
  /// - Throws: `FleetError` where it cannot be started, takes too long, or ends with another code
  ///   than 0; the command's own words are in it.
  @discardableResult
  package func run() async throws(FleetError) -> Output {
    let output = try await runToEnd()
    guard output.exitCode == 0 else {
      let words = output.errors.isEmpty ? output.output : output.errors
      let text = words.trimmingCharacters(in: .whitespacesAndNewlines)
      let said = text.isEmpty ? "it said nothing" : String(text.suffix(2_000))
      throw FleetError("\(program) \(arguments.first ?? "") ended with \(output.exitCode): \(said)")
    }
    return output
  }

  /// Runs the command to its end, whatever its code.
  ///
  /// - Throws: `FleetError` where it cannot be started or takes too long.
  package func runToEnd() async throws(FleetError) -> Output {
    let result: Result<Output, FleetError>
    do {
      result = try await ownThread { self.runHere() }
    } catch {
      throw FleetError("\(program): \(error)")
    }
    return try result.get()
  }

  private func runHere() -> Result<Output, FleetError> {
    guard let input = Self.file(self.input), let output = Self.file(""), let errors = Self.file("")
    else { return .failure(FleetError("\(program): no temporary file can be made")) }
    defer { for file in [input, output, errors] { close(file) } }
    let spawned = spawn(
      [program] + arguments, program: program, descriptors: [input, output, errors],
      variables: variables)
    guard spawned.status == 0 else {
      let why =
        spawned.status == ENOENT
        ? "there is no such command here: install the engine's client, or mend PATH"
        : unsafe String(cString: strerror(spawned.status))
      return .failure(FleetError("\(program): \(why)"))
    }
    guard let code = Self.wait(for: spawned.processID, timeLimit) else {
      return .failure(
        FleetError(
          "\(program) \(arguments.first ?? "") took longer than \(Int(timeLimit / .seconds(1))) s"))
    }
    do {
      return .success(
        Output(exitCode: code, output: try content(output), errors: try content(errors)))
    } catch {
      return .failure(error)
    }
  }

  /// A file without a name: a pipe could fill up while nobody reads it.
  private static func file(_ content: String) -> Int32? {
    let folder = ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp"
    let file = unsafe ns_open_nameless(folder)
    guard file >= 0 else { return nil }
    let bytes = Array(content.utf8)
    let written = unsafe pwrite(file, bytes, bytes.count, 0)
    guard written == bytes.count else {
      close(file)
      return nil
    }
    return file
  }

  private func content(_ file: Int32) throws(FleetError) -> String {
    let size = lseek(file, 0, SEEK_END)
    guard size <= Self.outputByteLimit else {
      throw FleetError(
        "\(program) \(arguments.first ?? "") printed more than \(Self.outputByteLimit >> 20) MiB")
    }
    var bytes = [UInt8](repeating: 0, count: max(0, Int(size)))
    guard unsafe pread(file, &bytes, bytes.count, 0) == size else {
      throw FleetError("\(program): what it printed cannot be read again")
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The exit code, 128 and its number after a signal; nil where it took too long and was killed.
  private static func wait(for process: pid_t, _ limit: Duration) -> Int32? {
    let deadline = ContinuousClock.now + limit
    var status: Int32 = 0
    var pause: UInt32 = 1_000
    while unsafe waitpid(process, &status, WNOHANG) == 0 {
      guard ContinuousClock.now < deadline else {
        kill(-process, SIGKILL)
        _ = unsafe waitpid(process, &status, 0)
        return nil
      }
      usleep(pause)
      pause = min(50_000, pause * 2)
    }
    let signal = status & 0x7f
    return signal == 0 ? status >> 8 & 0xff : 128 + signal
  }
}
