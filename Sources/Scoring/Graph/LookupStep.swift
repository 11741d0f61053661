internal import Models

/// Finds texts or numbers in lists and says at which place.
struct LookupStep: GraphStep {
  let storage: CellStorage
  let parts: [(from: Cell, keys: KeyTable, to: Cell)]
  /// The code of what is in no list.
  let other: Int32

  /// The code of what is in no list, where that is allowed.
  static let unknown: Int32 = -1
  /// The code of what is in no list, where that makes the row's results NaN.
  static let invalid: Int32 = -2

  var reads: [Cell] { parts.map(\.from) }
  var writes: [Cell] { parts.map(\.to) }
  var name: String { "look up \(parts.count) columns" }

  func keeping(_ isNeeded: (Cell) -> Bool) -> (any GraphStep)? {
    let kept = parts.filter { isNeeded($0.to) }
    return kept.isEmpty ? nil : LookupStep(storage: storage, parts: kept, other: other)
  }

  func run(_ frame: GraphFrame, scratch: inout ScoringScratch) {
    for part in parts {
      let to = unsafe frame.codes(part.to)
      let count = unsafe frame.rowCount
      switch storage {
      case .text: unsafe part.keys.find(frame.texts(part.from), count, to, other)
      case .integer: unsafe part.keys.find(frame.integers(part.from), count, to, other)
      case .float: unsafe find(frame.floats(part.from), part.keys, to, count)
      case .double: unsafe find(frame.doubles(part.from), part.keys, to, count)
      case .code: preconditionFailure("codes are not looked up")
      }
    }
  }

  private func find<Number: GraphNumber>(
    _ from: UnsafeMutablePointer<Number>, _ keys: KeyTable, _ to: UnsafeMutablePointer<Int32>,
    _ count: Int
  ) {
    for row in 0..<count {
      unsafe to[row] = keys.find(KeyTable.word(from[row].asDouble)) ?? other
    }
  }
}

/// A list of texts or of numbers, and at which place each stands; of equal ones the first counts.
struct KeyTable: Sendable {
  /// Open addressing: a power of two of slots, at most half of them taken.
  private var slots: [Slot]
  /// All texts that are longer than a word, one after the other.
  private var bytes: [UInt8] = []
  private let shift: UInt64
  /// Whole numbers that lie near each other: the place of `nearFirst` and those after it, −1 for
  /// numbers that are not there; empty if they are too far apart.
  private var near: [Int32] = []
  private var nearFirst: Int64 = 0

  /// How far whole numbers may lie apart for a table by number: 64 KiB of places.
  private static let nearLimit = 1 << 14

  private struct Slot {
    /// The number, or a text's last eight bytes, or all of them and zeros.
    var word: UInt64 = 0
    var place: Int32 = -1  // free
    /// How long the text is; 0 for numbers.
    var count: UInt32 = 0
    var start = 0
  }

  /// Prepares for texts.
  init(texts: some Collection<String>) {
    self.init(count: texts.count)
    for (place, text) in texts.enumerated() {
      let utf8 = Array(text.utf8)
      unsafe utf8.withUnsafeBufferPointer { text in
        let span = unsafe TextSpan(start: text.baseAddress, count: text.count)
        guard unsafe find(span) == nil else { return }
        let word = unsafe Self.lastWord(span)
        var slot = Slot(word: word, place: Int32(place), count: UInt32(text.count))
        slot.start = bytes.count
        if text.count > 8 { unsafe bytes.append(contentsOf: text) }
        insert(slot, hash: unsafe Self.hash(span, word))
      }
    }
  }

  /// Prepares for whole numbers.
  init(integers: some Collection<Int64>) {
    self.init(words: integers.map { UInt64(bitPattern: $0) })
    guard let least = integers.min(), let greatest = integers.max() else { return }
    let (span, overflow) = greatest.subtractingReportingOverflow(least)
    guard !overflow, span < Self.nearLimit else { return }
    nearFirst = least
    near = Array(repeating: -1, count: Int(span) + 1)
    for (place, number) in integers.enumerated() where near[Int(number - least)] < 0 {
      near[Int(number - least)] = Int32(place)
    }
  }

