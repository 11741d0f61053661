import ObjectStore
import TestSupport
import Testing

/// What every store does, against three that are not ours.
@Suite struct StoreTests {
  enum Kind: String, CaseIterable, Sendable {
    case moto
    case rclone
    case google

    var store: ObjectStore {
      let servers = Servers.shared
      return switch self {
      case .moto: servers.s3(servers.moto)
      case .rclone: servers.s3(servers.rclone)
      case .google: servers.google(servers.google)
      }
    }

    func uri(_ key: String) throws(ObjectError) -> ObjectURI {
      try ObjectURI("\(self == .google ? "gs" : "s3")://bucket/\(key)")
    }
  }

  @Test(arguments: Kind.allCases) func anObjectComesBack(kind: Kind) throws {
    let store = kind.store
    let uri = try kind.uri("round/trip.bin")
    let bytes = sampleBytes(300_000)
    let put = try store.put(bytes, to: uri)
    let status = try store.status(of: uri)
    #expect(status.byteCount == 300_000)
    #expect(status.version != nil)
    #expect(status.version == put.version)
    #expect(abs(status.modificationNanoseconds - systemWallClock()) < 60_000_000_000)
    #expect(try store.contents(of: uri) == bytes)
    let range = try store.bytes(uri, version: status.version, 1_000..<2_000)
    #expect(range == Array(bytes[1_000..<2_000]))
    let end = try store.bytes(uri, version: status.version, byteCount: 300_000, 299_990..<300_100)
    #expect(end == Array(bytes[299_990...]))
    try store.delete(uri)
    #expect(code { () throws(ObjectError) in _ = try store.status(of: uri) } == .missing)
    try store.delete(uri)
  }

  @Test(
    arguments: Kind.allCases,
    [
      "odd/a b+c&d=e%41?f#g", "odd/ü/日本.csv", "odd/it's \"quoted\" <x>;(1)[2]{3}!*~@,$",
    ]) func oddKeysAreKept(kind: Kind, key: String) throws
  {
    let store = kind.store
    let uri = try kind.uri(key)
    let bytes = Array("content of \(key)".utf8)
    try store.put(bytes, to: uri)
    #expect(try store.contents(of: uri) == bytes)
    var pages = store.pages(of: try kind.uri(String(key.prefix(6))))
    var keys: [String] = []
    while let page = try pages.next() { keys += page.entries.map(\.uri.key) }
    #expect(keys.contains(key), "\(keys)")
    try store.delete(uri)
  }

  @Test func keysThatLookLikePathsAreKept() throws {
    let store = Kind.moto.store
    for key in ["/leading", "a//b", "trailing/", "./x/../y"] {
      let uri = try Kind.moto.uri(key)
      try store.put(Array(key.utf8), to: uri)
      #expect(try store.contents(of: uri) == Array(key.utf8), "\(key)")
    }
  }

  // The emulator hangs up when it is sent nothing.
  @Test(arguments: [Kind.moto, .rclone]) func anEmptyObjectIsOne(kind: Kind) throws {
    let store = kind.store
    let uri = try kind.uri("empty/object")
    try store.put([], to: uri)
    #expect(try store.status(of: uri).byteCount == 0)
    #expect(try store.contents(of: uri) == [])
  }

