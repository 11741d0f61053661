package import CPosix
import Foundation
import Glibc

/// Starts a program, by default this one again: spawned, never forked, because nng has threads.
///
/// The process is a group of its own, so that Ctrl-C reaches this process alone, and hears all
/// signals, which threads of this one block.
///
/// - Parameters:
///   - arguments: The program's name first.
///   - program: A path, or a name that is looked for in PATH.
///   - descriptors: What the process has as its descriptors 0, 1, 2 and so on; it has no others.
///   - variables: Added to this process's environment.
///   - isDetached: Whether it has a session of its own, and so outlives this one's terminal.
/// - Returns: 0 or the code of an error, and the process.
package func spawn(
  _ arguments: [String], program: String = "/proc/self/exe", descriptors: [Int32],
  variables: [String: String] = [:], isDetached: Bool = false
) -> (status: Int32, processID: pid_t) {
  var actions = unsafe posix_spawn_file_actions_t()
  var attributes = posix_spawnattr_t()
  unsafe posix_spawn_file_actions_init(&actions)
  unsafe posix_spawnattr_init(&attributes)
  defer {
    unsafe posix_spawn_file_actions_destroy(&actions)
    unsafe posix_spawnattr_destroy(&attributes)
  }
  for (place, descriptor) in descriptors.enumerated() {
    unsafe posix_spawn_file_actions_adddup2(&actions, descriptor, Int32(place))
  }
  // Not those either that this process was given by its parent, who may wait for their end.
  unsafe ns_close_from(&actions, Int32(descriptors.count))
  var signals = sigset_t()
  unsafe sigemptyset(&signals)
  unsafe posix_spawnattr_setsigmask(&attributes, &signals)
  unsafe sigaddset(&signals, SIGPIPE)
  unsafe posix_spawnattr_setsigdefault(&attributes, &signals)
  unsafe posix_spawnattr_setpgroup(&attributes, 0)
  // POSIX_SPAWN_SETSID, which stands behind _GNU_SOURCE.
  let session = isDetached ? 0x80 : Int32(POSIX_SPAWN_SETPGROUP)
  let flags = session | Int32(POSIX_SPAWN_SETSIGMASK) | Int32(POSIX_SPAWN_SETSIGDEF)
  unsafe posix_spawnattr_setflags(&attributes, Int16(flags))
  let environment = ProcessInfo.processInfo.environment.merging(variables) { $1 }
  var processID: pid_t = 0
  let status = unsafe withCStrings(arguments) { arguments in
    unsafe withCStrings(environment.map { "\($0)=\($1)" }) { variables in
      unsafe posix_spawnp(
        &processID, program, &actions, &attributes, arguments, variables)
    }
  }
  return (status, processID)
}

/// Calls `body` with a null-terminated list of C strings that live as long as the call.
private func withCStrings<Value>(
  _ texts: [String], _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Value
) -> Value {
  var pointers = unsafe texts.map { text in unsafe strdup(text) }
  unsafe pointers.append(nil)
  defer { for index in texts.indices { unsafe free(pointers[index]) } }
  return unsafe pointers.withUnsafeMutableBufferPointer { buffer in
    guard let start = buffer.baseAddress else { fatalError("the list has an end") }
    return unsafe body(start)
  }
}
