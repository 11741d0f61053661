import Foundation
import Glibc

/// What a process apart and its worker tell each other over their socket.
///
/// A message is its kind (one byte), the size of its content (u32) and the content. Both ends are
/// this program, in one version: nothing of it is a protocol.
enum ChildMessage: UInt8 {
  // From the worker.
  case grant = 1
  case configuration, run, bytes, noBytes
  // From the process apart.
  case ready
  /// Records at work from now on: two numbers.
  case scoring
  /// Records and blocks that are done: two numbers.
  case progress
  /// Input wanted: offset and size.
  case read
  case done
  /// Why it cannot be done, which is nobody's death: a code and a reason.
  case failed

  /// What a process is to score, as JSON.
  struct Run: Codable {
    /// `nil` where the whole lease is.
    var begin: UInt64?
    var end: UInt64?
    var isolated: [UInt64: String]
    /// Bytes above those that it has when it is ready.
    var byteLimit: UInt64
  }

  struct Failure: Codable {
    let code: String
    let reason: String
  }

  /// Largest content: bytes of input.
  static let byteLimit = 64 << 20
}

/// One end of the socket between a process apart and its worker.
final class ChildSocket: Sendable {
  let descriptor: Int32

  init(_ descriptor: Int32) {
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }

  /// Sends a message; false where the other end is gone.
  @discardableResult
  func send(_ kind: ChildMessage, _ content: [UInt8] = []) -> Bool {
    var bytes = [kind.rawValue]
    let count = UInt32(content.count)
    for place in 0..<4 { bytes.append(UInt8(truncatingIfNeeded: count >> UInt32(8 * place))) }
    bytes += content
    return unsafe bytes.withUnsafeBytes { buffer in
      var sent = 0
      while sent < buffer.count {
        let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[sent...])
        let count = unsafe Glibc.send(
          descriptor, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { return false }
        sent += count
      }
      return true
    }
  }

  func send(_ kind: ChildMessage, _ first: UInt64, _ second: UInt64) {
    var content: [UInt8] = []
    for word in [first, second] {
      for place in 0..<8 { content.append(UInt8(truncatingIfNeeded: word >> UInt64(8 * place))) }
    }
    send(kind, content)
  }

  /// Waits for a message; `nil` where the other end is gone.
  func receive() -> (kind: ChildMessage, content: [UInt8])? {
    guard let head = receive(count: 5), let kind = ChildMessage(rawValue: head[0]) else {
      return nil
    }
    let count = (1...4).reduce(0) { $0 | Int(head[$1]) << (8 * ($1 - 1)) }
    guard count <= ChildMessage.byteLimit, let content = receive(count: count) else { return nil }
    return (kind, content)
  }

  private func receive(count: Int) -> [UInt8]? {
    var filled = 0
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      while filled < count {
        let got = unsafe recv(
          descriptor, buffer.baseAddress.map { unsafe $0 + filled }, count - filled, 0)
        if got < 0, errno == EINTR { continue }
        guard got > 0 else { break }
        filled += got
      }
      initialized = filled
    }
    return filled == count ? bytes : nil
  }

  /// The two numbers of a message's content.
  static func numbers(_ content: [UInt8]) -> (UInt64, UInt64)? {
    guard content.count == 16 else { return nil }
    let words = (0..<2).map { word in
      (0..<8).reduce(UInt64(0)) { $0 | UInt64(content[8 * word + $1]) << UInt64(8 * $1) }
    }
    return (words[0], words[1])
  }
}
