import ObjectStore
import TestSupport
import Testing

/// Files on HTTP servers of several kinds.
@Suite struct PlainHTTPTests {
  private let servers = Servers.shared
  private let time = FakeTime()

  private func store(_ limits: StoreLimits = .small) -> ObjectStore {
    ObjectStore(environment: time.environment([:]), limits: limits)
  }

  private func uri(_ path: String) throws(ObjectError) -> ObjectURI {
    try ObjectURI("http://127.0.0.1:\(servers.files)/\(path)")
  }

  private func post(_ path: String, _ bytes: [UInt8]) throws {
    _ = try Control.send("POST", "/\(path)", body: bytes, port: servers.files)
  }

  @Test(arguments: ["plain", "weak", "timed", "signed", "whole"])
  func aFileIsReadByRanges(style: String) throws {
    let path = "\(style)/file.csv"
    let bytes = sampleBytes(500_000, seed: 20)
    try post(path, bytes)
    let store = store()
    let status = try store.status(of: uri(path))
    #expect(status.byteCount == 500_000)
    switch (style, status.version) {
    case ("weak", .modified?), ("timed", .modified?): break
    case ("plain", .tag?), ("signed", .tag?), ("whole", .tag?): break
    default: #expect(Bool(false), "\(String(describing: status.version))")
    }
    let middle = try store.bytes(
      uri(path), version: status.version, byteCount: 500_000, 123_456..<234_567)
    #expect(middle == Array(bytes[123_456..<234_567]))
    let reader = try ObjectReader(uri(path), in: store)
    #expect(try reader.rest(by: 64_000) == bytes)
  }

  @Test func aServerWithoutRangesIsRefusedLargeFiles() throws {
    try post("whole/large", sampleBytes(300_000))
    var limits = StoreLimits.small
    limits.wholeObjectByteLimit = 200_000
    let said = words { () throws(ObjectError) in
      _ = try store(limits).bytes(uri("whole/large"), version: nil, byteCount: 300_000, 10..<20)
    }
    #expect(said.contains("does not send ranges"), "\(said)")
  }

  @Test(arguments: ["plain", "timed", "careless"]) func i1AReplacedFileIsNoticed(style: String)
    throws
  {
    let path = "\(style)/replaced"
    try post(path, sampleBytes(1_000, seed: 1))
    let store = store()
    let status = try store.status(of: uri(path))
    _ = try Control.send(
      "PUT", "/\(path)", body: sampleBytes(1_000, seed: 2), port: servers.files)
    #expect(
      code { () throws(ObjectError) in
        _ = try store.bytes(uri(path), version: status.version, byteCount: 1_000, 10..<20)
      } == .changed)
  }

  @Test func redirectsAreFollowedToTheSameKindOfPlace() throws {
    try post("plain/target", Array("found".utf8))
    let store = store()
    #expect(try store.contents(of: uri("moved/x?to=/plain/target")) == Array("found".utf8))
    let said = words { () throws(ObjectError) in
      _ = try store.contents(of: uri("moved/x?to=ftp://127.0.0.1/x"))
    }
    #expect(said.contains("ftp:// is not read"), "\(said)")
    let loop = words { () throws(ObjectError) in
      _ = try store.contents(of: uri("loop/x"))
    }
    #expect(loop.contains("redirect"), "\(loop)")
  }

  @Test func whatServersOfFilesCannotDoIsSaid() throws {
    let store = store()
    let uri = try uri("plain/x")
    var pages = store.pages(of: uri)
    #expect(code { () throws(ObjectError) in _ = try pages.next() } == .unsupported)
    #expect(code { () throws(ObjectError) in try store.put([1], to: uri) } == .unsupported)
    #expect(
      code { () throws(ObjectError) in _ = try store.status(of: self.uri("plain/none")) }
        == .missing)
  }

  @Test func aCertificateThatIsNotTrustedIsRefused() throws {
    // Nothing here speaks TLS: the handshake fails, and plain text is not fallen back to.
    let uri = try ObjectURI("https://127.0.0.1:\(servers.files)/plain/x")
    var limits = StoreLimits.small
    limits.unavailableTime = .seconds(2)
    #expect(
      code { () throws(ObjectError) in _ = try store(limits).status(of: uri) } == .unavailable)
  }
}
