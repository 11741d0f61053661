import Tables
import Testing

struct NumberColumnTests {
  /// Reads one column with each set of instructions, alone and together with another.
  private func read(
    _ texts: [String], nullWords: [String] = CSVOptions.standardNullWords
  ) throws -> [(bits: [UInt64], failed: [Bool])] {
    let options = try CSVOptions(nullWords: nullWords)
    // The first records lie at the window's begin, where no bytes are before them.
    let text = texts.map { "\($0),7\n" }.joined()
    var results: [(bits: [UInt64], failed: [Bool])] = []
    for instructions in TextInstructions.available {
      var parser = CSVRangeParser(
        source: MemorySource(bytes: Array(text.utf8)), range: 0..<UInt64(text.utf8.count),
        blockByteCount: 1 << 30, headerOffset: nil, fieldCount: 2, options: options,
        instructions: instructions, windowByteCount: 1 << 20)
      var tile = RecordTile()
      guard try parser.readTile(into: &tile) else { return [] }
      #expect(tile.count == texts.count)
      results.append(readColumn(of: tile, options, instructions))
      let (numbers, failures) = readColumns(of: tile, options, instructions)
      #expect(numbers.prefix(tile.count).map(\.bitPattern) == results.last?.bits)
      #expect(failures == results.last?.failed)
      #expect(
        numbers[RecordTile.recordLimit..<RecordTile.recordLimit + tile.count]
          .allSatisfy { $0 == 7 })
    }
    return results
  }

  private func readColumn(
    of tile: borrowing RecordTile, _ options: CSVOptions, _ instructions: TextInstructions
  ) -> (bits: [UInt64], failed: [Bool]) {
    var numbers = [Double](repeating: -1, count: 3 * tile.count)
    var failures = RecordSet()
    let count = unsafe numbers.withUnsafeMutableBufferPointer { output in
      unsafe tile.readNumbers(
        column: 0, nullWords: options.nullWords, into: output, stride: 3, failures: &failures,
        instructions: instructions)
    }
    let failed = (0..<tile.count).map(failures.contains)
    #expect(count == failed.count { $0 })
    #expect(numbers.indices.allSatisfy { $0 % 3 == 0 || numbers[$0] == -1 })
    return ((0..<tile.count).map { numbers[3 * $0].bitPattern }, failed)
  }

  private func readColumns(
    of tile: borrowing RecordTile, _ options: CSVOptions, _ instructions: TextInstructions
  ) -> (numbers: [Double], failed: [Bool]) {
    var numbers = [Double](repeating: 0, count: 2 * RecordTile.recordLimit)
    var words = [UInt64](repeating: 0, count: 2 * RecordTile.recordLimit / 64)
    _ = unsafe numbers.withUnsafeMutableBufferPointer { output in
      unsafe words.withUnsafeMutableBufferPointer { words in
        unsafe tile.readNumbers(
          columns: [0, 1], nullWords: options.nullWords, into: output, failures: words,
          instructions: instructions)
      }
    }
    return (numbers, (0..<tile.count).map { words[$0 / 64] >> UInt64($0 % 64) & 1 == 1 })
  }

  /// Texts of all shapes that the kernels tell apart.
  private func randomText(using random: inout SplitMix) -> String {
    func digits(_ count: Int) -> String {
      String((0..<count).map { _ in Character("\(Int.random(in: 0...9, using: &random))") })
    }
    let sign = ["", "", "-", "+"].randomElement(using: &random) ?? ""
    switch Int.random(in: 0..<12, using: &random) {
    case 0...2: return sign + digits(Int.random(in: 1...9, using: &random))
    case 3...5:
      let before = Int.random(in: 0...8, using: &random)
      return sign + digits(before) + "." + digits(Int.random(in: 0...8, using: &random))
    case 6: return sign + "0." + digits(Int.random(in: 14...21, using: &random))
    case 7: return sign + digits(Int.random(in: 10...24, using: &random))
    case 8:
      let exponent = Int.random(in: 0...40, using: &random)
      let text = exponent < 10 ? "0\(exponent)" : "\(exponent)"
      let letter = Bool.random(using: &random) ? "e" : "E"
      return sign + digits(1) + "." + digits(Int.random(in: 0...18, using: &random)) + letter
        + (Bool.random(using: &random) ? "-" : "+") + text
    case 9:
      let value = Double(bitPattern: random.next())
      return value.isFinite ? "\(value)" : "NA"
    case 10:
      return ["", "NA", " 5", "5 ", "\"1.5\"", "1e5", "inf"].randomElement(using: &random) ?? ""
    default:
      var text = Array(
        (sign + digits(6) + "." + digits(Int.random(in: 1...20, using: &random))).utf8)
      let place = Int.random(in: 0..<text.count, using: &random)
      text[place] = Array("./:-+ eE_x".utf8).randomElement(using: &random) ?? 0x2E
      return String(decoding: text, as: UTF8.self)
    }
  }

  @Test(arguments: [1, 7, 8, 9, 63, 64, 65, 1_000]) func allInstructionsGiveTheSame(count: Int)
    throws
  {
    var random = SplitMix(state: UInt64(count))
    for _ in 0..<(count < 1_000 ? 40 : 12) {
      let texts = (0..<count).map { _ in randomText(using: &random) }
      let results = try read(texts)
      let first = try #require(results.first)
      for result in results.dropFirst() {
        #expect(result.bits == first.bits)
        #expect(result.failed == first.failed)
      }
      for (index, text) in texts.enumerated() {
        let plain = Self.plain(text)
        let isNull = CSVOptions.standardNullWords.contains(plain)
        let wanted = isNull ? nil : Double(plain)
        #expect(first.failed[index] == (wanted == nil && !isNull), "\(text)")
        let bits = Double(bitPattern: first.bits[index])
        #expect(wanted.map { $0.bitPattern == bits.bitPattern } ?? bits.isNaN, "\(text)")
      }
    }
  }

  /// Without quotes and spaces around it, and without a leading plus as Swift reads none.
  private static func plain(_ text: String) -> String {
    var bytes = Array(text.utf8).filter { $0 != UInt8(ascii: "\"") }[...]
    while bytes.first == UInt8(ascii: " ") { bytes = bytes.dropFirst() }
    while bytes.last == UInt8(ascii: " ") { bytes = bytes.dropLast() }
    return String(decoding: bytes, as: UTF8.self)
  }

  @Test func doublesHalfwayBetweenTwoAreRoundedToEven() throws {
    // The middle of two doubles in digits that fit the kernels, and its neighbours.
    var texts: [String] = []
    for exponent in 1...9 {
      let middle = "\(1 << exponent).5"
      texts += [middle, "9007199254740993", "9007199254740995", "-9007199254740993"]
      texts += ["4503599627370496.5", "4503599627370497.5", "4503599627370496.501"]
      texts += ["1.00000000000000011102230246251565e+00", "1.000000000000000111"]
      texts += ["0.1000000000000000055", "0.10000000000000001249", "1.000000000000000112e+00"]
    }
    let results = try read(texts)
    for result in results {
      #expect(result.bits == texts.map { Double($0)?.bitPattern })
    }
  }

  @Test func wordsThatAreNumbersAreNullEverywhere() throws {
    let results = try read(["-999", "1", " -999 ", "-999.0"], nullWords: ["-999"])
    for result in results {
      #expect(
        result.bits.map { Double(bitPattern: $0).isNaN } == [true, false, true, false])
      #expect(!result.failed.contains(true))
    }
  }

  @Test func emptyFieldsAreNoNumbersWhereTheyAreNotNull() throws {
    for result in try read(["", "1", ""], nullWords: ["x"]) {
      #expect(result.failed == [true, false, true])
    }
  }
}
