import Models
import Testing

struct DocumentTests {
  @Test func numbersAreReadInTheTypeThatIsWanted() throws {
    let document = try Document(Array(#"{"a":[1,2.5,-3e0],"b":7}"#.utf8), encoding: .json)
    #expect(try document.root.required("a").doubles() == [1, 2.5, -3])
    #expect(try document.root.required("b").integer(in: 0...9) == 7)
  }
}
