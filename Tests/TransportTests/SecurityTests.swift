import Foundation
import Synchronization
import Testing
import Transport

/// Who may connect, and what is refused before anything is opened.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct SecurityTests {
  @Test func plainAddressPastThisMachineIsRefusedUnlessInsecure() async throws {
    for host in ["0.0.0.0", "10.1.2.3", "[::]", "example.org", "127.evil.org", "127.1"] {
      let address = try Address("tcp://\(host):0")
      let error = #expect(throws: TransportError.self) {
        _ = try Server(
          address: address, channel: .control, tls: nil, insecure: false, contextCount: 1,
          connectionLimit: 1
        ) { $0 }
      }
      #expect(error?.code == .refusedAddress, "\(host)")
      let dialError = #expect(throws: TransportError.self) {
        _ = try Client(
          address: address.withPort(9), channel: .control, tls: nil, contextCount: 1)
      }
      #expect(dialError?.code == .refusedAddress, "\(host)")
    }
    let server = try Server(
      address: Address("tcp://0.0.0.0:0"), channel: .control, tls: nil, insecure: true,
      contextCount: 1, connectionLimit: 1
    ) { $0 }
    #expect(server.boundAddress.port != 0)
    #expect(await server.close(within: .seconds(5)))
  }

  @Test func schemeAndIdentityHaveToMatch() throws {
    let identity = Certificates.shared.coordinator
    for (address, tls) in [("tcp://127.0.0.1:0", identity), ("tls+tcp://127.0.0.1:0", nil)] {
      let error = #expect(throws: TransportError.self) {
        _ = try Server(
          address: Address(address), channel: .control, tls: tls, insecure: true, contextCount: 1,
          connectionLimit: 1
        ) { $0 }
      }
      #expect(error?.code == .refusedAddress)
    }
  }

  @Test func occupiedPortIsNamed() async throws {
    try await withServer { first in
      let error = #expect(throws: TransportError.self) {
        _ = try Server(
          address: first.boundAddress, channel: .control, tls: nil, insecure: false,
          contextCount: 1, connectionLimit: 1
        ) { $0 }
      }
      #expect(error?.code == .addressInUse)
      #expect(error?.context.contains(first.boundAddress.description) == true)
    }
  }

  /// A peer without a certificate, with another authority's, or with an expired one.
  @Test func strangersAreRefused() async throws {
    let certificates = Certificates.shared
    // Refusing a peer can deafen the listener by itself, so that the friend needs the probes too.
    let requestCount = Counter()
    let handler: Server.Handler = { request in
      requestCount.value.withLock { $0 += 1 }
      return request
    }
    try await withServer("tls+tcp", timing: .quick, handler: handler) { server in
      let strangers: [(String, TLSIdentity?)] = [
        ("no certificate", nil),
        ("other authority", certificates.identity("worker", from: "/other")),
        ("expired", certificates.identity("worker", from: "/expired")),
      ]
      for (name, identity) in strangers {
        let connection = try RawTLSConnection(port: server.boundAddress.port, identity: identity)
        connection.send(requestHello)
        connection.send(frameHeader(4) + [0x80, 0, 0, 1])
        #expect(await holds(within: .seconds(5)) { connection.hasEnded }, "\(name)")
        #expect(requestCount.value.withLock { $0 } == 0, "\(name)")
      }
      // The same way with a good certificate does get in, so that the above proves something.
      for attempt in 1...5 {
        let friend = try RawTLSConnection(
          port: server.boundAddress.port, identity: certificates.worker)
        friend.send(requestHello)
        friend.send(frameHeader(4) + [0x80, 0, 0, 1])
        if await holds(within: .seconds(3), { requestCount.value.withLock { $0 } > 0 }) { break }
        #expect(attempt < 5, "a good certificate does not get in either")
      }
    }
  }

  @Test func certificatesAreCheckedBeforeUse() throws {
    let certificates = Certificates.shared
    let expired = #expect(throws: TransportError.self) {
      try certificates.identity("worker", from: "/expired").check()
    }
    #expect(expired?.code == .tls)
    #expect(expired?.context.contains("expired") == true)
    #expect(expired?.context.contains("/expired/worker.pem") == true)
    let early = #expect(throws: TransportError.self) { try certificates.worker.check(now: 0) }
    #expect(early?.context.contains("clock") == true)
    let absent = #expect(throws: TransportError.self) {
      try certificates.identity("nobody").check()
    }
    #expect(absent?.context.contains("nobody.pem") == true)
    try certificates.worker.check()
  }

  @Test func certificateDatesAgreeWithOpenSSL() throws {
    let path = Certificates.shared.folder + "/elsewhere/worker.pem"
    let pem = try String(contentsOfFile: path, encoding: .utf8)
    let certificate = try #require(Certificate(pem: pem))
    #expect(certificate.notAfter - certificate.notBefore == 3 * 86_400)
    #expect(abs(certificate.notBefore - Int(Date().timeIntervalSince1970)) < 600)
    #expect(Certificate(pem: "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----") == nil)
    // Cut anywhere, the bytes are refused or read, never trapped on.
    for count in stride(from: 0, to: pem.count, by: 7) {
      _ = Certificate(pem: pem.prefix(count) + "-----END CERTIFICATE-----")
    }
  }

  /// Each reason why nothing comes back, told apart.
  @Test func diagnosisExplainsSilence() async throws {
    let certificates = Certificates.shared
    let coordinator = certificates.coordinator
    let reasons: [(TLSIdentity, TLSIdentity, String)] = [
      (coordinator, certificates.worker, "can be reached"),
      (
        coordinator, certificates.identity("worker", serverName: "elsewhere.example"),
        "does not name \"elsewhere.example\""
      ),
      (coordinator, certificates.identity("worker", trusting: "/other"), "not signed by"),
      (coordinator, certificates.identity("worker", from: "/other"), "refused our certificate"),
      (coordinator, certificates.identity("worker", from: "/expired"), "expired"),
    ]
    for (own, theirs, words) in reasons {
      try await withServer("tls+tcp", tls: own) { server in
        // The check of dates refuses an expired identity when the client is made.
        let client: Client
        do throws(TransportError) {
          client = try Client(
            address: server.boundAddress, channel: .control, tls: theirs, contextCount: 1)
        } catch {
          #expect(error.context.contains(words))
          return
        }
        if words != "can be reached" {
          #expect(await failure(of: client, timeout: .milliseconds(300)) == .timedOut)
        }
        let text = await client.diagnose(within: .seconds(2))
        #expect(text.contains(words), "\(text)")
        #expect(await client.close(within: .seconds(5)))
      }
    }
  }

  @Test func diagnosisNamesARefusedAndASilentPort() async throws {
    let listener = try RawListener()
    let silent = try Client(
      address: Address("tls+tcp://127.0.0.1:\(listener.port)"), channel: .control,
      tls: Certificates.shared.worker, contextCount: 1)
    #expect(await silent.diagnose(within: .milliseconds(300)).contains("no answer"))
    #expect(await silent.close(within: .seconds(5)))
    let refused = try Client(
      address: Address("tcp://127.0.0.1:1"), channel: .control, tls: nil, contextCount: 1)
    #expect(await refused.diagnose().contains("connection refused"))
    #expect(await refused.close(within: .seconds(5)))
  }
}
