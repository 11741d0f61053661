import Foundation
import Synchronization

/// Passes connections on to a server, and cuts one at a chosen COMMIT.
final class CuttingProxy: Sendable {
  /// Which COMMIT of all connections together, from 1, and whether the server still gets it.
  struct Cut: Sendable {
    let commit: Int
    let isForwarded: Bool
  }

  let port: Int
  private let listener: Int32
  private let serverPort: Int
  private let cut: Cut
  private let commitCount = Mutex(0)
  private let cutCount = Mutex(0)

  init(serverPort: Int, cut: Cut) throws {
    self.serverPort = serverPort
    self.cut = cut
    listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    port = try listenOnLoopback(listener)
    Thread.detachNewThread { [self] in accept() }
  }

  /// Connections that were cut so far.
  var cuts: Int { cutCount.withLock { $0 } }

  func stop() {
    shutdown(listener, Int32(SHUT_RDWR))
    close(listener)
  }

  private func accept() {
    while true {
      let client = Foundation.accept(listener, nil, nil)
      guard client >= 0 else { return }
      let server = connectToLoopback(serverPort)
      Thread.detachNewThread { [self] in
        pass(client, server, watches: true)
        shutdown(server, Int32(SHUT_WR))
      }
      Thread.detachNewThread { [self] in
        pass(server, client, watches: false)
        shutdown(client, Int32(SHUT_RDWR))
      }
    }
  }

  private func pass(_ from: Int32, _ to: Int32, watches: Bool) {
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      let count = unsafe read(from, &buffer, buffer.count)
      guard count > 0 else { return }
      let isCut = watches && isCutting(buffer[..<count])
      if isCut {
        cutCount.withLock { $0 += 1 }
        shutdown(from, Int32(SHUT_RDWR))
        guard cut.isForwarded else { return }
      }
      var sent = 0
      while sent < count {
        let written = unsafe buffer.withUnsafeBytes { bytes in
          unsafe send(
            to, UnsafeRawBufferPointer(rebasing: bytes[sent..<count]).baseAddress, count - sent,
            Int32(MSG_NOSIGNAL))
        }
        guard written > 0 else { return }
        sent += written
      }
      if isCut { return }
    }
  }

  private func isCutting(_ bytes: ArraySlice<UInt8>) -> Bool {
    guard bytes.firstRange(of: Array("COMMIT\0".utf8)) != nil else { return false }
    let number = commitCount.withLock { count in
      count += 1
      return count
    }
    return number == cut.commit
  }
}

private func connectToLoopback(_ port: Int) -> Int32 {
  let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_port = in_port_t(port).bigEndian
  address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
  _ = unsafe withUnsafePointer(to: &address) { pointer in
    unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
      unsafe connect(descriptor, pointer, socklen_t(MemoryLayout<sockaddr_in>.size))
    }
  }
  return descriptor
}
