import ArgumentParser
import Commands
import Glibc

@main
struct Entry {
  static func main() async {
    do {
      var command = try Nightshift.parseAsRoot()
      if var command = command as? any AsyncParsableCommand {
        try await command.run()
      } else {
        try command.run()
      }
      end(0)
    } catch {
      let code = Nightshift.exitCode(for: error).rawValue
      let text = Nightshift.fullMessage(for: error)
      // Help is an error too, of code 0.
      let terminal = code == 0 ? Terminal.standardOutput : .standardError
      if !text.isEmpty { terminal.write(text + "\n") }
      end(code)
    }
  }

  /// Ends the process once everything printed is out, and runs no destructor of any library.
  ///
  /// Threads may still be at work, as that of a merge is which SIGTERM interrupts: it would use what
  /// Arrow has just destroyed.
  private static func end(_ code: Int32) -> Never {
    fflush(nil)
    _exit(code)
  }
}