  /// The places of whole numbers, `other` for those that are not there.
  func find(
    _ numbers: UnsafeMutablePointer<Int64>, _ count: Int, _ places: UnsafeMutablePointer<Int32>,
    _ other: Int32
  ) {
    guard !near.isEmpty else {
      for row in 0..<count {
        unsafe places[row] = find(UInt64(bitPattern: numbers[row])) ?? other
      }
      return
    }
    unsafe near.withUnsafeBufferPointer { near in
      for row in 0..<count {
        let distance = unsafe UInt64(bitPattern: numbers[row] &- nearFirst)
        let place = distance < UInt64(near.count) ? unsafe near[Int(distance)] : -1
        unsafe places[row] = place >= 0 ? place : other
      }
    }
  }

  /// Prepares for numbers; each NaN equals every NaN, and 0 equals −0.
  init(numbers: some Collection<Double>, missingMatches: Bool = true) {
    let words = numbers.map { number in
      // No number has these bits after `word`.
      number.isNaN && !missingMatches ? UInt64.max : Self.word(number)
    }
    self.init(words: words)
  }

  private init(words: [UInt64]) {
    self.init(count: words.count)
    for (place, word) in words.enumerated() where find(word) == nil {
      insert(Slot(word: word, place: Int32(place)), hash: Self.mix(word))
    }
  }

  private init(count: Int) {
    var bits: UInt64 = 4
    while 1 << bits < count * (count < 1 << 12 ? 4 : 2) { bits += 1 }
    slots = Array(repeating: Slot(), count: 1 << bits)
    shift = 64 - bits
  }

  private mutating func insert(_ slot: Slot, hash: UInt64) {
    var index = Int(hash >> shift)
    while slots[index].place >= 0 { index = (index + 1) & (slots.count - 1) }
    slots[index] = slot
  }

  /// The bits by which a number is found.
  static func word(_ number: Double) -> UInt64 {
    number.isNaN ? 0x7ff8_0000_0000_0000 : number == 0 ? 0 : number.bitPattern
  }

  /// The place of a number, given by its bits.
  func find(_ word: UInt64) -> Int32? {
    var index = Int(Self.mix(word) >> shift)
    while slots[index].place >= 0 {
      if slots[index].word == word { return slots[index].place }
      index = (index + 1) & (slots.count - 1)
    }
    return nil
  }

  /// The place of a text.
  func find(_ text: String) -> Int32? {
    let utf8 = Array(text.utf8)
    return unsafe utf8.withUnsafeBufferPointer { text in
      unsafe find(TextSpan(start: text.baseAddress, count: text.count))
    }
  }

  /// The place of a text; missing is the empty text.
  func find(_ text: TextSpan) -> Int32? {
    let word = unsafe Self.lastWord(text)
    return unsafe slots.withUnsafeBufferPointer { slots in
      unsafe bytes.withUnsafeBufferPointer { bytes in
        unsafe find(text, word, slots, bytes)
      }
    }
  }

  /// The places of texts, `other` for those that are not there.
  func find(
    _ texts: UnsafeMutablePointer<TextSpan>, _ count: Int, _ places: UnsafeMutablePointer<Int32>,
    _ other: Int32
  ) {
    unsafe slots.withUnsafeBufferPointer { slots in
      unsafe bytes.withUnsafeBufferPointer { bytes in
        for row in 0..<count {
          let text = unsafe texts[row]
          unsafe places[row] = find(text, Self.lastWord(text), slots, bytes) ?? other
        }
      }
    }
  }

  @inline(__always)
  private func find(
    _ text: TextSpan, _ word: UInt64, _ slots: UnsafeBufferPointer<Slot>,
    _ bytes: UnsafeBufferPointer<UInt8>
  ) -> Int32? {
    var index = Int(unsafe Self.hash(text, word) >> shift)
    while unsafe slots[index].place >= 0 {
      let slot = unsafe slots[index]
      if slot.word == word, unsafe Int(slot.count) == text.count,
        unsafe text.count <= 8 || Self.isEqual(text, bytes, slot.start)
      {
        return slot.place
      }
      index = (index + 1) & (slots.count - 1)
    }
    return nil
  }

  private static func isEqual(
    _ text: TextSpan, _ bytes: UnsafeBufferPointer<UInt8>, _ start: Int
  ) -> Bool {
    guard let first = unsafe text.start, let second = bytes.baseAddress else { return false }
    let raw = unsafe UnsafeRawPointer(first)
    let stored = unsafe UnsafeRawPointer(second) + start
    var offset = 0
    // The last eight were compared.
    while unsafe offset + 8 < text.count {
      let one = unsafe raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
      let other = unsafe stored.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
      guard one == other else { return false }
      offset += 8
    }
    return true
  }

