import CNNG

/// A listener or a dialer: where the limits and the TLS identity of connections are set.
///
/// Everything is set before the start and read back, because libnng 1.5.2 accepts frames of any
/// size by default and a declared length of 2⁶⁴−1 over TLS overflows its heap.
enum Endpoint: Sendable {
  case listener(nng_listener)
  case dialer(nng_dialer)

  /// Makes a listener, not yet started.
  static func listener(
    on socket: nng_socket, at address: Address
  ) throws(TransportError) -> Endpoint {
    var raw = nng_listener()
    let status = unsafe nng_listener_create(&raw, socket, address.description)
    try TransportError.check(status, "nng_listener_create \(address)")
    return .listener(raw)
  }

  /// Makes a dialer, not yet started.
  static func dialer(
    on socket: nng_socket, to address: Address
  ) throws(TransportError) -> Endpoint {
    var raw = nng_dialer()
    let status = unsafe nng_dialer_create(&raw, socket, address.description)
    try TransportError.check(status, "nng_dialer_create \(address)")
    return .dialer(raw)
  }

  /// Sets what every connection of ours has, and reads it back.
  func configure(
    channel: Channel, tls: TLSMaterial?, verification: TLSIdentity.Verification
  ) throws(TransportError) {
    let limit = channel.frameByteLimit
    try set(NNG_OPT_RECVMAXSZ, toSize: limit)
    try set(NNG_OPT_TCP_KEEPALIVE, to: true)
    try set(NNG_OPT_TCP_NODELAY, to: true)
    let options = try self.options()
    guard options == EndpointOptions(frameByteLimit: limit, keepsAlive: true, delays: false) else {
      throw TransportError(code: .other(0), context: "nng did not keep its options: \(options)")
    }
    guard let tls else { return }
    let mode = if case .listener = self { NNG_TLS_MODE_SERVER } else { NNG_TLS_MODE_CLIENT }
    let configuration = try tls.configuration(mode: mode, verification: verification)
    try set(configuration)
  }

  /// Starts listening, or dialling in the background for as long as the dialer lives.
  func start() throws(TransportError) {
    switch self {
    case .listener(let raw):
      try TransportError.check(nng_listener_start(raw, 0), "nng_listener_start")
    case .dialer(let raw):
      let flags = Int32(NNG_FLAG_NONBLOCK)
      try TransportError.check(nng_dialer_start(raw, flags), "nng_dialer_start")
    }
  }

  /// Dials once and blocks until that has succeeded or failed.
  func startAndWait() throws(TransportError) {
    guard case .dialer(let raw) = self else { return try start() }
    try TransportError.check(nng_dialer_start(raw, 0), "nng_dialer_start")
  }

  /// Closes the endpoint and, as libnng 1.5.2 has it, every connection that it made.
  ///
  /// The only error is that it is closed already.
  func close() {
    switch self {
    case .listener(let raw): _ = nng_listener_close(raw)
    case .dialer(let raw): _ = nng_dialer_close(raw)
    }
  }

  /// What nng says that it applies.
  func options() throws(TransportError) -> EndpointOptions {
    var limit = 0
    var keepsAlive = false
    var sendsAtOnce = false
    let statuses =
      switch self {
      case .listener(let raw):
        unsafe [
          nng_listener_get_size(raw, NNG_OPT_RECVMAXSZ, &limit),
          nng_listener_get_bool(raw, NNG_OPT_TCP_KEEPALIVE, &keepsAlive),
          nng_listener_get_bool(raw, NNG_OPT_TCP_NODELAY, &sendsAtOnce),
        ]
      case .dialer(let raw):
        unsafe [
          nng_dialer_get_size(raw, NNG_OPT_RECVMAXSZ, &limit),
          nng_dialer_get_bool(raw, NNG_OPT_TCP_KEEPALIVE, &keepsAlive),
          nng_dialer_get_bool(raw, NNG_OPT_TCP_NODELAY, &sendsAtOnce),
        ]
      }
    for status in statuses { try TransportError.check(status, "nng option read-back") }
    return EndpointOptions(frameByteLimit: limit, keepsAlive: keepsAlive, delays: !sendsAtOnce)
  }

  /// The port that a started listener is bound to.
  func boundPort() throws(TransportError) -> UInt16 {
    guard case .listener(let raw) = self else {
      throw TransportError(code: .other(0), context: "a dialer has no bound port")
    }
    var port: Int32 = 0
    let status = unsafe nng_listener_get_int(raw, NNG_OPT_TCP_BOUND_PORT, &port)
    try TransportError.check(status, "nng_listener_get \(NNG_OPT_TCP_BOUND_PORT)")
    return UInt16(truncatingIfNeeded: port)
  }

  private func set(_ name: String, toSize value: Int) throws(TransportError) {
    let status =
      switch self {
      case .listener(let raw): unsafe nng_listener_set_size(raw, name, value)
      case .dialer(let raw): unsafe nng_dialer_set_size(raw, name, value)
      }
    try TransportError.check(status, "nng option \(name)")
  }

  private func set(_ name: String, to value: Bool) throws(TransportError) {
    let status =
      switch self {
      case .listener(let raw): unsafe nng_listener_set_bool(raw, name, value)
      case .dialer(let raw): unsafe nng_dialer_set_bool(raw, name, value)
      }
    try TransportError.check(status, "nng option \(name)")
  }

  private func set(_ configuration: TLSConfiguration) throws(TransportError) {
    let pointer = unsafe UnsafeMutableRawPointer(configuration.raw)
    let status =
      switch self {
      case .listener(let raw): unsafe nng_listener_set_ptr(raw, NNG_OPT_TLS_CONFIG, pointer)
      case .dialer(let raw): unsafe nng_dialer_set_ptr(raw, NNG_OPT_TLS_CONFIG, pointer)
      }
    try TransportError.check(status, "nng option \(NNG_OPT_TLS_CONFIG)")
  }
}

/// What an endpoint applies to its connections, as read back from nng.
package struct EndpointOptions: Equatable, Sendable {
  package let frameByteLimit: Int
  /// TCP keepalive; a server also sets its times, see `Connection.detectVanishedPeer`.
  package let keepsAlive: Bool
  /// Nagle's algorithm: small messages would wait for an acknowledgement.
  package let delays: Bool

  package init(frameByteLimit: Int, keepsAlive: Bool, delays: Bool) {
    self.frameByteLimit = frameByteLimit
    self.keepsAlive = keepsAlive
    self.delays = delays
  }
}
