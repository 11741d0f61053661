import Foundation

/// A small table with the columns of the flights model, quoted line feeds and bad records in it.
struct TestTable {
  static let model =
    URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("../../bench/models/flights.txt").standardized.path
  private static let header =
    "id,month,day,dep_time,sched_dep_time,dep_delay,sched_arr_time,carrier,flight,origin,dest,"
    + "distance,hour,minute,note"
  private static let carriers = ["UA", "AA", "B6", "DL", "EV", "MQ", "US", "WN", "ZZ"]
  private static let origins = ["EWR", "LGA", "JFK"]
  private static let destinations = ["IAH", "MIA", "BQN", "ATL", "ORD", "FLL", "IAD", "MCO", "XXX"]

  /// Rows that every run of it makes the same; one in 200 has a field with line feeds, and
  /// `badRows` of them cannot be scored.
  static func text(rowCount: Int, badRows: Set<Int> = []) -> String {
    var generator = TestGenerator(state: 20_130_101)
    var text = header + "\n"
    for row in 0..<rowCount {
      text += line(row, isBad: badRows.contains(row), using: &generator) + "\n"
    }
    return text
  }

  private static func line(
    _ row: Int, isBad: Bool, using generator: inout TestGenerator
  ) -> String {
    let hour = Int.random(in: 5...22, using: &generator)
    let minute = Int.random(in: 0...59, using: &generator)
    let isLate = Int.random(in: 0..<4, using: &generator) == 0
    let delay = isLate ? Int.random(in: 0...400, using: &generator) : -3
    let departure = Int.random(in: 0..<40, using: &generator) == 0 ? "NA" : "\(hour * 100 + minute)"
    let carrier = carriers.randomElement(using: &generator) ?? "UA"
    let origin = origins.randomElement(using: &generator) ?? "EWR"
    let destination = destinations.randomElement(using: &generator) ?? "IAH"
    let note = row % 200 == 7 ? "\"first,\nsecond \"\"quoted\"\"\n\(row)\"" : "plain"
    let month = isBad ? "not a month" : "\(row % 12 + 1)"
    return [
      "r\(row)", month, "\(row % 28 + 1)", departure, "\(hour * 100 + minute)", "\(delay)",
      "\(min(2359, hour * 100 + minute + 130))", carrier, "\(row % 900)", origin, destination,
      "\(100 + row % 2_400)", "\(hour)", "\(minute)", note,
    ].joined(separator: ",")
  }
}

/// SplitMix64 (Steele, Lea and Flood, 2014): the same numbers in every run.
struct TestGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
