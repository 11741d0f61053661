import CNNG

/// One end of a TCP connection, IPv4 written as IPv6.
package struct Peer: Hashable, Sendable {
  package let high: UInt64
  package let low: UInt64
  package let port: UInt16

  /// The address without the port.
  package var host: SIMD2<UInt64> { SIMD2(high, low) }

  package init(high: UInt64, low: UInt64, port: UInt16) {
    self.high = high
    self.low = low
    self.port = port
  }

  /// An IPv4 end; `v4` is in network byte order.
  init(v4: UInt32, port: UInt16) {
    self.init(high: 0, low: 0xffff_0000_0000 | UInt64(UInt32(bigEndian: v4)), port: port)
  }

  /// An IPv6 end; `v6` is any C structure that holds its 16 bytes.
  init<Bytes: BitwiseCopyable>(v6: Bytes, port: UInt16) {
    let halves = unsafe withUnsafeBytes(of: v6) { bytes in
      unsafe (
        UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
        UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
      )
    }
    self.init(high: halves.0, low: halves.1, port: port)
  }

  /// What nng tells of one end of a pipe; all zero where it does not know any more.
  fileprivate init(of pipe: nng_pipe, _ option: String) {
    var address = nng_sockaddr()
    let status = unsafe nng_pipe_get_addr(pipe, option, &address)
    let family = unsafe nng_sockaddr_family(UInt32(address.s_family))
    if status == 0 && family == NNG_AF_INET {
      unsafe self.init(v4: address.s_in.sa_addr, port: UInt16(bigEndian: address.s_in.sa_port))
    } else if status == 0 && family == NNG_AF_INET6 {
      unsafe self.init(v6: address.s_in6.sa_addr, port: UInt16(bigEndian: address.s_in6.sa_port))
    } else {
      self.init(high: 0, low: 0, port: 0)
    }
  }
}

/// Both ends of a TCP connection: what a pipe of nng and a descriptor have in common.
package struct Link: Hashable, Sendable {
  package let own: Peer
  package let peer: Peer

  package init(own: Peer, peer: Peer) {
    self.own = own
    self.peer = peer
  }

  init(of pipe: nng_pipe) {
    own = Peer(of: pipe, NNG_OPT_LOCADDR)
    peer = Peer(of: pipe, NNG_OPT_REMADDR)
  }
}
