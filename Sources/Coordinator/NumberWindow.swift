/// The numbers of a session's requests, each of which counts once, in about their order.
struct NumberWindow {
  /// How far behind the highest a number may come.
  static let width: UInt64 = 128

  private var highest: UInt64 = 0
  /// The numbers taken, by their rest modulo `width`.
  private var taken = [UInt64](repeating: 0, count: Int(width))

  /// False for a number that was taken before, or is too old to know.
  mutating func take(_ number: UInt64) -> Bool {
    guard number > 0, number > highest || highest - number < Self.width else { return false }
    let place = Int(number % Self.width)
    guard taken[place] != number else { return false }
    // Of two numbers with one place the older is out of the window once the newer was taken.
    guard taken[place] < number else { return false }
    taken[place] = number
    highest = max(highest, number)
    return true
  }
}
