import CNNG
import Dispatch
import Glibc
import Synchronization

extension Client {
  /// Dials once more and explains what stands in the way, in words for a person.
  ///
  /// A dialer that works in the background says nothing: a refused certificate looks like silence.
  ///
  /// - Parameter limit: for each of up to four tries; a TLS handshake itself has no limit.
  /// - Returns: one sentence with the address, the cause and, where there is one, the file to mend.
  package func diagnose(within limit: Duration = .seconds(3)) async -> String {
    var material: TLSMaterial?
    do throws(TransportError) {
      material = try tls?.read()
      try material?.check()
    } catch {
      return error.context
    }
    let host = tls?.serverName ?? address.host
    let result = await dial(material, .full(serverName: host), within: limit)
    guard let error = result else {
      return "\(address) can be reached; the server is slow or its connection limit is reached"
    }
    switch error.code {
    case .connectionRefused where tls == nil:
      return "\(address): connection refused; nothing listens there (\(error.context))"
    case .timedOut where tls == nil: return silence(limit)
    default:
      guard let material else { return "\(address): \(error.context)" }
      return await explain(error, material, host: host, within: limit)
    }
  }

  private func silence(_ limit: Duration) -> String {
    "\(address): no answer in \(limit); a firewall, a stopped or an overloaded server"
  }

  /// Finds the check that fails: by the server's certificate, then by leaving checks out.
  private func explain(
    _ error: TransportError, _ material: TLSMaterial, host: String, within limit: Duration
  ) async -> String {
    let queue = DispatchQueue(label: "transport.greeting")
    let greeting = await queue.run { [address] in ServerGreeting.read(from: address, within: limit)
    }
    switch greeting {
    case .refused(let reason):
      return "\(address): connection refused; nothing listens there (\(reason))"
    case .silent: return silence(limit)
    case .notTLS:
      return "\(address): what listens there speaks no TLS as we do; is it a plain tcp:// address? "
        + "(\(error.context))"
    case .certificate(let certificate):
      if let reason = objection(to: certificate, material) { return "\(address): \(reason)" }
      if await dial(material, .full(serverName: nil), within: limit) == nil {
        return "\(address): the server's certificate does not name \"\(host)\""
      }
      if await dial(material, .none, within: limit) == nil {
        return "\(address): the server's certificate is not signed by \(tls?.caFile ?? ""), "
          + "although the authority's name is the same"
      }
      return refusal(by: certificate, material, error)
    }
  }

  /// What is wrong with the server's certificate, as far as it can be seen without its signature.
  private func objection(to certificate: Certificate, _ material: TLSMaterial) -> String? {
    if let problem = certificate.problem(at: time(nil)) {
      return "the server's certificate is \(problem)"
    }
    let authorities = material.authorities
    guard let authority = authorities.first(where: { $0.subject == certificate.issuer }) else {
      let known = authorities.map { "\"\(Certificate.commonName(in: $0.subject))\"" }
      return "the server's certificate is not signed by \(material.identity.caFile) "
        + "(\(known.joined(separator: ", "))) but by "
        + "\"\(Certificate.commonName(in: certificate.issuer))\""
    }
    return authority.problem(at: time(nil)).map { problem in
      "\(material.identity.caFile): the authority of the server's certificate is \(problem)"
    }
  }

  private func refusal(
    by certificate: Certificate, _ material: TLSMaterial, _ error: TransportError
  ) -> String {
    let file = material.identity.certificateFile
    let own = Certificate(pem: material.certificate)
    guard let own, own.issuer != certificate.issuer else {
      return "\(address): the server refused our certificate \(file) (\(error.context))"
    }
    return "\(address): the server refused our certificate \(file), which is signed by "
      + "\"\(Certificate.commonName(in: own.issuer))\" and the server's own by "
      + "\"\(Certificate.commonName(in: certificate.issuer))\""
  }

  /// Dials on a socket of its own and waits for the outcome; nil is success.
  private func dial(
    _ material: TLSMaterial?, _ verification: TLSIdentity.Verification, within limit: Duration
  ) async -> TransportError? {
    await Trial.dial(address, channel, material, verification, within: limit)
  }
}

/// One blocking dial in a thread of its own, given up at a limit.
final class Trial: Sendable {
  private let failure = Mutex<TransportError?>(
    TransportError(code: .timedOut, context: "no outcome of the dial in time"))
  private let finished = Latch()

  /// Dials on a socket of its own and waits for the outcome; nil is success.
  static func dial(
    _ address: Address, _ channel: Channel, _ tls: TLSMaterial?,
    _ verification: TLSIdentity.Verification, within limit: Duration
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

  /// Has a listener of its own show that a server's certificate, key and authority go together; nil
  /// is success.
  static func listen(_ tls: TLSMaterial, within limit: Duration) async -> TransportError? {
    do throws(TransportError) {
      let socket = try Socket(.reply)
      let address = try Address("tls+tcp://127.0.0.1:0")
      // It need not be a client's certificate as well.
      let listener = try Endpoint.listening(
        on: socket.raw, at: address, channel: .control, tls: tls, verification: .none)
      let place = address.withPort(try listener.boundPort())
      let error = await dial(place, .control, tls, .full(serverName: nil), within: limit)
      DispatchQueue(label: "transport.close").async { socket.close() }
      return error
    } catch {
      return error
    }
  }

  /// Dials, waits for the outcome or the limit, and closes the socket, which ends a dial that is
  /// still waiting; nil is success.
  private func run(
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
