import CNNG
import Dispatch
import Synchronization

extension Client {
  /// Dials once more and explains what stands in the way, in words for a person.
  ///
  /// A dialer that works in the background says nothing: a refused certificate looks like silence.
  ///
  /// - Parameter limit: for each of up to three dials; a TLS handshake itself has no limit.
  /// - Returns: one sentence with the address, the cause and, where there is one, the file to mend.
  package func diagnose(within limit: Duration = .seconds(3)) async -> String {
    do throws(TransportError) {
      try tls?.check()
    } catch {
      return error.context
    }
    let host = tls?.serverName ?? address.host
    let result = await dial(verification: .full(serverName: host), within: limit)
    guard let error = result else {
      return "\(address) can be reached; the server is slow or its connection limit is reached"
    }
    switch error.code {
    case .connectionRefused where tls == nil:
      return "\(address): connection refused; nothing listens there (\(error.context))"
    case .timedOut:
      return "\(address): no answer in \(limit); a firewall, a stopped or an overloaded server"
    default:
      guard let tls else { return "\(address): \(error.context)" }
      return await explain(error, tls: tls, host: host, within: limit)
    }
  }

  /// Finds the check that fails by leaving them out one after another.
  private func explain(
    _ error: TransportError, tls: TLSIdentity, host: String, within limit: Duration
  ) async -> String {
    if await dial(verification: .full(serverName: nil), within: limit) == nil {
      return "\(address): the server's certificate does not name \"\(host)\""
    }
    if await dial(verification: .none, within: limit) == nil {
      return "\(address): the server's certificate has expired or is not signed by \(tls.caFile)"
    }
    return "\(address): no TLS connection (\(error.context)): nothing listens there, it is not a "
      + "TLS server, or it refused our certificate \(tls.certificateFile)"
  }

  /// Dials on a socket of its own and waits for the outcome; nil is success.
  private func dial(
    verification: TLSIdentity.Verification, within limit: Duration
  ) async -> TransportError? {
    do throws(TransportError) {
      let socket = try Socket(.request)
      let dialer = try Endpoint.dialer(on: socket.raw, to: address)
      try dialer.configure(channel: channel, tls: tls, verification: verification)
      return await Trial().run(dialer, within: limit, thenClose: socket)
    } catch {
      return error
    }
  }
}

/// One blocking dial in a thread of its own, given up at a limit.
private final class Trial: Sendable {
  private let failure = Mutex<TransportError?>(
    TransportError(code: .timedOut, context: "no outcome of the dial in time"))
  private let finished = Latch()

  /// Dials, waits for the outcome or the limit, and closes the socket, which ends a dial that is
  /// still waiting; nil is success.
  func run(
    _ dialer: Endpoint, within limit: Duration, thenClose socket: Socket
  ) async -> TransportError? {
    DispatchQueue(label: "transport.dial").async { [self] in
      let failure: TransportError?
      do throws(TransportError) {
        try dialer.startAndWait()
        failure = nil
      } catch {
        failure = error
      }
      self.failure.withLock { $0 = failure }
      finished.open()
    }
    _ = await finished.wait(within: limit)
    let result = failure.withLock { $0 }
    DispatchQueue(label: "transport.close").async { socket.close() }
    return result
  }
}
