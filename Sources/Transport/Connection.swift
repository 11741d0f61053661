import Glibc

/// One TCP connection of this process, seen from the system rather than from nng.
///
/// nng does not tell of connections that have not negotiated, and in libnng 1.5.2 a TLS handshake
/// never times out. The descriptors of the process are the one complete list.
struct Connection: Sendable {
  /// nng's descriptor: it may be closed and used for something else at any moment, so that work on
  /// it goes through a duplicate that has been checked again.
  private let descriptor: Int32
  let link: Link

  private init?(descriptor: Int32) {
    guard let own = unsafe Peer(descriptor, getsockname),
      let peer = unsafe Peer(descriptor, getpeername)
    else { return nil }
    self.descriptor = descriptor
    link = Link(own: own, peer: peer)
  }

  /// What this process has open at one moment.
  struct Look {
    var connections: [Connection] = []
    /// The share of the descriptors that it may have.
    var share = 0.0
  }

  /// Looks at the descriptors of this process.
  ///
  /// Reads `/proc/self/fd`; O(descriptors of the process). By `open`, which the program can still do
  /// there when its other descriptors are all taken (see CPosix): `opendir` could not.
  ///
  /// - Returns: nil where nothing can be seen, which says nothing about the connections.
  static func look() -> Look? {
    let folder = unsafe open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folder >= 0 else { return nil }
    guard let directory = unsafe fdopendir(folder) else {
      Glibc.close(folder)
      return nil
    }
    defer { unsafe closedir(directory) }
    var look = Look()
    var count = 0
    while let entry = unsafe readdir(directory) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name.0) {
        unsafe String(cString: $0)
      }
      guard let descriptor = Int32(name) else { continue }
      count += 1
      if let connection = Connection(descriptor: descriptor) {
        look.connections.append(connection)
      }
    }
    var limit = rlimit()
    if unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
      look.share = Double(count) / Double(max(1, limit.rlim_cur))
    }
    return look
  }

  /// Ends a connection that has not negotiated under nng, which then sees its end and frees it.
  func shutDown() {
    withDuplicate { _ = Glibc.shutdown($0, Int32(SHUT_RDWR)) }
  }

  /// Lets nng read what has come in, and then the end; it can still write.
  func endReceiving() {
    withDuplicate { _ = Glibc.shutdown($0, Int32(SHUT_RD)) }
  }

  /// Ends a negotiated connection of a peer that may do all it can to stay.
  ///
  /// Nothing that it sends is taken any more: the system would go on to hand to nng what comes in
  /// after the end of receiving, so that a peer which never pauses would never be gone. Nor does what
  /// it has not read stay in memory once nng has closed. For the rest as `endReceiving`.
  func endForGood() {
    withDuplicate { duplicate in
      // The one instruction BPF_RET | BPF_K with 0: nothing of any packet is taken.
      unsafe withUnsafePointer(to: UInt64(6)) { instruction in
        var program = unsafe PacketFilter(count: 1, instructions: instruction)
        _ = unsafe setsockopt(
          duplicate, SOL_SOCKET, SO_ATTACH_FILTER, &program,
          socklen_t(MemoryLayout<PacketFilter>.size))
      }
      var reset = linger(l_onoff: 1, l_linger: 0)
      _ = unsafe setsockopt(
        duplicate, SOL_SOCKET, SO_LINGER, &reset, socklen_t(MemoryLayout<linger>.size))
      _ = Glibc.shutdown(duplicate, Int32(SHUT_RD))
    }
  }

  /// Makes the system give up a peer that has vanished without a word after 30 s.
  ///
  /// nng turns keepalive on with the system's times, by default two hours: pre-empted machines
  /// would occupy their places among the allowed connections all that time.
  func detectVanishedPeer() {
    let seconds: [(Int32, Int32)] = [(TCP_KEEPIDLE, 15), (TCP_KEEPINTVL, 5), (TCP_KEEPCNT, 3)]
    withDuplicate { duplicate in
      for (option, value) in seconds + [(TCP_USER_TIMEOUT, 30_000)] {
        // A refusal leaves the system's slower time in force, which is safe.
        unsafe withUnsafePointer(to: value) {
          _ = unsafe setsockopt(
            duplicate, Int32(IPPROTO_TCP), option, $0, socklen_t(MemoryLayout<Int32>.size))
        }
      }
    }
  }

  private func withDuplicate(_ body: (Int32) -> Void) {
    func checked(_ duplicate: Int32) {
      guard Connection(descriptor: duplicate)?.link == link else { return }
      body(duplicate)
    }
    let duplicate = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
    guard duplicate >= 0 else {
      if errno == EMFILE { SpareDescriptor.process?.withDuplicate(of: descriptor, checked) }
      return  // or it was closed meanwhile
    }
    defer { Glibc.close(duplicate) }
    checked(duplicate)
  }
}

/// `struct sock_fprog` of the system: instructions of eight bytes each.
@unsafe private struct PacketFilter {
  let count: UInt16
  let instructions: UnsafePointer<UInt64>
}

extension Peer {
  fileprivate typealias Query = (
    Int32, UnsafeMutablePointer<sockaddr>?, UnsafeMutablePointer<socklen_t>?
  ) -> Int32

  /// What `getsockname` or `getpeername` answers for a descriptor, or nil for anything but TCP/IP.
  fileprivate init?(_ descriptor: Int32, _ query: Query) {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let status = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe query(descriptor, $0, &length)
      }
    }
    guard status == 0 else { return nil }
    let bytes = unsafe withUnsafeBytes(of: storage) { unsafe Array($0) }
    let port = UInt16(bytes[2]) << 8 | UInt16(bytes[3])
    switch Int32(storage.ss_family) {
    case AF_INET:
      let address = bytes[4..<8].reduce(0) { $0 << 8 | UInt32($1) }
      self.init(v4: address.bigEndian, port: port)
    case AF_INET6:
      self.init(
        high: bytes[8..<16].reduce(0) { $0 << 8 | UInt64($1) },
        low: bytes[16..<24].reduce(0) { $0 << 8 | UInt64($1) }, port: port)
    default: return nil
    }
  }
}
