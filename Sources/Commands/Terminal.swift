import Foundation
import Glibc

/// Standard output or standard error.
package struct Terminal: Sendable {
  package static let standardOutput = Terminal(descriptor: 1)
  package static let standardError = Terminal(descriptor: 2)

  private let descriptor: Int32

  /// Columns of the terminal, or `nil` where there is none, or a dumb one.
  package var width: Int? {
    guard isatty(descriptor) == 1, environment("TERM") != "dumb" else { return nil }
    var size = winsize()
    let status = unsafe ioctl(descriptor, UInt(TIOCGWINSZ), &size)
    return status == 0 && size.ws_col > 0 ? Int(size.ws_col) : 80
  }

  /// Whether colours are welcome: on a terminal, unless `NO_COLOR` is set (no-color.org).
  package var hasColours: Bool { width != nil && environment("NO_COLOR") == nil }

  /// Writes at once, unbuffered; what a closed pipe does not take is lost.
  package func write(_ text: String) {
    let bytes = Array(text.utf8)
    var sent = 0
    while sent < bytes.count {
      let count = unsafe bytes.withUnsafeBytes { buffer in
        unsafe Glibc.write(descriptor, buffer.baseAddress?.advanced(by: sent), buffer.count - sent)
      }
      guard count > 0 || errno == EINTR else { return }
      sent += max(0, count)
    }
  }

  /// The text in a colour, where colours are welcome.
  package func colour(_ colour: Colour, _ text: String) -> String {
    hasColours ? "\u{1B}[\(colour.rawValue)m\(text)\u{1B}[0m" : text
  }

  package enum Colour: Int, Sendable {
    case red = 31
    case green = 32
    case yellow = 33
    case faint = 2
  }
}

/// Prints a line to standard output.
package func printLine(_ text: String) {
  Terminal.standardOutput.write(text + "\n")
}

/// An environment variable that is set and not empty.
package func environment(_ name: String) -> String? {
  guard let value = ProcessInfo.processInfo.environment[name], !value.isEmpty else { return nil }
  return value
}
