import Compression
import Foundation
import Testing

struct FrameTests {
  /// Bytes that compress neither to nothing nor not at all.
  static func text(count: Int, seed: UInt64 = 1) -> [UInt8] {
    var state = seed
    return (0..<count).map { index in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return index % 7 < 4 ? UInt8(ascii: "a") + UInt8(index % 19) : UInt8(state >> 59) + 48
    }
  }

  static func frame(_ text: [UInt8], level: Int = 1) throws -> [UInt8] {
    var compressor = FrameCompressor(level: level)
    var output: [UInt8] = []
    try compressor.compress(text, into: &output)
    return output
  }

  static func code(_ body: () throws -> Void) -> CompressionError.Code? {
    do {
      try body()
      return nil
    } catch {
      return (error as? CompressionError)?.code
    }
  }

  @Test(arguments: [0, 1, 5, 1_000, 128 * 1_024, 1_000_003])
  func roundTrip(count: Int) throws {
    let text = Self.text(count: count)
    var output: [UInt8] = [9]
    var decompressor = FrameDecompressor()
    try decompressor.decompress(Self.frame(text), into: &output, limit: count)
    #expect(output == [9] + text)
  }

  @Test(arguments: [1, 3, 9]) func aReusedContextMakesTheSameFrame(level: Int) throws {
    var reused = FrameCompressor(level: level)
    for (seed, count) in [300_000, 10, 1_100_000, 0, 70_000, 300_000].enumerated() {
      let text = Self.text(count: count, seed: UInt64(seed) * 77)
      var again: [UInt8] = []
      try reused.compress(text, into: &again)
      #expect(try again == Self.frame(text, level: level))
    }
  }

  /// Lines of ids and numbers, as a job with a key writes them.
  static func lines(json: Bool, count: Int) -> [UInt8] {
    var state: UInt64 = 5
    return (0..<count).flatMap { index in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let number = "0.\(state >> 10)"
      return Array(
        (json ? "{\"key\":\(index),\"prediction\":\(number)}\n" : "\(index),\(number)\n").utf8)
    }
  }

  @Test(arguments: [false, true]) func linesOfNumbersStaySmall(json: Bool) throws {
    let text = Self.lines(json: json, count: 5_000)
    let frame = try Self.frame(text)
    var output: [UInt8] = []
    var decompressor = FrameDecompressor()
    try decompressor.decompress(frame, into: &output, limit: text.count)
    #expect(output == text)
    // Digits that nobody can foresee are most of it: 8 bytes of each line. Level 1 alone needs 51
    // and 55 kB.
    #expect(frame.count < 5_000 * 12)
  }

  @Test func digitsThatRepeatAreSearchedAgain() throws {
    let text = (0..<9_000).flatMap { Array("\(1_000_000 + $0),\($0 * 7 % 10)\n".utf8) }
    // Level 1 alone needs 4 kB, and the quickest search 25 kB.
    #expect(try Self.frame(text).count < 5_000)
  }

  @Test func whatCameBeforeChangesNoFrame() throws {
    var compressor = FrameCompressor()
    let texts = [
      Self.lines(json: false, count: 900), Self.text(count: 50_000),
      Self.lines(json: true, count: 900),
    ]
    for text in texts + texts.reversed() + [[]] + texts {
      var frame: [UInt8] = []
      try compressor.compress(text, into: &frame)
      #expect(try frame == Self.frame(text))
    }
  }

  @Test(arguments: [1, 3, 9]) func partsMakeTheSameFrameHoweverTheyAreCut(level: Int) throws {
    let text = Self.text(count: 700_000)
    var frames: Set<[UInt8]> = []
    var compressor = FrameCompressor(level: level)
    for step in [1_000, 65_536, 131_072, 333_333, 700_000] {
      var frame: [UInt8] = []
      try compressor.beginFrame(byteCount: text.count)
      for start in stride(from: 0, to: text.count, by: step) {
        try compressor.feed(Array(text[start..<min(start + step, text.count)]), into: &frame)
      }
      try compressor.endFrame(into: &frame)
      var output: [UInt8] = []
      var decompressor = FrameDecompressor()
      try decompressor.decompress(frame, into: &output, limit: text.count)
      #expect(output == text)
      frames.insert(frame)
    }
    #expect(frames.count == 1)
  }

