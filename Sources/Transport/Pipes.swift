import CNNG
import Synchronization

/// The other end of a connection, IPv4 written as IPv6.
package struct Peer: Hashable, Sendable {
  package let high: UInt64
  package let low: UInt64
  package let port: UInt16

  package init(high: UInt64, low: UInt64, port: UInt16) {
    self.high = high
    self.low = low
    self.port = port
  }
}

/// The negotiated connections of one socket, kept by nng's notifications.
final class Pipes: Sendable {
  private struct State {
    var peers: [Int32: Peer] = [:]
    var arrivalCount = 0
    var refusedCount = 0
  }
  private let state = Mutex(State())
  /// The most pipes that stay open; more are closed as they arrive.
  private let limit: Int

  init(limit: Int) { self.limit = limit }

  var count: Int { state.withLock { $0.peers.count } }

  /// How many negotiated connections ever arrived, refused ones included.
  ///
  /// A deaf listener is one where this stands still while someone connects.
  var arrivalCount: Int { state.withLock { $0.arrivalCount } }

  /// How many were closed because `limit` was reached.
  var refusedCount: Int { state.withLock { $0.refusedCount } }

  var peers: Set<Peer> { state.withLock { Set($0.peers.values) } }

  /// Asks nng to report the socket's pipes here.
  ///
  /// - Returns: the reference that nng's callbacks use, to be released once the socket is closed.
  func observe(_ socket: nng_socket) throws(TransportError) -> Unmanaged<Pipes> {
    let reference = unsafe Unmanaged.passRetained(self)
    for event in [NNG_PIPE_EV_ADD_PRE, NNG_PIPE_EV_REM_POST] {
      let status = unsafe nng_pipe_notify(
        socket, event, { unsafe Pipes.note($0, $1, $2) }, reference.toOpaque())
      guard status == 0 else {
        unsafe reference.release()  // no pipe can exist yet, so no callback can be running
        throw TransportError(status: status, "nng_pipe_notify")
      }
    }
    return unsafe reference
  }

  private static func note(
    _ pipe: nng_pipe, _ event: nng_pipe_ev, _ context: UnsafeMutableRawPointer?
  ) {
    guard let context = unsafe context else { return }
    let pipes = unsafe Unmanaged<Pipes>.fromOpaque(context).takeUnretainedValue()
    let number = nng_pipe_id(pipe)
    guard event == NNG_PIPE_EV_ADD_PRE else {
      return pipes.state.withLock { _ = $0.peers.removeValue(forKey: number) }
    }
    let peer = Peer(of: pipe)
    let isRefused = pipes.state.withLock { state in
      state.arrivalCount += 1
      guard state.peers.count < pipes.limit else {
        state.refusedCount += 1
        return true
      }
      state.peers[number] = peer
      return false
    }
    if isRefused { _ = nng_pipe_close(pipe) }  // fails only where it is closed already
  }
}

extension Peer {
  /// The far end of a pipe; all zero where nng does not know it any more.
  init(of pipe: nng_pipe) {
    var address = nng_sockaddr()
    let status = unsafe nng_pipe_get_addr(pipe, NNG_OPT_REMADDR, &address)
    let family = unsafe nng_sockaddr_family(UInt32(address.s_family))
    if status == 0 && family == NNG_AF_INET {
      unsafe self.init(
        v4: address.s_in.sa_addr, port: UInt16(bigEndian: address.s_in.sa_port))
    } else if status == 0 && family == NNG_AF_INET6 {
      unsafe self.init(
        v6: address.s_in6.sa_addr, port: UInt16(bigEndian: address.s_in6.sa_port))
    } else {
      self.init(high: 0, low: 0, port: 0)
    }
  }

  /// An IPv4 peer; `v4` is in network byte order.
  init(v4: UInt32, port: UInt16) {
    self.init(high: 0, low: 0xffff_0000_0000 | UInt64(UInt32(bigEndian: v4)), port: port)
  }

  /// An IPv6 peer; `v6` is any C structure that holds its 16 bytes.
  init<Bytes: BitwiseCopyable>(v6: Bytes, port: UInt16) {
    let halves = unsafe withUnsafeBytes(of: v6) { bytes in
      unsafe (
        UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
        UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
      )
    }
    self.init(high: halves.0, low: halves.1, port: port)
  }
}
