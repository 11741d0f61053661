import Foundation
import Glibc

/// The preloaded library that fails the n-th call of a kind, compiled once for all tests.
enum FailingCalls {
  /// What a call fails with; `short` has a read or write move half of its bytes.
  enum Failure: String, Sendable {
    case diskFull, io, tooManyFiles, noMemory, short

    var number: Int32 {
      switch self {
      case .diskFull: ENOSPC
      case .io: EIO
      case .tooManyFiles: EMFILE
      case .noMemory: ENOMEM
      case .short: 0
      }
    }
  }

  /// Size of `struct State` with room, as the library maps it.
  private static let stateByteCount = 16_384

  private static let library: Result<String, TestFailure> = {
    let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../../bench/faults/failing_calls.c").standardized.path
    let library = "\(FileManager.default.temporaryDirectory.path)/failing-calls-\(getpid()).so"
    let compiler = Process()
    compiler.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    compiler.arguments = ["clang", "-O1", "-fPIC", "-shared", "-o", library, source]
    do {
      try compiler.run()
    } catch {
      return .failure(TestFailure("NOT RUN: no clang: \(error)"))
    }
    compiler.waitUntilExit()
    return compiler.terminationStatus == 0
      ? .success(library) : .failure(TestFailure("NOT RUN: clang cannot compile \(source)"))
  }()

  /// The variables that have one call fail.
  ///
  /// - Parameters:
  ///   - number: Which call, from 1; 0 counts only.
  ///   - kind: As the library calls it.
  ///   - failure: What it fails with.
  ///   - role: The subcommand whose calls count.
  ///   - place: A part of the path of the files that count.
  ///   - state: A file that the library writes to; made here.
  /// - Returns: Variables of a program's environment.
  /// - Throws: Where the library cannot be compiled.
  static func variables(
    _ number: Int, _ kind: String, _ failure: Failure, role: String, place: String? = nil,
    state: String
  ) throws -> [String: String] {
    try Data(count: stateByteCount).write(to: URL(fileURLWithPath: state))
    var variables = [
      "LD_PRELOAD": try library.get(), "FAILING_ROLE": role, "FAILING_KIND": kind,
      "FAILING_NUMBER": "\(number)", "FAILING_ERROR": "\(failure.number)", "FAILING_STATE": state,
    ]
    variables["FAILING_PLACE"] = place
    return variables
  }

  /// How many calls counted, and how many of them failed.
  static func counts(_ state: String) throws -> (calls: Int, failed: Int) {
    let bytes = try Data(contentsOf: URL(fileURLWithPath: state)).prefix(16)
    let numbers = (0..<2).map { word in
      bytes.dropFirst(word * 8).prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
    }
    return (numbers[0], numbers[1])
  }
}
