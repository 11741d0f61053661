import Models
import Testing

/// What UBJSON is taken for, and what is refused with its place.
struct UBJSONTests {
  /// Letters for themselves, numbers as bytes.
  private func parse(_ parts: Any...) throws -> DocumentValue {
    try Document(Self.bytes(parts), encoding: .ubjson).root
  }

  private static func bytes(_ parts: [Any]) -> [UInt8] {
    parts.flatMap { part -> [UInt8] in
      if let text = part as? String { return Array(text.utf8) }
      return [UInt8(truncatingIfNeeded: part as? Int ?? 0)]
    }
  }

  @Test func valuesOfAllKindsAreRead() throws {
    let root = try parse(
      "{", "i", 1, "a", "[$d#", "i", 2, 0x3f, 0x80, 0, 0, 0xc0, 0, 0, 0,  //
      "U", 1, "b", "[", "i", 0xff, "U", 0xff, "I", 0xff, 0xfe, "l", 0, 1, 0, 0, "]",  //
      "I", 0, 1, "c", "S", "U", 2, "hi", "i", 1, "d", "T", "i", 1, "e", "F", "i", 1, "f", "Z",
      "i", 1, "g", "[#", "i", 2, "S", "i", 1, "x", "D", 0x3f, 0xf8, 0, 0, 0, 0, 0, 0,  //
      "i", 1, "h", "L", 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xf6, "i", 1, "j", "{#", "i", 0,
      "i", 1, "k", "C", "y", "}")
    #expect(try root.required("a").floats() == [1, -2])
    #expect(try root.required("a").doubles(count: 2) == [1, -2])
    #expect(try root.required("b").integers(in: -2...65_536) == [-1, 255, -2, 65_536])
    #expect(try root.required("c").string() == "hi" && root.required("k").string() == "y")
    #expect(try root.required("d").boolean() && !root.required("e").boolean())
    #expect(try root.required("f").isNull)
    let mixed = try root.required("g").elements()
    #expect(try mixed[0].string() == "x" && mixed[1].double() == 1.5)
    #expect(try root.required("h").integer(in: -10...0) == -10)
    #expect(try root.required("j").members().isEmpty)
  }

  @Test func refusalsNameTheirPlace() throws {
    let huge: [Any] = [0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]
    let key: [Any] = ["{", "i", 1, "a"]
    let cases: [(parts: [Any], words: String)] = [
      (key, "bytes end early"),
      (key + ["[$d#", "L"] + huge, "elements in 0 bytes"),
      (key + ["[#", "L"] + huge, "elements in 0 bytes"),
      (["{#", "L"] + huge, "elements in 0 bytes"),
      (key + ["[$d#", "i", 2, 0, 0, 0, 0], "2 elements in 4 bytes"),
      (key + ["[$d#", "i", 0xff], "below zero"),
      (key + ["S", "L"] + huge, "end early"),
      (key + ["[$S#", "i", 1, "i", 0, "}"], "this type"),
      (key + ["[$di", 1], "without a count"),
      (key + ["H", "i", 1, "7", "}"], "high precision"),
      (key + ["?", "}"], "begins no value"),
      (key + ["S", "d", 0, 0, 0, 0], "expected a length"),
      (key + ["S", "i", 1, 0xff, "}"], "not UTF-8"),
      (key + ["T", "i", 1, "a", "F", "}"], "the key a stands there twice"),
      (key + ["T", "}", "T"], "after the end"),
      (Array(repeating: "[", count: 300), "nested more than 256"),
    ]
    for (parts, words) in cases {
      let error = try #require(throws: ModelError.self) {
        try Document(Self.bytes(parts), encoding: .ubjson)
      }
      #expect(error.context.contains(words) && error.context.contains("byte"), "\(error.context)")
    }
  }

  @Test func numbersOfAnotherTypeAreRefused() throws {
    let list = try parse("[$d#", "i", 1, 0x3f, 0x80, 0, 0)
    #expect(throws: ModelError.self) { try list.integers(in: 0...9) }
  }
}
