import Models
import Scoring
import Testing

/// The best items from an archive of factors.
struct FactorTests {
  private static let userCount = 40
  private static let itemCount = 300
  private static let depth = 7

  /// Factors that are small whole numbers: scores are exact, and many are equal.
  private static func factors(_ count: Int, seed: UInt64) -> [Float] {
    var generator = SplitMix(state: seed)
    return (0..<count * depth).map { _ in Float(Int.random(in: -3...3, using: &generator)) }
  }

  private static let items = factors(itemCount, seed: 1)
  private static let users = factors(userCount, seed: 2)
  /// User u must not get the items u, 2u and 17.
  private static let excluded = (0..<userCount).flatMap { user in
    Set([user, 2 * user, 17]).sorted().map { (user, $0) }
  }

  private static func archive(
    best: Int = 10, change: (inout [String: [UInt8]]) -> Void = { _ in }
  ) -> [UInt8] {
    var files: [String: [UInt8]] = [
      "factors.json": Array(#"{"best":\#(best),"userColumn":"user"}"#.utf8),
      "items.npy": array(items.map { Double($0) }, columnCount: depth),
      "users.npy": array(users.map { Double($0) }, columnCount: depth),
      "users.txt": Array((0..<userCount).map { "u\($0)" }.joined(separator: "\n").utf8),
      "items.txt": Array((0..<itemCount).map { "item \($0)\n" }.joined().utf8),
      "exclusions.npy": array(
        excluded.flatMap { [Double($0.0), Double($0.1)] }, columnCount: 2),
    ]
    change(&files)
    return Archive.write(files.map { ($0.key, $0.value) })
  }

  /// A file in NumPy's format.
  private static func array(_ values: [Double], columnCount: Int) -> [UInt8] {
    let header =
      "{'descr': '<f8', 'fortran_order': False, 'shape': "
      + "(\(values.count / columnCount), \(columnCount)), }\n"
    let bytes = values.flatMap { value in
      (0..<8).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) }
    }
    return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.utf8.count), 0]
      + Array(header.utf8) + bytes
  }

  private static func wanted(_ user: Int, count: Int) -> [(item: Int, score: Float)] {
    let scores = (0..<itemCount).map { item in
      (0..<depth).reduce(Float(0)) { $0 + users[user * depth + $1] * items[item * depth + $1] }
    }
    let allowed = (0..<itemCount).filter { item in
      !excluded.contains { $0.0 == user && $0.1 == item }
    }
    return allowed.sorted { (scores[$1], $0) < (scores[$0], $1) }.prefix(count)
      .map { ($0, scores[$0]) }
  }

  @Test func usersGetTheirBestItemsButThoseTheyHave() throws {
    let model = try Model(Self.archive())
    #expect(
      model.inputs.map(\.name) == ["user"] && model.outputs.map(\.name) == ["items", "scores"])
    guard case .label(let names) = model.outputs[0].kind else {
      Issue.record("items are not labels")
      return
    }
    #expect(names == (0..<Self.itemCount).map { "item \($0)" })
    let known = (0..<Self.userCount).map { Double($0) }
    var scratch = ScoringScratch()
    let scores = model.scores(
      known + [.nan, 4_000], stride: known.count + 2, rowCount: known.count + 2,
      mode: .transformed, scratch: &scratch)
    for user in 0..<Self.userCount {
      let best = Self.wanted(user, count: 10)
      let own = scores[user * 20..<(user + 1) * 20]
      #expect(own.prefix(10).elementsEqual(best.map { Double($0.item) }), "user \(user)")
      #expect(own.suffix(10).elementsEqual(best.map { Double($0.score) }), "user \(user)")
    }
    #expect(scores.suffix(40).allSatisfy { $0.isNaN })
  }

  @Test func factorsMayStandInTheTable() throws {
    let columns = (0..<Self.depth).map { "f\($0)" }
    let list = columns.map { "\"\($0)\"" }.joined(separator: ",")
    let model = try Model(
      Self.archive { files in
        files = files.filter { $0.key == "items.npy" }
        files["factors.json"] = Array(#"{"best":400,"columns":[\#(list)]}"#.utf8)
      })
    #expect(model.inputs.map(\.name) == columns)
    #expect(model.outputs[0].width == Self.itemCount)
    let features = (0..<Self.depth).flatMap { element in
      (0..<Self.userCount).map { Double(Self.users[$0 * Self.depth + element]) }
    }
    var scratch = ScoringScratch()
    let scores = model.scores(
      features, stride: Self.userCount, rowCount: Self.userCount, mode: .raw, scratch: &scratch)
    let own = scores[..<(2 * Self.itemCount)]
    #expect(Set(own.prefix(Self.itemCount)).count == Self.itemCount)
    #expect(zip(own.suffix(Self.itemCount), own.suffix(Self.itemCount - 1)).allSatisfy { $0 >= $1 })
  }

  @Test(arguments: [
    ("items.npy", "there is no file items.npy"), ("users.txt", "users.npy and users.txt"),
  ])
  func whatIsMissingIsNamed(file: String, message: String) throws {
    let error = #expect(throws: ModelError.self) {
      try Model(Self.archive { $0[file] = nil })
    }
    #expect(error?.context.contains(message) == true)
  }

  @Test func damagedArchivesAreRefused() throws {
    let sound = Self.archive()
    var generator = SplitMix(state: 3)
    var refusedCount = 0
    for _ in 0..<400 {
      var bytes = sound
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        let place = Int.random(in: 0..<bytes.count, using: &generator)
        bytes[place] = UInt8.random(in: 0...255, using: &generator)
      }
      if Bool.random(using: &generator) {
        bytes = Array(bytes.prefix(Int.random(in: 0..<bytes.count, using: &generator)))
      }
      do throws(ModelError) {
        _ = try Model(bytes)
      } catch {
        refusedCount += 1
        #expect(!error.context.isEmpty)
      }
    }
    #expect(refusedCount > 100)
  }
}
