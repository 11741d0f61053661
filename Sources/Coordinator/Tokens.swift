import Digests
import Foundation
import Glibc

/// The two secrets that let a peer in: one for the command line, one for any worker.
///
/// Made once for each state folder, readable by its owner alone. Neither crosses the wire: see
/// `FrameProof`. Single workers can have tokens of their own: see `WorkerTokens`.
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
    let token = try JoinToken(path: path)
    guard token.name.isEmpty else {
      throw CoordinatorError("\(path) is the token of the worker \(token.name), and of nobody else")
    }
    return token.secret
  }

  static func readOrMake(_ path: String) throws(CoordinatorError) -> [UInt8] {
    if unsafe access(path, F_OK) == 0 { return try read(path) }
    // Durable before anybody learns it: with a token that a power loss took back no worker gets in
    // again.
    let token = JoinToken(name: "", secret: randomBytes(count: byteCount))
    return try SecretFile.make(token.text, at: path) ? token.secret : read(path)
  }
}

/// What a worker proves to know when it joins.
package struct JoinToken: Sendable {
  /// Whose token it is; empty for the one that lets any worker in.
  package let name: String
  package let secret: [UInt8]

  init(name: String, secret: [UInt8]) {
    self.name = name
    self.secret = secret
  }

  /// Reads a token file: 64 hex digits, after the worker's name where it has its own.
  package init(path: String) throws(CoordinatorError) {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
      throw CoordinatorError(
        "cannot read the token file \(path): start the coordinator first, or name its file")
    }
    let words = text.split(whereSeparator: \.isWhitespace)
    guard let digits = words.last, words.count <= 2, let secret = Digest256(hex: digits) else {
      throw CoordinatorError("\(path) is not a token: it has to hold 64 hex digits")
    }
    name = words.count == 2 ? String(words[0]) : ""
    self.secret = secret.bytes
  }

  /// Writes it to a new file that its owner alone can read.
  package func write(to path: String) throws(CoordinatorError) {
    guard try SecretFile.make(text, at: path) else {
      throw CoordinatorError("\(path) is there already")
    }
  }

  /// As it stands in a file.
  package var text: String {
    let digits = Digest256(bytes: secret)?.description ?? ""
    return (name.isEmpty ? digits : "\(name) \(digits)") + "\n"
  }
}
