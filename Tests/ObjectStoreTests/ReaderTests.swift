import ObjectStore
import TestSupport
import Testing

/// Reading ahead, and inputs that change while they are read (I1).
@Suite struct ReaderTests {
  private let servers = Servers.shared
  private let time = FakeTime()

  private var limits: StoreLimits {
    var limits = StoreLimits.small
    limits.pieceByteCount = 100_000
    limits.pieceLimit = 4
    return limits
  }

  private var store: ObjectStore { servers.s3(servers.motoProxy, time: time, limits: limits) }

  private func uri(_ key: String) throws(ObjectError) -> ObjectURI {
    try ObjectURI("s3://bucket/reader/\(key)")
  }

  private func put(_ key: String, _ bytes: [UInt8]) throws(ObjectError) -> ObjectStatus {
    try servers.s3(servers.moto).put(bytes, to: uri(key))
  }

  @Test(arguments: [1_000, 33_333, 100_000, 250_000]) func allBytesComeInOrder(by count: Int) throws
  {
    let bytes = sampleBytes(1_234_567, seed: 11)
    _ = try put("order-\(count)", bytes)
    let reader = try ObjectReader(uri("order-\(count)"), in: store)
    #expect(reader.byteCount == 1_234_567)
    #expect(try reader.rest(by: count) == bytes)
    #expect(try reader.rest(from: 777_777, by: count) == Array(bytes[777_777...]))
  }

  @Test func nothingIsReadBeyondTheExpectedEnd() throws {
    let bytes = sampleBytes(1_000_000, seed: 12)
    _ = try put("end", bytes)
    let reader = try ObjectReader(uri("end"), in: store)
    reader.expectedEnd = 450_000
    var read: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 50_000)
    while read.count < 450_000 {
      let count = try unsafe buffer.withUnsafeMutableBufferPointer {
        try unsafe reader.read(
          at: UInt64(read.count), into: UnsafeMutableRawBufferPointer($0))
      }
      read += buffer[..<count]
    }
    #expect(read == Array(bytes[..<450_000]))
    let ends = try Control.log("GET .*reader/end", proxy: servers.motoProxy)
      .compactMap { $0.headers["range"]?.split(separator: "-").last.flatMap { Int($0) } }
    #expect(ends.max() == 449_999, "\(ends)")
    #expect(ends.count == 5, "\(ends)")
    // The rest of a record that crosses the end, and then a longer one.
    var tail: [UInt8] = []
    while tail.count < 450_000 {
      let count = try unsafe buffer.withUnsafeMutableBufferPointer {
        try unsafe reader.read(
          at: UInt64(450_000 + tail.count), into: UnsafeMutableRawBufferPointer($0))
      }
      tail += buffer[..<count]
      let asked = try Control.log("GET .*reader/end", proxy: servers.motoProxy).count - 5
      if tail.count <= 65_536 { #expect(asked == 1, "\(tail.count) bytes") }
    }
    #expect(tail.elementsEqual(bytes[450_000..<(450_000 + tail.count)]))
    let asked = try Control.log("GET .*reader/end", proxy: servers.motoProxy).count - 5
    #expect(asked == 5, "64 KiB, then 100,000 bytes each")
  }

