import Jobs
import Testing
import WorkerCore

struct ModelShelfTests {
  private static func digest(_ number: UInt64) -> ContentDigest {
    ContentDigest(words: SIMD4(number, 0, 0, 0))
  }

  @Test func forgetsTheModelUsedLongestAgo() {
    var shelf = ModelShelf(byteLimit: 100)
    #expect(shelf.use(Self.digest(1), byteCount: 40) == [])
    #expect(shelf.use(Self.digest(2), byteCount: 40) == [])
    #expect(shelf.use(Self.digest(1), byteCount: 40) == [], "counted once")
    #expect(shelf.use(Self.digest(3), byteCount: 20) == [], "full, but not beyond")
    #expect(shelf.use(Self.digest(4), byteCount: 1) == [Self.digest(2)])
    #expect(shelf.byteCount == 61)
    shelf.remove(Self.digest(1))
    #expect(shelf.use(Self.digest(5), byteCount: 79) == [])
  }

  @Test func keepsOneModelBeyondTheLimitAlone() {
    var shelf = ModelShelf(byteLimit: 100)
    _ = shelf.use(Self.digest(1), byteCount: 10)
    _ = shelf.use(Self.digest(2), byteCount: 10)
    #expect(shelf.use(Self.digest(3), byteCount: 4 << 30) == [Self.digest(1), Self.digest(2)])
    #expect(shelf.use(Self.digest(4), byteCount: 1) == [Self.digest(3)])
  }
}
