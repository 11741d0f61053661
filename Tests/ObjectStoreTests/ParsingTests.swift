import ObjectStore
import Testing

@Suite struct ParsingTests {
  private func events(_ text: String) throws(ObjectError) -> [XMLReader.Event] {
    var reader = XMLReader(Array(text.utf8))
    var events: [XMLReader.Event] = []
    while let event = try reader.next() { events.append(event) }
    return events
  }

  @Test func elementsComeInOrder() throws {
    let text = """
      <?xml version="1.0"?><!-- a > b --><r xmlns="http://x/" a='>'><k>a&amp;b&#x41;&#66;</k>
      <e/><s3:c><![CDATA[<&>]]>x</s3:c></r>
      """
    #expect(
      try events(text) == [
        .open("r"), .open("k"), .close("k", text: "a&bAB"), .open("e"), .close("e", text: ""),
        .open("c"), .close("c", text: "<&>x"), .close("r", text: ""),
      ])
  }

  @Test(arguments: [
    "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>", "<a>&x;</a>", "<a>", "<a></b>", "<a", "<",
    "<a>&lt",
    "<a>&#xD800;</a>", "</a>", "<a b='>", "<!--", "<a>&#;</a>", "<a>&#-1;</a>",
    String(repeating: "<a>", count: 40),
  ])
  func otherXMLIsRefused(text: String) {
    #expect(code { () throws(ObjectError) in _ = try events(text) } == .malformed)
  }

  @Test func noBytesTrapTheReader() {
    let base = Array(
      "<?xml?><Error><Code>SlowDown</Code><M a='1'>&lt;&#x41;<![CDATA[x]]><!--y--></M></Error>".utf8
    )
    var state: UInt64 = 7
    func draw(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
    var readCount = 0
    for _ in 0..<20_000 {
      var bytes = base
      for _ in 0...draw(4) {
        switch draw(3) {
        case 0: bytes[draw(bytes.count)] = UInt8(draw(256))
        case 1: bytes.remove(at: draw(bytes.count))
        default: bytes.insert(Array("<>&;/!-[]?#x'".utf8)[draw(13)], at: draw(bytes.count))
        }
      }
      var reader = XMLReader(bytes)
      do {
        while try reader.next() != nil {}
        readCount += 1
      } catch {}  // refused, as most are
    }
    #expect(readCount > 0)
  }

  @Test func errorsHaveCodes() {
    #expect(errorCode(in: Array("<Error><Code>SlowDown</Code></Error>".utf8)) == "SlowDown")
    #expect(errorCode(in: Array("<r><Error><Code>X</Code></Error></r>".utf8)) == "X")
    #expect(errorCode(in: Array("<r><Code>X</Code></r>".utf8)) == nil)
    #expect(errorCode(in: Array("<Error><Code>a secret\nline</Code></Error>".utf8)) == nil)
    #expect(
      errorCode(in: Array(#"{"error":{"code":403,"errors":[{"reason":"forbidden"}]}}"#.utf8))
        == "forbidden")
    #expect(errorCode(in: Array(#"{"error":"invalid_grant"}"#.utf8)) == "invalid_grant")
    #expect(errorCode(in: Array("not one".utf8)) == nil)
  }

  @Test func timesAreReadAndWritten() {
    #expect(Timestamp.seconds(ofHTTP: "Sun, 06 Nov 1994 08:49:37 GMT") == 784_111_777)
    #expect(
      Timestamp.nanoseconds(ofRFC3339: "2026-03-01T06:00:00.123Z") == 1_772_344_800_123_000_000)
    #expect(Timestamp.nanoseconds(ofRFC3339: "1970-01-01T00:00:00Z") == 0)
    #expect(
      Timestamp.nanoseconds(ofRFC3339: "2000-02-29T23:59:59.999999999Z") == 951_868_799_999_999_999)
    #expect(Timestamp.compact(1_369_353_600) == "20130524T000000Z")
    #expect(Timestamp.compact(951_868_799) == "20000229T235959Z")
    for text in ["", "2026-13-01T00:00:00Z", "2026-03-01 06:00:00Z", "2026-03-01T06:00:00+01:00"] {
      #expect(Timestamp.nanoseconds(ofRFC3339: text) == nil, "\(text)")
    }
    #expect(Timestamp.seconds(ofHTTP: "Sunday, 06-Nov-94 08:49:37 GMT") == nil)
  }

  @Test func profilesAreReadAsTheClientReadsThem() {
    let profiles = AWSProfiles(
      text: """
        # comment
        [default]
        aws_access_key_id = AKIA1
        s3 =
          endpoint_url = nested
        [profile batch]
        region=eu-west-1
        aws_secret_access_key = a=b
        [sso-session x]
        sso_region = y
        """)
    #expect(profiles["default"]?["aws_access_key_id"] == "AKIA1")
    #expect(profiles["default"]?["endpoint_url"] == nil)
    #expect(profiles["batch"] == ["region": "eu-west-1", "aws_secret_access_key": "a=b"])
    #expect(profiles["sso-session x"] == nil)
    #expect(profiles["other"] == nil)
  }
}