  @Test(arguments: Kind.allCases) func aListingStopsAtSlashes(kind: Kind) throws {
    let store = kind.store
    for name in ["a", "b/1", "b/2", "c"] {
      try store.put(Array(name.utf8), to: try kind.uri("tree/\(name)"))
    }
    var pages = store.pages(of: try kind.uri("tree/"), stoppingAtSlash: true)
    let page = try #require(try pages.next())
    #expect(page.entries.map(\.uri.key) == ["tree/a", "tree/c"])
    #expect(page.entries.map(\.status.byteCount) == [1, 1])
    #expect(page.folders == ["tree/b/"])
    let listed = try #require(page.entries.first)
    #expect(listed.status.version == (try store.status(of: listed.uri).version))
    var all = store.pages(of: try kind.uri("tree/"))
    #expect(
      try all.next()?.entries.map(\.uri.key) == ["tree/a", "tree/b/1", "tree/b/2", "tree/c"])
    #expect(try all.next() == nil)
  }

  @Test(arguments: Kind.allCases) func anUploadInPartsMakesOneObject(kind: Kind) throws {
    let store = kind.store
    let uri = try kind.uri("parts/large.bin")
    let bytes = sampleBytes(20 << 20, seed: 3)
    let upload = ObjectUpload(to: uri, in: store)
    for start in stride(from: 0, to: bytes.count, by: 3_000_000) {
      try upload.append(Array(bytes[start..<min(start + 3_000_000, bytes.count)]))
    }
    let status = try upload.finish()
    #expect(status.byteCount == UInt64(bytes.count))
    #expect(try store.contents(of: uri) == bytes)
    #expect(try store.openUploads(below: uri) == [])
  }

  @Test(arguments: Kind.allCases) func anAbortedUploadLeavesNothing(kind: Kind) throws {
    let servers = Servers.shared
    var store = kind.store
    if kind == .google {
      // The emulator ends no uploads: this is what Google answers.
      store = servers.google(servers.googleProxy)
      try Control.rule(
        #"{"match": "^DELETE /upload/.*aborted", "fault": "status", "status": 499}"#,
        proxy: servers.googleProxy)
    }
    let uri = try kind.uri("aborted/large.bin")
    let upload = ObjectUpload(to: uri, in: store)
    try upload.append(sampleBytes(9 << 20))
    if kind == .moto {
      let open = try store.openUploads(below: try kind.uri("aborted/"))
      #expect(open.map(\.uri) == [uri])
      #expect(try store.openUploads(below: try kind.uri("elsewhere/")) == [])
    }
    try upload.abort()
    try upload.abort()
    #expect(try store.openUploads(below: uri) == [])
    #expect(code { () throws(ObjectError) in _ = try store.status(of: uri) } == .missing)
  }

  @Test func conditionsAreFound() throws {
    #expect(try Kind.moto.store.honoursConditions(below: Kind.moto.uri("probe/")))
    // S7: these two write whatever the condition says.
    #expect(try !Kind.rclone.store.honoursConditions(below: Kind.rclone.uri("probe")))
    #expect(try !Kind.google.store.honoursConditions(below: Kind.google.uri("probe/")))
    for kind in Kind.allCases {
      var pages = kind.store.pages(of: try kind.uri("probe"))
      #expect(try pages.next()?.entries == [], "a probe stayed behind")
    }
  }

  @Test func aConditionalWriteHappensOnce() throws {
    let store = Kind.moto.store
    let uri = try Kind.moto.uri("conditions/manifest.json")
    let first = try store.put(Array("first".utf8), to: uri, condition: .absent)
    let version = try #require(first.version)
    #expect(
      code { () throws(ObjectError) in
        try store.put(Array("other".utf8), to: uri, condition: .absent)
      } == .refusedByCondition)
    try store.put(Array("first".utf8), to: uri, condition: .absent)  // the same bytes are ours
    try store.put(Array("second".utf8), to: uri, condition: .matches(version))
    #expect(
      code { () throws(ObjectError) in
        try store.put(Array("third".utf8), to: uri, condition: .matches(version))
      } == .refusedByCondition)
    #expect(try store.contents(of: uri) == Array("second".utf8))
  }

  @Test func listingsGoOnForManyPages() throws {
    let servers = Servers.shared
    var limits = StoreLimits.small
    limits.pageObjectCount = 100
    let store = servers.s3(servers.moto, limits: limits)
    let names = (0..<234).map { "many/" + String(100_000 + $0) }
    for name in names { try store.put([1], to: try ObjectURI("s3://many/\(name)")) }
    var pages = store.pages(of: try ObjectURI("s3://many/many/"))
    var keys: [String] = []
    var pageCount = 0
    while let page = try pages.next() {
      pageCount += 1
      keys += page.entries.map(\.uri.key)
      #expect(page.entries.count <= 100)
    }
    #expect(keys == names)
    #expect(pageCount == 3)
  }

  @Test func signaturesAreChecked() throws {
    let servers = Servers.shared
    let time = FakeTime()
    var variables = Servers.s3Variables(servers.rclone)
    variables["AWS_SECRET_ACCESS_KEY"] = "wrong"
    let store = ObjectStore(environment: time.environment(variables), limits: .small)
    let uri = try ObjectURI("s3://bucket/denied")
    let said = words { () throws(ObjectError) in try store.put([1], to: uri) }
    #expect(said.contains("SignatureDoesNotMatch"), "\(said)")
    #expect(said.contains("AWS_SECRET_ACCESS_KEY"), "\(said)")
    #expect(!said.contains(Servers.secret) && !said.contains("wrong"), "\(said)")
  }
}
