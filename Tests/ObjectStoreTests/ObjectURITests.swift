import ObjectStore
import Testing

@Suite struct ObjectURITests {
  @Test(arguments: [
    ("s3://bucket/a/b.csv", "bucket", "a/b.csv"), ("s3://bucket", "bucket", ""),
    ("S3://bucket/", "bucket", ""), ("s3a://bucket/x", "bucket", "x"),
    ("gs://b/100%25 sure?#1", "b", "100%25 sure?#1"), ("s3://b//double//", "b", "/double//"),
    ("http://host:81/a%20b?x=1", "host:81", "a%20b?x=1"),
    ("https://host/a b/ü", "host", "a%20b/%C3%BC"), ("http://[::1]:80/x", "[::1]:80", "x"),
  ])
  func anAddressHasItsParts(text: String, bucket: String, key: String) throws {
    let uri = try ObjectURI(text)
    #expect(uri.bucket == bucket)
    #expect(uri.key == key)
    #expect(try ObjectURI(uri.description) == uri)
  }

  @Test(arguments: [
    ("abfs://container@account/x", ObjectError.Code.unsupported), ("ftp://x/y", .unsupported),
    ("/local/path", .malformed), ("s3:///key", .malformed),
    ("http://user:secret@host/x", .malformed),
    ("s3://a b/x", .malformed), ("s3://../x", .malformed),
  ])
  func otherAddressesAreRefused(text: String, expected: ObjectError.Code) {
    #expect(code { () throws(ObjectError) in _ = try ObjectURI(text) } == expected)
    let said = words { () throws(ObjectError) in _ = try ObjectURI(text) }
    #expect(!said.contains("secret"))
  }

  @Test func databasesAndFilesAreNoObjects() {
    for text in ["s3://b", "S3A://b/x", "gs://b/x", "https://h/x"] {
      #expect(ObjectURI.isURI(text), "\(text)")
    }
    for text in ["/s3/x", "file:///x", "postgresql://h/d", "sqlite:///x.db", "abfs://c@a/x"] {
      #expect(!ObjectURI.isURI(text), "\(text)")
    }
  }

  @Test func signedURLsAreNotInMessages() throws {
    let uri = try ObjectURI("https://host/path?X-Amz-Signature=abc")
    #expect(uri.nameForMessages == "https://host/path?…")
  }

  @Test func keysAreAppendedWithOneSlash() throws {
    #expect(try ObjectURI("s3://b").appending("x").description == "s3://b/x")
    #expect(try ObjectURI("s3://b/a").appending("x").description == "s3://b/a/x")
    #expect(try ObjectURI("s3://b/a/").appending("x").description == "s3://b/a/x")
  }

  @Test(arguments: [
    ObjectVersion.tag("abc-3"), .id("3HL4kqtJvjVBH40Nrjfkd"), .generation(1_700_000_000_000_001),
    .modified("Sun, 06 Nov 1994 08:49:37 GMT"), .tag("a=b"),
  ])
  func aVersionIsReadAsItWasWritten(version: ObjectVersion) {
    #expect(ObjectVersion(version.description) == version)
  }

  @Test(arguments: ["", "etag", "etag=", "generation=x", "other=1"])
  func otherTextsAreNoVersions(text: String) {
    #expect(ObjectVersion(text) == nil)
  }
}
