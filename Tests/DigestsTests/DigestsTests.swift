import Digests
import Testing

/// Known answers of FIPS 180-4 and RFC 4231, and of `xxhsum -H128`.
struct DigestsTests {
  @Test(arguments: [
    ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
  ])
  func sha256KnownAnswers(text: String, hex: String) {
    #expect(SHA256.digest(of: Array(text.utf8)).description == hex)
  }

  @Test(arguments: [
    ("", "99aa06d3014798d86001c324468d497f"),
    ("abc", "06b05ab6733a618578af5f94892f3950"),
  ])
  func xxh3KnownAnswers(text: String, hex: String) {
    #expect(XXH3.digest(of: Array(text.utf8)).description == hex)
  }

  @Test func authenticationCodeKnownAnswers() {
    let first = SHA256.authenticationCode(
      of: Array("Hi There".utf8), key: [UInt8](repeating: 0x0b, count: 20))
    #expect(
      first.description == "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7")
    let second = SHA256.authenticationCode(
      of: Array("what do ya want for nothing?".utf8), key: Array("Jefe".utf8))
    #expect(
      second.description == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    #expect(!first.isEqualInConstantTime(to: second))
    #expect(first.isEqualInConstantTime(to: first))
  }

  @Test(arguments: [0, 1, 7, 63, 64, 65, 240, 241, 1_000, 100_000])
  func partsGiveTheSameDigestAsTheWhole(count: Int) {
    let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
    var sha = SHA256()
    var xxh = XXH3()
    var rest = bytes[...]
    var step = 1
    while !rest.isEmpty {
      sha.update(Array(rest.prefix(step)))
      xxh.update(Array(rest.prefix(step)))
      rest = rest.dropFirst(step)
      step = step * 3 % 1_009 + 1
    }
    #expect(sha.finish() == SHA256.digest(of: bytes))
    #expect(xxh.finish() == XXH3.digest(of: bytes))
  }

  @Test func digestsSurviveTheirText() throws {
    let long = SHA256.digest(of: [1, 2, 3])
    #expect(Digest256(hex: long.description) == long)
    #expect(Digest256(hex: long.description.uppercased()) == long)
    #expect(Digest256(bytes: long.bytes) == long)
    #expect(Digest256(hex: String(long.description.dropLast())) == nil)
    #expect(Digest256(hex: "g" + long.description.dropFirst()) == nil)
    #expect(Digest256(bytes: [UInt8](repeating: 0, count: 31)) == nil)
    let short = XXH3.digest(of: [1, 2, 3])
    #expect(Digest128(hex: short.description) == short)
    #expect(Digest128(bytes: short.bytes) == short)
    #expect(Digest128(hex: "00") == nil)
  }

  @Test(arguments: 0..<256) func everyBitOfAnAuthenticationCodeCounts(bit: Int) throws {
    let code = SHA256.digest(of: [7])
    var bytes = code.bytes
    bytes[bit / 8] ^= 1 << (bit % 8)
    let changed = try #require(Digest256(bytes: bytes))
    #expect(!code.isEqualInConstantTime(to: changed))
  }

  @Test func randomBytesDiffer() {
    #expect(randomBytes(count: 32).count == 32)
    #expect(randomBytes(count: 32) != randomBytes(count: 32))
    #expect(randomBytes(count: 0).isEmpty)
  }
}
