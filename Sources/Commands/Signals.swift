import Dispatch
import Foundation
import Glibc

/// SIGINT and SIGTERM as a stream, instead of the end of the process.
enum Signals {
  /// Begins to catch the signals; once in a process.
  static func catchTermination() -> AsyncStream<Int32> {
    // Without a pipe, signals end the process.
    guard let ends = makePipe() else { return AsyncStream { $0.finish() } }
    unsafe writeEnd = ends.writeEnd
    for number in [SIGINT, SIGTERM] {
      var action = sigaction()
      unsafe action.__sigaction_handler.sa_handler = { number in
        var byte = UInt8(truncatingIfNeeded: number)
        _ = unsafe write(writeEnd, &byte, 1)
      }
      action.sa_flags = Int32(SA_RESTART)
      _ = unsafe sigaction(number, &action, nil)
    }
    let readEnd = ends.readEnd
    return AsyncStream { continuation in
      Thread.detachNewThread {
        var byte: UInt8 = 0
        while true {
          let count = unsafe read(readEnd, &byte, 1)
          if count == 1 { continuation.yield(Int32(byte)) } else if errno != EINTR { return }
        }
      }
    }
  }

  /// The exit code of a process that a signal ended.
  static func exitCode(_ number: Int32) -> Int32 { 128 + number }

  static func name(_ number: Int32) -> String { number == SIGINT ? "SIGINT" : "SIGTERM" }
}

/// Where the signal handler writes; set before the handler is installed and never again.
private nonisolated(unsafe) var writeEnd: Int32 = -1
