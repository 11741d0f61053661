/// The categories of one column, and the code of each: its place in the list.
///
/// A field matches
/// - a text category if the bytes are equal;
/// - a number if the text is equal or denotes the same number: `1`, `1.0`, `01` and `1e0` all match
///   the category 1, as they do once pandas has read the column as numbers;
/// - a truth value if it is `True`, `TRUE` or `true`, or the same for false, which are the spellings
///   that pandas reads as such.
///
/// Where a field could match several, text goes before numbers and numbers before truth values.
package struct CategoryTable: Sendable {
  package let categories: [Category]

  /// All spellings, one after the other.
  private var spellings: [UInt8] = []

  /// Open addressing: slots with the spelling's place and code; a power of two of them, at most half
  /// of them taken.
  private var slots: [Slot]
  private var codesOfNumbers: [Double: Int32] = [:]

  private struct Slot {
    var hash: UInt32 = 0
    var code: Int32 = -1  // free
    var start: UInt32 = 0
    var count: UInt32 = 0
  }

  /// Prepares the lookup; of equal categories the first one counts.
  package init(_ categories: [Category]) {
    self.categories = categories
    var slotCount = 8
    while slotCount < categories.count * 6 { slotCount *= 2 }
    slots = Array(repeating: Slot(), count: slotCount)
    for (code, category) in categories.enumerated() {
      if case .text(let text) = category { insert(text, code: code) }
    }
    for (code, category) in categories.enumerated() {
      guard case .number(let literal) = category else { continue }
      insert(literal, code: code)
      let number = ByteText.double(Array(literal.utf8)[...])
      if let number, !number.isNaN, codesOfNumbers[number] == nil {
        codesOfNumbers[number] = Int32(code)
      }
    }
    for (code, category) in categories.enumerated() {
      guard case .boolean(let flag) = category else { continue }
      for text in flag ? ["True", "TRUE", "true"] : ["False", "FALSE", "false"] {
        insert(text, code: code)
      }
    }
  }

  /// The code of a field, NaN if it matches no category.
  ///
  /// Takes time in proportion to the field's length; no memory unless the categories are numbers
  /// and the field is not spelled like any of them.
  package func code(for field: UnsafeRawBufferPointer) -> Double {
    let hash = unsafe Self.hash(field)
    var index = Int(hash) & (slots.count - 1)
    while slots[index].code >= 0 {
      let slot = slots[index]
      if slot.hash == hash, unsafe matches(slot, field) { return Double(slot.code) }
      index = (index + 1) & (slots.count - 1)
    }
    guard !codesOfNumbers.isEmpty, let number = unsafe ByteText.double(Array(field)[...]),
      let code = codesOfNumbers[number]
    else { return .nan }
    return Double(code)
  }

  private func matches(_ slot: Slot, _ field: UnsafeRawBufferPointer) -> Bool {
    guard Int(slot.count) == field.count else { return false }
    let start = Int(slot.start)
    for index in 0..<field.count {
      guard unsafe field[index] == spellings[start + index] else { return false }
    }
    return true
  }

  private mutating func insert(_ text: String, code: Int) {
    let bytes = Array(text.utf8)
    let hash = unsafe bytes.withUnsafeBytes { unsafe Self.hash($0) }
    var index = Int(hash) & (slots.count - 1)
    while slots[index].code >= 0 {
      let slot = slots[index]
      if slot.hash == hash, unsafe bytes.withUnsafeBytes({ unsafe matches(slot, $0) }) { return }
      index = (index + 1) & (slots.count - 1)
    }
    slots[index] = Slot(
      hash: hash, code: Int32(code), start: UInt32(spellings.count), count: UInt32(bytes.count))
    spellings += bytes
  }

  /// FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv), folded to 32 bits.
  private static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for index in 0..<bytes.count {
      unsafe hash = (hash ^ UInt64(bytes[index])) &* 0x0000_0100_0000_01b3
    }
    return UInt32(truncatingIfNeeded: hash ^ (hash >> 32))
  }
}
