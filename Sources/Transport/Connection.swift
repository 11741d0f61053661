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

  /// How many descriptors of those that this process may have are in use; 0 where that is not known.
  static func descriptorShare() -> Double {
    var limit = rlimit()
    guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0,
      limit.rlim_cur > 0, let directory = unsafe opendir("/proc/self/fd")
    else { return 0 }
    defer { unsafe closedir(directory) }
    var count = 0
    while unsafe readdir(directory) != nil { count += 1 }
    return Double(count) / Double(limit.rlim_cur)
  }

  /// The connections of this process.
  ///
  /// Reads `/proc/self/fd`; O(descriptors of the process).
  static func all() -> [Connection] {
    guard let directory = unsafe opendir("/proc/self/fd") else { return [] }
    defer { unsafe closedir(directory) }
    var connections: [Connection] = []
    while let entry = unsafe readdir(directory) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name.0) {
        unsafe String(cString: $0)
      }
      guard let descriptor = Int32(name) else { continue }
      if let connection = Connection(descriptor: descriptor) { connections.append(connection) }
    }
    return connections
  }

  /// Ends the connection under nng, which then sees its end and frees it.
  func shutDown() {
    withDuplicate { _ = Glibc.shutdown($0, Int32(SHUT_RDWR)) }
  }

  /// Lets nng read what has come in, and then the end; it can still write.
  func endReceiving() {
    withDuplicate { _ = Glibc.shutdown($0, Int32(SHUT_RD)) }
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
    let duplicate = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
    guard duplicate >= 0 else { return }  // closed meanwhile, or no descriptor left
    defer { Glibc.close(duplicate) }
    guard Connection(descriptor: duplicate)?.link == link else { return }
    body(duplicate)
  }
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
