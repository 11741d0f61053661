import Executors
import Foundation
import Glibc
import Synchronization
import Transport
import Worker

/// A worker process beside this one, which ends when this one does.
///
/// Its standard input is a pipe that brings the coordinator's address, and then nothing: the worker
/// exits when it closes, however this process ended. It is spawned, never forked, because nng has threads; it is a
/// process group of its own, so that Ctrl-C reaches this process alone.
final class WorkerProcess: Sendable {
  private struct State {
    var lifeline: Int32
    var isReaped = false
  }

  let processID: pid_t
  private let state: Mutex<State>

  /// Starts this program again with other arguments.
  ///
  /// - Parameters:
  ///   - arguments: without the program's name.
  ///   - log: file that its standard output and error are appended to.
  ///   - tracesCrash: whether a crash shows where it was, which takes seconds.
  /// - Throws: `CommandError` naming the call that failed.
  init(arguments: [String], log: String, tracesCrash: Bool = true) throws(CommandError) {
    guard let ends = makePipe() else { throw Self.failure("pipe", errno) }
    let logFile = unsafe open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
    defer {
      close(ends.readEnd)
      if logFile >= 0 { close(logFile) }
    }
    let output = logFile >= 0 ? logFile : 2
    let spawned = spawn(
      ["nightshift"] + arguments, descriptors: [ends.readEnd, output, output],
      variables: tracesCrash ? [:] : ["SWIFT_BACKTRACE": "enable=no"])
    guard spawned.status == 0 else {
      close(ends.writeEnd)
      throw Self.failure("posix_spawn", spawned.status)
    }
    processID = spawned.processID
    state = Mutex(State(lifeline: ends.writeEnd))
  }

  deinit { releaseLifeline() }

  /// Sends the address that the worker is to join.
  func tell(_ address: Address) {
    let line = Array("\(address)\n".utf8)
    state.withLock { state in
      // An empty pipe takes a line whole; a worker that has died is started again and told.
      if state.lifeline >= 0 { _ = unsafe write(state.lifeline, line, line.count) }
    }
  }

  /// Closes the pipe: the worker exits at once.
  func releaseLifeline() {
    state.withLock { state in
      if state.lifeline >= 0 { close(state.lifeline) }
      state.lifeline = -1
    }
  }

  /// Sends a signal, unless the process has ended.
  func signal(_ number: Int32) {
    state.withLock { state in
      if !state.isReaped { kill(processID, number) }
    }
  }

  /// Waits, on a thread of its own, until the process has ended; once.
  ///
  /// - Returns: how it ended, in words.
  func ended() async -> String {
    await withCheckedContinuation { continuation in
      Thread.detachNewThread { [self] in
        var information = unsafe siginfo_t()
        // Without reaping first, so that no signal can go to another process of the same number.
        while unsafe waitid(P_PID, id_t(processID), &information, WEXITED | WNOWAIT) != 0,
          errno == EINTR
        {}
        let status = state.withLock { state in
          var status: Int32 = 0
          _ = unsafe waitpid(processID, &status, 0)
          state.isReaped = true
          return status
        }
        continuation.resume(returning: Self.describe(status))
      }
    }
  }

  private static func describe(_ status: Int32) -> String {
    let signal = status & 0x7f
    return signal == 0 ? description(ofExit: status >> 8 & 0xff) : "\(signalWord) \(signal)"
  }

  /// What the words for a death by a signal begin with.
  static let signalWord = "signal"

  /// How an exit code reads among the ways to end.
  static func description(ofExit code: Int32) -> String { "exit code \(code)" }

  private static func failure(_ call: String, _ code: Int32) -> CommandError {
    CommandError(
      "cannot start a worker process: \(call): \(unsafe String(cString: strerror(code)))")
  }
}