  @Test func partsOfUnknownSizeRoundTrip() throws {
    let text = Self.text(count: 400_000)
    var compressor = FrameCompressor()
    var frame: [UInt8] = []
    try compressor.beginFrame()
    try compressor.feed(text, into: &frame)
    try compressor.endFrame(into: &frame)
    var decompressor = FrameDecompressor()
    var output: [UInt8] = []
    try decompressor.decompress(frame, into: &output, limit: text.count)
    #expect(output == text)
    var none: [UInt8] = []
    #expect(
      Self.code { try decompressor.decompress(frame, into: &none, limit: text.count - 1) }
        == .tooLarge)
    #expect(none.isEmpty)
    for count in stride(from: 0, to: frame.count, by: frame.count / 50) {
      let cut = Array(frame.prefix(count))
      #expect(
        Self.code { try decompressor.decompress(cut, into: &none, limit: text.count) }
          == .truncated)
    }
  }

  @Test func aPledgeThatIsNotKeptThrows() throws {
    var compressor = FrameCompressor()
    var frame: [UInt8] = []
    try compressor.beginFrame(byteCount: 10)
    try compressor.feed([1, 2, 3], into: &frame)
    #expect(throws: CompressionError.self) { try compressor.endFrame(into: &frame) }
    frame = []
    try compressor.compress([1, 2, 3], into: &frame)
    var decompressor = FrameDecompressor()
    var output: [UInt8] = []
    try decompressor.decompress(frame, into: &output, limit: 3)
    #expect(output == [1, 2, 3])
  }

  @Test func noFlippedBitOfASmallFrameChangesItsText() throws {
    let text = Self.text(count: 300)
    let frame = try Self.frame(text)
    var decompressor = FrameDecompressor()
    var silentBits: [Int] = []
    for bit in 0..<frame.count * 8 {
      var damaged = frame
      damaged[bit / 8] ^= 1 << (bit % 8)
      var output: [UInt8] = []
      if Self.code({ try decompressor.decompress(damaged, into: &output, limit: 1_000) }) == nil {
        // libzstd 1.5.4 ignores the two reserved bits of a block's "symbol compression modes"
        // byte (RFC 8878, 3.1.1.3.2.1): the text is right all the same.
        #expect(output == text)
        silentBits.append(bit)
      }
    }
    #expect(silentBits.count <= 2)
  }

  @Test func aFrameCutAnywhereIsTruncated() throws {
    let frame = try Self.frame(Self.text(count: 500))
    var decompressor = FrameDecompressor()
    var output: [UInt8] = []
    for count in 0..<frame.count {
      let cut = Array(frame.prefix(count))
      #expect(
        Self.code { try decompressor.decompress(cut, into: &output, limit: 500) } == .truncated)
    }
    try decompressor.decompress(frame, into: &output, limit: 500)
    #expect(output == Self.text(count: 500))
  }

  @Test func anythingButOneFrameIsRefused() throws {
    let frame = try Self.frame([1, 2, 3])
    var decompressor = FrameDecompressor()
    var output: [UInt8] = []
    let skippable: [UInt8] = [0x50, 0x2A, 0x4D, 0x18, 1, 0, 0, 0, 7]
    for (bytes, code) in [
      (frame + frame, CompressionError.Code.trailingBytes), (frame + [0], .trailingBytes),
      (skippable, .corrupt), (skippable + frame, .corrupt),
    ] {
      #expect(Self.code { try decompressor.decompress(bytes, into: &output, limit: 99) } == code)
    }
    #expect(output.isEmpty)
  }

  @Test func bombsAreStopped() throws {
    let zeros = [UInt8](repeating: 0, count: 64 << 20)
    let bomb = try Self.frame(zeros)
    #expect(bomb.count < 10_000)
    var decompressor = FrameDecompressor()
    var output: [UInt8] = []
    #expect(
      Self.code { try decompressor.decompress(bomb, into: &output, limit: 1 << 20) } == .tooLarge)
    var compressor = FrameCompressor()
    var unsized: [UInt8] = []
    try compressor.beginFrame()
    try compressor.feed(zeros, into: &unsized)
    try compressor.endFrame(into: &unsized)
    #expect(
      Self.code { try decompressor.decompress(unsized, into: &output, limit: 1 << 20) }
        == .tooLarge)
    #expect(output.isEmpty && output.capacity < 4 << 20)
  }
}