  @Test func readsHereAndThereAskForJustThat() throws {
    let bytes = sampleBytes(1_000_000, seed: 13)
    _ = try put("random", bytes)
    let reader = try ObjectReader(uri("random"), in: store)
    for offset in [900_000, 5, 500_000, 250_000] {
      var buffer = [UInt8](repeating: 0, count: 1_000)
      let count = try unsafe buffer.withUnsafeMutableBufferPointer {
        try unsafe reader.read(at: UInt64(offset), into: UnsafeMutableRawBufferPointer($0))
      }
      #expect(count == 1_000)
      #expect(buffer == Array(bytes[offset..<(offset + 1_000)]))
    }
    let ranges = try Control.log("GET .*reader/random", proxy: servers.motoProxy)
      .compactMap { $0.headers["range"] }
    #expect(
      ranges == ["900000-900999", "5-1004", "500000-500999", "250000-250999"].map { "bytes=\($0)" })
  }

  // MARK: I1

  @Test(arguments: ["replaced", "shorter", "longer", "deleted"])
  func i1AChangedObjectIsNeverMixed(change: String) throws {
    let bytes = sampleBytes(600_000, seed: 14)
    _ = try put("changed-\(change)", bytes)
    let uri = try uri("changed-\(change)")
    let reader = try ObjectReader(uri, in: store)
    var buffer = [UInt8](repeating: 0, count: 10_000)
    func step(_ offset: Int) throws(ObjectError) -> Int {
      try unsafe buffer.withUnsafeMutableBufferPointer { (buffer) throws(ObjectError) in
        try unsafe reader.read(at: UInt64(offset), into: UnsafeMutableRawBufferPointer(buffer))
      }
    }
    var offset = try step(0)
    switch change {
    case "replaced": _ = try put("changed-\(change)", sampleBytes(600_000, seed: 15))
    case "shorter": _ = try put("changed-\(change)", Array(bytes[..<200_000]))
    case "longer": _ = try put("changed-\(change)", bytes + [1])
    default: try store.delete(uri)
    }
    let ended = code { () throws(ObjectError) in
      while offset < 600_000 {
        let count = try step(offset)
        // What came before the change was told is still the old content.
        #expect(buffer[..<count].elementsEqual(bytes[offset..<(offset + count)]))
        offset += count
      }
    }
    #expect(ended == .changed)
    #expect(offset < 600_000)
  }

  @Test func i1AStoreThatIgnoresIfMatchIsNotBelieved() throws {
    let store = servers.s3(servers.rclone, time: time, limits: limits)
    let uri = try ObjectURI("s3://bucket/reader/ignored")
    try store.put(sampleBytes(300_000, seed: 16), to: uri)
    let status = try store.status(of: uri)
    try store.put(sampleBytes(300_000, seed: 17), to: uri)
    #expect(
      code { () throws(ObjectError) in
        _ = try store.bytes(uri, version: status.version, byteCount: 300_000, 1_000..<2_000)
      } == .changed)
  }

  @Test func i1AVersionThatWasReplacedCanStillBeRead() throws {
    _ = try Control.send("PUT", "/versions", port: servers.moto)
    _ = try Control.send(
      "PUT", "/versions?versioning",
      body: Array(
        "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>".utf8),
      port: servers.moto)
    let uri = try ObjectURI("s3://versions/object")
    let store = store
    try store.put(Array("first".utf8), to: uri)
    let first = try store.status(of: uri)
    guard case .id? = first.version else {
      return #expect(Bool(false), "\(String(describing: first.version)) is no version id")
    }
    try store.put(Array("again".utf8), to: uri)
    #expect(
      try store.bytes(uri, version: first.version, byteCount: 5, 0..<5) == Array("first".utf8))
    #expect(try store.contents(of: uri) == Array("again".utf8))
    #expect(
      code { () throws(ObjectError) in
        _ = try store.bytes(uri, version: .id("unknown"), byteCount: 5, 0..<5)
      } != nil)
  }

  @Test func i1AGenerationThatIsGoneIsAChange() throws {
    let store = servers.google(servers.googleProxy, time: time, limits: limits)
    let uri = try ObjectURI("gs://bucket/reader/generation")
    try store.put(Array("first".utf8), to: uri)
    let version = try #require(try store.status(of: uri).version)
    guard case .generation(let number) = version else {
      return #expect(Bool(false), "\(version) is no generation")
    }
    #expect(try store.bytes(uri, version: version, byteCount: 5, 0..<5) == Array("first".utf8))
    let seen = try Control.log("GET .*reader%2Fgeneration.*alt=media", proxy: servers.googleProxy)
    #expect(seen.last?.line.contains("generation=\(number)") == true)
    // The emulator does not look at generations; Google answers so.
    try Control.rule(
      #"{"match": "GET .*reader%2Fgeneration.*generation=", "fault": "status", "status": 404}"#,
      proxy: servers.googleProxy)
    #expect(
      code { () throws(ObjectError) in
        _ = try store.bytes(uri, version: version, byteCount: 5, 0..<5)
      } == .changed)
  }
}
