import Digests
import Foundation
import Glibc
import Partials

/// The two secrets that let a peer in: one for the command line, one for workers.
///
/// Made once for each state folder, readable by its owner alone.
package struct Tokens: Sendable {
  package static let byteCount = 32
  package static let clientFile = "client.token"
  package static let fleetFile = "fleet.token"

  package let client: [UInt8]
  package let fleet: [UInt8]

  /// Reads the folder's tokens, or makes them.
  package init(stateFolder: String) throws(CoordinatorError) {
    client = try Self.readOrMake("\(stateFolder)/\(Self.clientFile)")
    fleet = try Self.readOrMake("\(stateFolder)/\(Self.fleetFile)")
  }

  /// Reads a token file: 64 hex digits.
  package static func read(_ path: String) throws(CoordinatorError) -> [UInt8] {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
      throw CoordinatorError(
        "cannot read the token file \(path): start the coordinator first, or name its file")
    }
    let digits = text.trimmingCharacters(in: .whitespacesAndNewlines)
    guard let token = Digest256(hex: digits) else {
      throw CoordinatorError("\(path) is not a token: it has to hold 64 hex digits")
    }
    return token.bytes
  }

  private static func readOrMake(_ path: String) throws(CoordinatorError) -> [UInt8] {
    if unsafe access(path, F_OK) == 0 { return try read(path) }
    let token = randomBytes(count: byteCount)
    let text = (Digest256(bytes: token)?.description ?? "") + "\n"
    // Under another name first: a crash leaves no half token behind.
    let draft = path + ".draft"
    let descriptor = unsafe open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      throw CoordinatorError("cannot make \(path): \(unsafe String(cString: strerror(errno)))")
    }
    defer { close(descriptor) }
    let bytes = Array(text.utf8)
    let count = unsafe bytes.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
    guard count == bytes.count, fsync(descriptor) == 0, unsafe rename(draft, path) == 0 else {
      throw CoordinatorError("cannot write \(path): \(unsafe String(cString: strerror(errno)))")
    }
    // Before anybody learns it: with a token that a power loss took back no worker gets in again.
    do throws(FileError) {
      try File(URL(fileURLWithPath: path).deletingLastPathComponent().path, .read).synchronize()
    } catch {
      throw CoordinatorError("cannot keep \(path): \(error)")
    }
    return token
  }
}

/// Compares secrets in a time that does not depend on where they differ.
func isSameSecret(_ left: [UInt8], _ right: [UInt8]) -> Bool {
  guard left.count == right.count else { return false }
  var difference: UInt8 = 0
  for index in left.indices { difference |= left[index] ^ right[index] }
  return difference == 0
}
