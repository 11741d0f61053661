import Models
import Testing

/// What JSON texts are taken for, and what is refused with its place.
struct DocumentTests {
  static func json(_ text: String) throws(ModelError) -> DocumentValue {
    try Document(Array(text.utf8), encoding: .json).root
  }

  @Test func valuesOfAllKindsAreRead() throws {
    let root = try Self.json(
      " {\"a\" : [1, -2.5e-1 ,3E2], \"b\":{\"c\":true,\"d\":false,\"e\":null}, \"f\":[\"x\",1,[]],"
        + "\n\t\"g\":[], \"h\":{}, \"i\":\"\\u00e9\\ud83d\\ude00\\n\\\"\\\\\", \"j\":-7}\r\n")
    #expect(try root.required("a").doubles() == [1, -0.25, 300])
    #expect(try root.required("a").floats(count: 3) == [1, -0.25, 300])
    #expect(try root.required("b").required("c").boolean())
    #expect(try !root.required("b").required("d").boolean())
    #expect(try root.required("b").required("e").isNull)
    let mixed = try root.required("f").elements()
    #expect(try mixed[0].string() == "x" && mixed[1].integer(in: 0...1) == 1)
    #expect(try mixed[2].elements().isEmpty && root.required("g").doubles().isEmpty)
    #expect(try root.required("h").members().isEmpty)
    #expect(try root.required("i").string() == "é😀\n\"\\")
    #expect(try root.required("j").integer(in: -9...9) == -7)
    #expect(try root.optional("k") == nil)
    #expect(try root.members().map(\.key) == ["a", "b", "f", "g", "h", "i", "j"])
  }

  @Test func truthValuesCountAsIntegersInLists() throws {
    #expect(try Self.json("[true,false,true]").integers(in: 0...1) == [1, 0, 1])
    #expect(try Self.json("[0,1]").integers(count: 2, in: 0...1) == [0, 1])
  }

  @Test func wordsAreNumbers() throws {
    let numbers = try Self.json("[NaN,Infinity,-Infinity]").doubles()
    #expect(numbers[0].isNaN && numbers[1] == .infinity && numbers[2] == -.infinity)
  }

  /// A text, and what its error says; the path first.
  static let refusals: [(text: String, words: [String])] = [
    ("", ["byte 0", "ends early"]),
    ("{", ["byte 1", "ends early"]),
    ("{\"a\":", ["byte 5", "ends early"]),
    ("{\"a\":[1,2", ["byte 9", "ends early"]),
    ("{\"a\":\"x", ["byte 7", "ends early"]),
    ("tru", ["byte 3", "ends early"]),
    ("{\"a\":tree}", ["byte 5", "expected a value"]),
    ("{a:1}", ["byte 1", "expected a key"]),
    ("{\"a\" 1}", ["byte 5", "expected a colon"]),
    ("{\"a\":1 \"b\":2}", ["byte 7", "expected a comma"]),
    ("{\"a\":1,}", ["byte 7", "expected a key"]),
    ("[\"a\" \"b\"]", ["byte 5", "expected a comma"]),
    ("[1,]", ["byte 3", "expected a value"]),
    ("1 2", ["byte 2", "after the end"]),
    ("{\"a\":01}", ["byte 5", "expected a value"]),
    ("{\"a\":{\"b\":1,\"b\":2}}", ["a at byte", "the key b stands there twice"]),
    ("{\"a\":[[1],[\"\\x\"]]}", ["a[1] at byte", "unknown escape"]),
    ("\"\\ud83dx\"", ["surrogate"]),
    ("\"\\udc00\"", ["surrogate"]),
    ("\"\\u12g4\"", ["hexadecimal"]),
    ("\"a\nb\"", ["control character"]),
    (String(repeating: "[", count: 300), ["byte 256", "nested more than 256"]),
  ]

  @Test(arguments: refusals)
  func isRefusedWithItsPlace(text: String, words: [String]) throws {
    let error = try #require(throws: ModelError.self) { try Self.json(text) }
    for word in words { #expect(error.context.contains(word), "\(error.context)") }
  }

  @Test func manyEqualKeysAreRefused() throws {
    let members = (0..<100).map { "\"k\($0)\":0" }
    _ = try Self.json("{\(members.joined(separator: ","))}")
    let error = try #require(throws: ModelError.self) {
      try Self.json("{\(members.joined(separator: ",")),\"k70\":1}")
    }
    #expect(error.context.contains("the key k70 stands there twice"))
  }

  @Test func textHasToBeUTF8() throws {
    for bytes: [UInt8] in [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xc0, 0x80]] {
      let text = Array("{\"k\":\"".utf8) + bytes + Array("\"}".utf8)
      let error = try #require(throws: ModelError.self) { try Document(text, encoding: .json) }
      #expect(error.context.contains("not UTF-8") && error.context.contains("byte 5"))
    }
  }

  /// Wrong types are named with the path of the value, and its byte.
  @Test func valuesNameTheirPath() throws {
    let root = try Self.json("{\"a\":{\"b\":[{},{\"c\":[1,2.5,3]}]},\"d\":[1.5,2]}")
    let list = try root.required("a").required("b").elements()[1].required("c")
    let wrongType = try #require(throws: ModelError.self) { try list.integers(in: 0...9) }
    #expect(wrongType.context.hasPrefix("a.b[1].c at byte 20: element 1"))
    let wrongCount = try #require(throws: ModelError.self) { try list.doubles(count: 2) }
    #expect(wrongCount.context.contains("a.b[1].c") && wrongCount.context.contains("3 elements"))
    let wrongRange = try #require(throws: ModelError.self) {
      try Self.json("{\"d\":[1,12]}").required("d").integers(in: 0...9)
    }
    #expect(wrongRange.context.contains("element 1 is 12, not in 0...9"))
    #expect(throws: ModelError.self) { try root.required("d").string() }
    #expect(throws: ModelError.self) { try root.required("d").elements() }
    #expect(throws: ModelError.self) { try root.required("e") }
    #expect(throws: ModelError.self) { try list.required("e") }
    #expect(throws: ModelError.self) { try root.required("d").required("e") }
  }

  /// What stands between commas is looked at when it is read.
  @Test func malformedNumbersAreRefusedWhenRead() throws {
    for text in [
      "[1,2 3]", "[1.]", "[.5]", "[+1]", "[1e]", "[1e+]", "[--1]", "[01]", "[1-2]", "[Nan]",
      "[-NaN]",
      "[Inf]", "[,1]", "[1,,2]", "[-]", "[1/2]", "[e5]",
    ] {
      #expect(throws: ModelError.self, "\(text)") { try Self.json(text).doubles() }
    }
    for text in ["[1.0]", "[1e2]", "[NaN]", "[9999999999999999999]"] {
      #expect(throws: ModelError.self, "\(text)") {
        try Self.json(text).integers(in: Int.min...Int.max)
      }
    }
  }
}
