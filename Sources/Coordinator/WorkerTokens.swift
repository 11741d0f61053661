import Digests
import Foundation
import Glibc
import Synchronization

/// The tokens of single workers, each of which can be revoked alone, in a state folder.
///
/// A token is derived from the folder's `workers.key`, the worker's name and a random number, which
/// stands in the file `workers/NAME`: with that file the token is gone for good, for a later one of
/// the same name has another number. What is added or revoked is so on disk before it is said, and a
/// coordinator that runs sees it by the folder's time.
package final class WorkerTokens: Sendable {
  package static let keyFile = "workers.key"
  package static let folderName = "workers"
  /// Longest name of a worker.
  package static let nameByteCount = 64

  /// A worker that has a token.
  package struct Entry: Hashable, Sendable {
    package let name: String
    /// Seconds since 1970.
    package let added: Int
  }

  private struct Known {
    /// The folder's time of change, in nanoseconds, when it was read, and whether it was that old
    /// that another change would have another time.
    var changed: Int64?
    var numbers: [String: String] = [:]
    /// Counts the times that it was read.
    var generation = 0
  }

  private let key: [UInt8]
  private let folder: String
  private let known = Mutex(Known())

  /// Opens a state folder's tokens; makes their key if there is none.
  package init(stateFolder: String) throws(CoordinatorError) {
    key = try Tokens.readOrMake("\(stateFolder)/\(Self.keyFile)")
    folder = "\(stateFolder)/\(Self.folderName)"
    try makeFolder(folder)
  }

  /// Makes a worker's token.
  ///
  /// - Throws: `CoordinatorError` where the name cannot be one, or has a token already.
  package func add(_ name: String) throws(CoordinatorError) -> JoinToken {
    guard Self.isName(name) else {
      throw CoordinatorError(
        "\"\(name)\" cannot be a worker's name: at most \(Self.nameByteCount) letters, digits, "
          + "hyphens and underscores, and dots that are not the first")
    }
    guard number(of: name) == nil else {
      throw CoordinatorError("the worker \(name) has a token already: revoke it first")
    }
    let number = SHA256.digest(of: randomBytes(count: Tokens.byteCount)).description
    guard try SecretFile.make(number + "\n", at: path(of: name)) else {
      throw CoordinatorError("somebody else is giving the worker \(name) a token right now")
    }
    return JoinToken(name: name, secret: secret(of: name, number))
  }

  /// Ends a worker's token.
  package func revoke(_ name: String) throws(CoordinatorError) {
    guard Self.isName(name), number(of: name) != nil else {
      throw CoordinatorError("the worker \"\(name)\" has no token")
    }
    try SecretFile.remove(path(of: name))
  }

  /// Every worker that has a token, by name.
  package func entries() -> [Entry] {
    names().sorted().compactMap { name in
      var status = stat()
      guard unsafe stat(path(of: name), &status) == 0 else { return nil }
      return Entry(name: name, added: status.st_mtim.tv_sec)
    }
  }

  /// A worker's token; nil where it has none, or no more.
  func secret(of name: String) -> [UInt8]? {
    refresh()
    return known.withLock { $0.numbers[name] }.map { secret(of: name, $0) }
  }

  /// Another number whenever tokens may have been added or revoked.
  var generation: Int {
    refresh()
    return known.withLock { $0.generation }
  }

  /// Reads the folder again where it has changed.
  private func refresh() {
    var status = stat()
    guard unsafe stat(folder, &status) == 0 else {
      return known.withLock { $0 = Known(generation: $0.generation + 1) }
    }
    let changed = Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec)
    guard known.withLock({ $0.changed != changed }) else { return }
    var numbers: [String: String] = [:]
    for name in names() { numbers[name] = number(of: name) }
    // The clock of a folder ticks in milliseconds: one that has just changed is read once more.
    let isSettled = wallClockNanoseconds() - changed > 2_000_000_000
    known.withLock { known in
      known = Known(
        changed: isSettled ? changed : nil, numbers: numbers, generation: known.generation + 1)
    }
  }

  private func names() -> [String] {
    // Without the folder there are no tokens.
    ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).filter(Self.isName)
  }

  private func number(of name: String) -> String? {
    guard let text = try? String(contentsOfFile: path(of: name), encoding: .utf8) else {
      return nil
    }
    let number = text.trimmingCharacters(in: .whitespacesAndNewlines)
    return Digest256(hex: number) == nil ? nil : number
  }

  private func path(of name: String) -> String { "\(folder)/\(name)" }

  private func secret(of name: String, _ number: String) -> [UInt8] {
    let message = Array("nightshift worker token\0\(number)\0\(name)".utf8)
    return SHA256.authenticationCode(of: message, key: key).bytes
  }

  /// Whether a text may name a worker, and with it a file.
  static func isName(_ text: String) -> Bool {
    let bytes = text.utf8
    return (1...nameByteCount).contains(bytes.count) && bytes.first != UInt8(ascii: ".")
      && bytes.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"):
          true
        default: "._-".utf8.contains(byte)
        }
      }
  }
}