  /// The last eight bytes of a text, or all of a shorter one.
  @inline(__always)
  private static func lastWord(_ text: TextSpan) -> UInt64 {
    guard let start = unsafe text.start else { return 0 }
    let raw = unsafe UnsafeRawPointer(start)
    let count = unsafe text.count
    if count >= 8 {
      return unsafe UInt64(
        littleEndian: raw.loadUnaligned(fromByteOffset: count - 8, as: UInt64.self))
    }
    if count >= 4 {
      let low = unsafe UInt32(littleEndian: raw.loadUnaligned(as: UInt32.self))
      let high = unsafe UInt32(
        littleEndian: raw.loadUnaligned(fromByteOffset: count - 4, as: UInt32.self))
      return UInt64(low) | UInt64(high) << UInt64(8 * (count - 4))
    }
    guard count > 0 else { return 0 }
    let (first, middle, last) = unsafe (start[0], start[count / 2], start[count - 1])
    return UInt64(first) | UInt64(middle) << UInt64(8 * (count / 2))
      | UInt64(last) << UInt64(8 * (count - 1))
  }

  @inline(__always)
  private static func hash(_ text: TextSpan, _ word: UInt64) -> UInt64 {
    var hash = unsafe word ^ UInt64(truncatingIfNeeded: text.count) &* 0x9e37_79b9_7f4a_7c15
    if unsafe text.count > 8, let start = unsafe text.start {
      let raw = unsafe UnsafeRawPointer(start)
      var offset = 0
      while unsafe offset + 8 < text.count {
        let word = unsafe UInt64(
          littleEndian: raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
        hash = (hash ^ hash >> 29) &* 0xbf58_476d_1ce4_e5b9 ^ word
        offset += 8
      }
    }
    return mix(hash)
  }

  /// The last step of SplitMix64 (Steele, Lea, Flood 2014), shortened.
  @inline(__always)
  private static func mix(_ word: UInt64) -> UInt64 {
    let mixed = (word ^ word >> 30) &* 0xbf58_476d_1ce4_e5b9
    return (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
  }
}

/// Turns codes into what stands at their place in a list.
struct TableStep: GraphStep {
  let parts: [(codes: Cell, to: Cell)]
  let values: Values
  /// Whether the codes are whole numbers of the graph: those below zero count from the end.
  let isIndexed: Bool

  /// What a code becomes; the last one is for codes out of range.
  enum Values: Sendable {
    case floats([Float])
    case doubles([Double])
    case integers([Int64])

    var count: Int {
      switch self {
      case .floats(let values): values.count - 1
      case .doubles(let values): values.count - 1
      case .integers(let values): values.count - 1
      }
    }
  }

  var reads: [Cell] { parts.map(\.codes) }
  var writes: [Cell] { parts.map(\.to) }
  var name: String { "table of \(values.count) values for \(parts.count) columns" }

  func run(_ frame: GraphFrame, scratch: inout ScoringScratch) {
    for part in parts {
      switch values {
      case .floats(let values): unsafe fill(part.codes, frame.floats(part.to), values, frame)
      case .doubles(let values): unsafe fill(part.codes, frame.doubles(part.to), values, frame)
      case .integers(let values): unsafe fill(part.codes, frame.integers(part.to), values, frame)
      }
    }
  }

  private func fill<Number: BitwiseCopyable>(
    _ codes: Cell, _ to: UnsafeMutablePointer<Number>, _ values: [Number], _ frame: GraphFrame
  ) {
    let (count, last) = unsafe (frame.rowCount, values.count - 1)
    unsafe values.withUnsafeBufferPointer { values in
      if isIndexed {
        let places = unsafe frame.integers(codes)
        for row in 0..<count {
          var place = unsafe Int(places[row])
          if place < 0, place >= -last { place += last }
          unsafe to[row] = values[place >= 0 && place < last ? place : last]
        }
      } else {
        let places = unsafe frame.codes(codes)
        for row in 0..<count {
          let place = unsafe Int(places[row])
          unsafe to[row] = values[place >= 0 && place < last ? place : last]
        }
      }
    }
  }
}
