import Digests
import Foundation
import ObjectStore
import TestSupport
import Testing

/// What stores and networks do wrong, each on order by a proxy before a real store: S1 to S9.
@Suite struct FaultTests {
  private let servers = Servers.shared
  private let time = FakeTime()

  private func store(_ limits: StoreLimits = .small) -> ObjectStore {
    servers.s3(servers.motoProxy, time: time, limits: limits)
  }

  /// Past the proxy.
  private var direct: ObjectStore { servers.s3(servers.moto) }

  private func uri(_ key: String) throws(ObjectError) -> ObjectURI {
    try ObjectURI("s3://faults/\(key)")
  }

  private func rule(_ json: String) throws {
    try Control.rule(json, proxy: servers.motoProxy)
  }

  private func requests(_ match: String) throws -> [Control.Seen] {
    try Control.log(match, proxy: servers.motoProxy)
  }

  // MARK: S1: the store asks for patience

  @Test(arguments: [
    (503, "SlowDown"), (429, "TooManyRequests"), (500, "InternalError"),
    (503, "ServiceUnavailable"),
  ])
  func s1BurstsAreWaitedFor(status: Int, name: String) throws {
    let uri = try uri("s1/\(name)")
    try rule(
      #"{"match": "PUT .*s1/\#(name)", "times": 6, "fault": "status", "status": \#(status), "#
        + #""code": "\#(name)"}"#)
    try store().put(Array("kept".utf8), to: uri)
    #expect(try direct.contents(of: uri) == Array("kept".utf8))
    #expect(try requests("PUT .*s1/\(name)").count == 7)
    // Half of 100 ms, 200 ms and so on, beside what the pace adds after "slow down".
    let jitter: [Duration] = [50, 100, 200, 400, 800, 1_600].map { .milliseconds($0) }
    #expect(jitter.allSatisfy { time.pauses.contains($0) }, "\(time.pauses)")
  }

  @Test func s1RetryAfterIsHeeded() throws {
    let uri = try uri("s1/after")
    try rule(
      #"{"match": "PUT .*s1/after", "fault": "status", "status": 503, "code": "SlowDown", "#
        + #""headers": {"Retry-After": "7"}}"#)
    try store().put([1], to: uri)
    #expect(time.pauses.contains(.milliseconds(7_050)), "\(time.pauses)")
  }

  @Test func s1EveryThreadSlowsDown() throws {
    let store = store()
    try rule(
      #"{"match": "PUT .*s1/shared", "times": 3, "fault": "status", "status": 503, "#
        + #""code": "SlowDown"}"#)
    try store.put([1], to: try uri("s1/shared"))
    let before = time.pauses.count
    try store.put([1], to: try uri("s1/after-shared"))
    #expect(time.pauses.count > before, "the next request of the bucket is not held back")
  }

  @Test func s1PatienceEndsAfterAQuarterOfAnHour() throws {
    let uri = try uri("s1/forever")
    try rule(
      #"{"match": "PUT .*s1/forever", "times": 100000, "fault": "status", "status": 503, "#
        + #""code": "SlowDown"}"#)
    let said = words { () throws(ObjectError) in try store().put([1], to: uri) }
    let total = time.pauses.reduce(Duration.zero, +)
    #expect(total >= .seconds(900) && total < .seconds(901), "\(total)")
    #expect(said.contains("503 SlowDown, given up after"), "\(said)")
  }

  // MARK: S2: less than was promised

  @Test(arguments: ["short", "stall"]) func s2ABrokenBodyGoesOnWhereItBroke(fault: String) throws {
    let uri = try uri("s2/\(fault)")
    let bytes = sampleBytes(100_000, seed: 5)
    let status = try direct.put(bytes, to: uri)
    try rule(
      #"{"match": "GET .*s2/\#(fault)", "times": 2, "fault": "\#(fault)", "bytes": 30000, "#
        + #""seconds": 3}"#)
    #expect(
      try store().bytes(uri, version: status.version, byteCount: 100_000, 0..<99_999)
        == bytes.dropLast())
    let seen = try requests("GET .*s2/\(fault)")
    #expect(
      seen.map { $0.headers["range"] } == [
        "bytes=0-99998", "bytes=30000-99998", "bytes=60000-99998",
      ])
    guard case .tag(let tag)? = status.version else { return #expect(Bool(false)) }
    #expect(seen.allSatisfy { $0.headers["if-match"] == "\"\(tag)\"" })
  }

  @Test func s2ConnectionsThatAreCutAreMadeAgain() throws {
    let uri = try uri("s2/cut")
    let status = try direct.put(Array("whole".utf8), to: uri)
    try rule(#"{"match": "GET .*s2/cut", "times": 3, "fault": "cut"}"#)
    #expect(try store().bytes(uri, version: status.version, 0..<5) == Array("whole".utf8))
  }

  @Test func s2AnswersWithAnotherRangeAreRefused() throws {
    let uri = try uri("s2/range")
    let status = try direct.put(sampleBytes(1_000), to: uri)
    try rule(
      #"{"match": "GET .*s2/range", "fault": "setAnswer", "#
        + #""headers": {"content-range": "bytes 1-100/1000"}}"#)
    let store = store()
    #expect(
      code { () throws(ObjectError) in
        _ = try store.bytes(uri, version: status.version, byteCount: 1_000, 0..<100)
      } == .malformed)
    try rule(
      #"{"match": "GET .*s2/range", "fault": "setAnswer", "#
        + #""headers": {"content-range": "bytes 0-99/999"}}"#)
    #expect(
      code { () throws(ObjectError) in
        _ = try store.bytes(uri, version: status.version, byteCount: 1_000, 0..<100)
      } == .changed)
  }

  // MARK: S3: other bytes than were stored

  @Test func s3DamagedBytesAreNotTaken() throws {
    let uri = try uri("s3/damaged")
    let bytes = sampleBytes(50_000, seed: 9)
    let status = try store().put(bytes, to: uri)
    try rule(#"{"match": "GET .*s3/damaged", "times": 2, "fault": "corrupt"}"#)
    #expect(try store().bytes(uri, version: status.version, byteCount: 50_000, 0..<50_000) == bytes)
    #expect(try requests("GET .*s3/damaged").count == 3)
    try rule(#"{"match": "GET .*s3/damaged", "times": 4, "fault": "corrupt"}"#)
    #expect(
      code { () throws(ObjectError) in
        _ = try store().bytes(uri, version: status.version, byteCount: 50_000, 0..<50_000)
      } == .damaged)
  }

  // MARK: S4: the answer to a write is lost

  @Test func s4AWriteWhoseAnswerWasLostCountsOnce() throws {
    let uri = try uri("s4/lost")
    try rule(#"{"match": "PUT .*s4/lost", "times": 1, "fault": "lost"}"#)
    let status = try store().put(Array("manifest".utf8), to: uri, condition: .absent)
    #expect(status.version == (try direct.status(of: uri).version))
    #expect(try direct.contents(of: uri) == Array("manifest".utf8))
    #expect(try requests("PUT .*s4/lost").count == 2)
  }

  @Test func s4AnotherWriterIsNotTakenForOurselves() throws {
    let uri = try uri("s4/rival")
    try direct.put(Array("theirs!!".utf8), to: uri)
    try rule(#"{"match": "PUT .*s4/rival", "times": 1, "fault": "cut"}"#)
    #expect(
      code { () throws(ObjectError) in
        try store().put(Array("manifest".utf8), to: uri, condition: .absent)
      } == .refusedByCondition)
    #expect(try direct.contents(of: uri) == Array("theirs!!".utf8))
  }

  // MARK: S5: conflicts

  @Test func s5AConflictIsAskedAgain() throws {
    let uri = try uri("s5/conflict")
    try rule(
      #"{"match": "PUT .*s5/conflict", "times": 2, "fault": "status", "status": 409, "#
        + #""code": "ConditionalRequestConflict"}"#)
    try store().put([1], to: uri, condition: .absent)
    #expect(try requests("PUT .*s5/conflict").count == 3)
  }

  @Test func s5AConflictAtTheEndOfAnUploadBeginsItAgain() throws {
    let store = store()
    let uri = try uri("s5/upload")
    try rule(
      #"{"match": "POST .*s5/upload.uploadId", "fault": "status", "status": 409, "#
        + #""code": "ConditionalRequestConflict"}"#)
    let upload = ObjectUpload(to: uri, in: store)
    try upload.append(sampleBytes(9 << 20))
    #expect(code { () throws(ObjectError) in _ = try upload.finish() } == .conflict)
    try upload.abort()
    #expect(try direct.openUploads(below: uri) == [])
  }

  // MARK: S6: "200" that means something else

  @Test(arguments: ["errorBody", "lateErrorBody", "lost"])
  func s6TheEndOfAnUploadIsMadeSureOf(fault: String) throws {
    let store = store()
    let uri = try uri("s6/\(fault)")
    let bytes = sampleBytes(9 << 20, seed: 6)
    try rule(
      #"{"match": "POST .*s6/\#(fault).uploadId", "times": 1, "fault": "\#(fault)", "#
        + #""code": "InternalError"}"#)
    let upload = ObjectUpload(to: uri, in: store)
    try upload.append(bytes)
    let status = try upload.finish()
    #expect(status.byteCount == UInt64(bytes.count))
    #expect(try direct.contents(of: uri) == bytes)
    #expect(try direct.openUploads(below: uri) == [])
  }

  @Test func s6ALostBeginningLeavesNoUploadBehind() throws {
    let store = store()
    let uri = try uri("s6/twin")
    let bytes = sampleBytes(9 << 20, seed: 6)
    try rule(#"{"match": "POST .*s6/twin.uploads", "fault": "lost"}"#)
    let upload = ObjectUpload(to: uri, in: store)
    try upload.append(bytes)
    #expect(try direct.openUploads(below: uri).count == 2)
    _ = try upload.finish()
    #expect(try direct.contents(of: uri) == bytes)
    #expect(try direct.openUploads(below: uri) == [])
  }

  @Test func s6AnErrorThatStaysIsToldNotHidden() throws {
    let store = store()
    let uri = try uri("s6/refused")
    try rule(
      #"{"match": "POST .*s6/refused.uploadId", "times": 9, "fault": "errorBody", "#
        + #""code": "InvalidPart"}"#)
    let upload = ObjectUpload(to: uri, in: store)
    try upload.append(sampleBytes(9 << 20))
    let said = words { () throws(ObjectError) in _ = try upload.finish() }
    #expect(said.contains("InvalidPart"), "\(said)")
    try upload.abort()
    #expect(try direct.openUploads(below: uri) == [])
    #expect(code { () throws(ObjectError) in _ = try direct.status(of: uri) } == .missing)
  }

  /// More bytes than were sent: the sum of such a number and one would overflow.
  @Test func s6AnUploadThatKeptTooMuchIsRefused() throws {
    try Control.rule(
      #"{"match": "^PUT /upload/.*s6kept", "times": 9, "fault": "status", "status": 308, "#
        + #""headers": {"Range": "bytes=0-18446744073709551615"}}"#, proxy: servers.googleProxy)
    let store = servers.google(servers.googleProxy)
    let upload = ObjectUpload(to: try ObjectURI("gs://bucket/s6kept"), in: store)
    let code = code { () throws(ObjectError) in
      try upload.append(sampleBytes(9 << 20))
      _ = try upload.finish()
    }
    #expect(code == .malformed)
  }

  // MARK: S7: no conditions

  @Test func s7AStoreWithoutConditionsIsFoundOut() throws {
    let store = store()
    try rule(
      #"{"match": "PUT .*s7/", "times": 9, "fault": "stripRequest", "names": ["if-none-match"]}"#)
    #expect(try !store.honoursConditions(below: uri("s7/")))
    try rule(
      #"{"match": "PUT .*s7b/", "times": 9, "fault": "status", "status": 501, "#
        + #""code": "NotImplemented"}"#)
    #expect(try !store.honoursConditions(below: uri("s7b/")))
    #expect(try store.honoursConditions(below: uri("s7c/")))
  }

  // MARK: S8: credentials end

  @Test func s8CredentialsThatEndAreFetchedAgain() throws {
    var variables = [
      "AWS_ENDPOINT_URL": "http://127.0.0.1:\(servers.motoProxy)", "AWS_REGION": "us-east-1",
      "AWS_CONTAINER_AUTHORIZATION_TOKEN": "container-token",
    ]
    variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] =
      "http://127.0.0.1:\(servers.authorities)/container"
    let store = ObjectStore(environment: time.environment(variables), limits: .small)
    try store.put([1], to: try uri("s8/first"))
    try rule(
      #"{"match": "PUT .*s8/second", "fault": "status", "status": 400, "code": "ExpiredToken"}"#)
    try store.put([2], to: try uri("s8/second"))
    let tokens = try requests("PUT .*s8/(first|second)").map {
      $0.headers["x-amz-security-token"] ?? "none"
    }
    #expect(tokens.count == 3)
    #expect(tokens[0] == tokens[1] && tokens[1] != tokens[2], "\(tokens)")
    // Long before their end they are fetched again without being refused.
    time.moveWallClock(bySeconds: 3_400)
    try store.put([3], to: try uri("s8/third"))
    let last = try requests("PUT .*s8/third").last?.headers["x-amz-security-token"]
    #expect(last != tokens[2])
  }

  @Test func s8CredentialsThatStayExpiredSayWhatToDo() throws {
    try rule(
      #"{"match": "(GET|PUT|HEAD) .*s8/gone", "times": 9, "fault": "status", "status": 400, "#
        + #""code": "ExpiredToken"}"#)
    let gone = try uri("s8/gone")
    let store = store()
    for said in [
      words { () throws(ObjectError) in try store.put([1], to: gone) },
      words { () throws(ObjectError) in _ = try store.status(of: gone) },
    ] {
      #expect(said.contains("AWS_ACCESS_KEY_ID"), "\(said)")
      #expect(said.contains("have expired: get new ones"), "\(said)")
    }
    #expect(time.pauses.isEmpty)
  }

  @Test func s8AClockThatIsOffIsCorrected() throws {
    let uri = try uri("s8/clock")
    time.moveWallClock(bySeconds: -7_200)
    try rule(
      #"{"match": "PUT .*s8/clock", "fault": "status", "status": 403, "#
        + #""code": "RequestTimeTooSkewed"}"#)
    try store().put([1], to: uri)
    let dates = try requests("PUT .*s8/clock").compactMap { $0.headers["x-amz-date"] }
    #expect(dates.count == 2)
    let now = Timestamp.compact(systemWallClock() / 1_000_000_000)
    #expect(dates.last?.prefix(11) == now.prefix(11), "\(dates) at \(now)")
    #expect(dates.first != dates.last)
  }

  // MARK: S9: listings lie

  @Test func s9AStaleListingDecidesNothing() throws {
    let store = store()
    let prefix = try uri("s9/")
    try direct.put([1], to: try uri("s9/old"))
    try rule(
      #"{"match": "GET /faults.*prefix=s9", "times": 9, "fault": "rewrite", "#
        + #""pattern": "<Contents>.*</Contents>", "by": ""}"#)
    try store.put([2], to: try uri("s9/new"), condition: .absent)
    var pages = store.pages(of: prefix)
    #expect(try pages.next()?.entries == [], "the proxy does not lie")
    // Whether an object is there is told by asking for it.
    #expect(try store.status(of: uri("s9/new")).byteCount == 1)
    #expect(
      code { () throws(ObjectError) in
        try store.put([3], to: try uri("s9/new"), condition: .absent)
      } == .refusedByCondition)
  }

  @Test func s9AListingOutOfOrderIsRefused() throws {
    for key in ["a", "b"] { try direct.put([1], to: try uri("s9o/\(key)")) }
    try rule(
      #"{"match": "GET /faults.*prefix=s9o", "fault": "rewrite", "pattern": "s9o/a", "#
        + #""by": "s9o/z"}"#)
    var pages = store().pages(of: try uri("s9o/"))
    let said = words { () throws(ObjectError) in _ = try pages.next() }
    #expect(said.contains("does not list keys in their order"), "\(said)")
  }

  // MARK: Other ends

  @Test func aDeadEndpointIsGivenUpInAMinute() throws {
    let store = ObjectStore(
      environment: time.environment(Servers.s3Variables(1)), limits: .small)
    let said = words { () throws(ObjectError) in try store.put([1], to: try uri("dead")) }
    let total = time.pauses.reduce(Duration.zero, +)
    #expect(total >= .seconds(60) && total < .seconds(61), "\(total)")
    #expect(
      said.contains("http://127.0.0.1:1: Couldn't connect") && said.contains(", given up after"),
      "\(said)")
  }

  @Test func aFullBucketIsToldAsSuch() throws {
    try rule(
      #"{"match": "PUT .*full/object", "times": 9, "fault": "status", "status": 507, "#
        + #""code": "XMinioStorageFull"}"#)
    let uri = try uri("full/object")
    #expect(code { () throws(ObjectError) in try store().put([1], to: uri) } == .full)
  }

  @Test func anotherRegionIsLearnt() throws {
    let uri = try uri("region/object")
    try rule(
      #"{"match": "PUT .*region/object", "fault": "status", "status": 301, "#
        + #""code": "PermanentRedirect", "headers": {"x-amz-bucket-region": "eu-west-3"}}"#)
    try store().put([1], to: uri)
    #expect(try requests("PUT .*region/object").count == 2)
  }

  @Test func aRequestThatNobodyWaitsForEnds() throws {
    let uri = try uri("cancel/object")
    let status = try direct.put(sampleBytes(1_000), to: uri)
    try rule(#"{"match": "GET .*cancel/object", "fault": "slow", "seconds": 5}"#)
    var limits = StoreLimits.small
    limits.stallTime = .seconds(30)
    let store = store(limits)
    let cancellation = Cancellation()
    let thread = Thread {
      systemPause(.milliseconds(100))
      cancellation.cancel()
    }
    thread.start()
    var buffer = [UInt8](repeating: 0, count: 100)
    let start = systemUptime()
    let ended = code { () throws(ObjectError) in
      _ = try unsafe buffer.withUnsafeMutableBufferPointer { (buffer) throws(ObjectError) in
        try unsafe store.read(
          uri, version: status.version, byteCount: 1_000, at: 0,
          into: UnsafeMutableRawBufferPointer(buffer), cancellation: cancellation)
      }
    }
    #expect(ended == .cancelled)
    #expect(systemUptime() - start < .seconds(4))
  }
}
