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
      (coordinator, certificates.identity("worker", trusting: "/other"), "but by \"Nightshift"),
      (coordinator, certificates.identity("worker", from: "/other"), "which is signed by"),
      (coordinator, certificates.identity("worker", from: "/expired"), "expired"),
      (coordinator, certificates.identity("worker", from: "/early"), "check the clocks"),
      (
        certificates.identity("coordinator", from: "/namesake", trusting: "/namesake"),
        certificates.identity("worker", from: "/namesake"),
        "although the authority's name is the same"
      ),
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

  /// The server's certificate is at fault, which our own server would not begin with.
  @Test(arguments: [
    ("/expired", "", "the server's certificate is expired 24 hours ago"),
    ("/early", "", "the server's certificate is valid only in 24 hours"),
    ("/other", "", "is not signed by"),
    ("", "/early", "/early/worker.pem: valid only in"),
  ])
  func diagnosisTellsWhatIsWrongWithACertificate(
    theirs: String, ours: String, words: String
  ) async throws {
    let certificates = Certificates.shared
    let server = try RawTLSServer(certificates.identity("coordinator", from: theirs))
    let client: Client
    do throws(TransportError) {
      client = try Client(
        address: server.address, channel: .control,
        tls: certificates.identity("worker", from: ours),
        contextCount: 1)
    } catch {
      #expect(error.context.contains(words))
      return
    }
    let text = await client.diagnose(within: .seconds(2))
    #expect(text.contains(words), "\(text)")
    #expect(await client.close(within: .seconds(5)))
  }

  /// A plain server, and one that speaks something else, are not taken for a refusal.
  @Test func diagnosisKnowsWhatSpeaksNoTLS() async throws {
    try await withServer { server in
      let address = try Address("tls+tcp://127.0.0.1:\(server.boundAddress.port)")
      let client = try Client(
        address: address, channel: .control, tls: Certificates.shared.worker, contextCount: 1)
      let text = await client.diagnose(within: .seconds(2))
      #expect(text.contains("speaks no TLS"), "\(text)")
      #expect(await client.close(within: .seconds(5)))
    }
  }

  /// What a server sends first may be cut anywhere, or be anything: read, refused, never trapped on.
  @Test func aHandshakeIsReadInAnyPieces() throws {
    let pem = try String(
      contentsOfFile: Certificates.shared.folder + "/worker.pem", encoding: .utf8)
    let lines = pem.split(separator: "\n").filter { !$0.hasPrefix("-") }.joined()
    let der = Array(try #require(Data(base64Encoded: lines)))
    func counted(_ bytes: [UInt8], _ width: Int) -> [UInt8] {
      (0..<width).map { UInt8(truncatingIfNeeded: bytes.count >> (8 * (width - 1 - $0))) } + bytes
    }
    let hello: [UInt8] = [2] + counted([UInt8](repeating: 9, count: 70), 3)
    let certificate: [UInt8] = [11] + counted(counted(counted(der, 3), 3), 3)
    let records =
      [22, 3, 3] + counted(Array((hello + certificate).prefix(100)), 2)
      + [22, 3, 3] + counted(Array((hello + certificate).dropFirst(100)), 2)
    for cut in stride(from: 0, through: records.count, by: 7) {
      var reader = HandshakeReader()
      let first = reader.take(records[..<cut])
      #expect(cut == records.count || first == .more)
      #expect(reader.take(records[cut...]) == .certificate(der[...]), "cut at \(cut)")
    }
    var generator = SystemRandomNumberGenerator()
    for place in records.indices {
      var changed = records
      changed[place] = UInt8.random(in: 0...255, using: &generator)
      var reader = HandshakeReader()
      _ = reader.take(changed)
    }
    var reader = HandshakeReader()
    #expect(reader.take([21, 3, 3, 0, 2, 2, 40]) == .failed)  // an alert
    #expect(reader.take([UInt8](repeating: 22, count: 1 << 18)) == .failed)
  }

  /// A week ahead, and not before.
  @Test func certificatesThatEndSoonAreWarnedOf() throws {
    let identity = Certificates.shared.worker
    let pem = try String(contentsOfFile: identity.certificateFile, encoding: .utf8)
    let end = try #require(Certificate(pem: pem)).notAfter
    #expect(identity.warnings(now: end - 7 * 86_400) == [])
    let soon = identity.warnings(now: end - 7 * 86_400 + 1)
    #expect(soon.count == 1)
    #expect(soon.first?.contains("worker.pem: the certificate ends in 6 days") == true)
    let late = identity.warnings(now: end + 3 * 86_400)
    #expect(late.first?.contains("expired 3 days ago") == true)
    let folder = Certificates.shared.folder
    #expect(Certificates.status(of: ["--check", folder]) == 0)
    #expect(Certificates.status(of: ["--check", folder + "/elsewhere"]) == 1)  // three days
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
