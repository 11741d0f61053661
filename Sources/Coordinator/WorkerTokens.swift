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

  /// The tokens that there were at one moment.
  struct Snapshot {
    /// By the names of the workers.
    var secrets: [String: [UInt8]] = [:]
    /// Another number whenever a token was added or revoked.
    var generation = 0
    /// When the folder began to be read.
    var read = ContinuousClock.now
  }

  private struct Known {
    var snapshot = Snapshot()
    /// The folder's time of change at the last look, in nanoseconds, and when that was first seen.
    var changed: Int64?
    var seen = ContinuousClock.now
    /// When the folder was read last, and whether all of it could be.
    var tried = ContinuousClock.now
    var isWhole = false

    mutating func note(_ secrets: [String: [UInt8]], read: ContinuousClock.Instant) {
      if secrets != snapshot.secrets { snapshot.generation += 1 }
      snapshot.secrets = secrets
      snapshot.read = read
    }
  }

  /// The clock of a folder ticks in milliseconds, so that a second change may not show: a folder that
  /// has just changed is read again for so long, and so often.
  private static let settlingTime = Duration.seconds(2)
  private static let readInterval = Duration.milliseconds(250)

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
    guard try number(of: name) == nil else {
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
    guard Self.isName(name), try number(of: name) != nil else {
      throw CoordinatorError("the worker \"\(name)\" has no token")
    }
    try SecretFile.remove(path(of: name))
  }

  /// Every worker that has a token, by name.
  package func entries() -> [Entry] {
    (names() ?? []).sorted().compactMap { name in
      var status = stat()
      guard unsafe stat(path(of: name), &status) == 0 else { return nil }
      return Entry(name: name, added: status.st_mtim.tv_sec)
    }
  }

  /// A worker's token as it is now; nil where it has none, or no more.
  ///
  /// - Throws: `CoordinatorError` where that cannot be known.
  func secret(of name: String) throws(CoordinatorError) -> [UInt8]? {
    guard Self.isName(name) else { return nil }
    return try number(of: name).map { secret(of: name, $0) }
  }

  /// The tokens as they were a moment ago.
  func snapshot() -> Snapshot {
    known.withLock { known in
      refresh(&known)
      return known.snapshot
    }
  }

  /// Reads the folder again where it has changed.
  ///
  /// Only what is not there is revoked: where something cannot be read, what is known of it stays.
  private func refresh(_ known: inout Known) {
    var status = stat()
    let now = ContinuousClock.now
    guard unsafe stat(folder, &status) == 0 else {
      if errno == ENOENT { known.note([:], read: now) }
      return known.changed = nil
    }
    let changed = Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec)
    if known.changed != changed {
      (known.changed, known.seen) = (changed, now)
    } else {
      let isSettled = known.isWhole && known.tried - known.seen >= Self.settlingTime
      guard !isSettled, now - known.tried >= Self.readInterval else { return }
    }
    known.tried = now
    known.isWhole = false
    guard let names = names() else { return }
    var secrets: [String: [UInt8]] = [:]
    var isWhole = true
    for name in names {
      do throws(CoordinatorError) {
        secrets[name] = try secret(of: name)
      } catch {
        isWhole = false
        secrets[name] = known.snapshot.secrets[name]
      }
    }
    known.note(secrets, read: now)
    known.isWhole = isWhole
  }

  /// The names of the folder's files; nil where they cannot be read.
  private func names() -> [String]? {
    try? FileManager.default.contentsOfDirectory(atPath: folder).filter(Self.isName)
  }

  /// What a worker's file says; nil where there is none.
  private func number(of name: String) throws(CoordinatorError) -> String? {
    let path = path(of: name)
    let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else {
      if errno == ENOENT { return nil }
      throw unsafe CoordinatorError("cannot read \(path): \(String(cString: strerror(errno)))")
    }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 128)  // longer than any number
    let count = unsafe read(file, &bytes, bytes.count)
    guard count >= 0 else {
      throw unsafe CoordinatorError("cannot read \(path): \(String(cString: strerror(errno)))")
    }
    let text = String(decoding: bytes.prefix(count), as: UTF8.self)
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
