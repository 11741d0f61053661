internal import CKernels
internal import Models
internal import Scoring

/// Texts, each with its place in a list, which is found by its bytes.
struct TermList: Sendable {
  private(set) var bytes: [UInt8] = []
  private(set) var starts: [UInt32] = [0]
  /// Pairs of hash and place + 1; at most half of them taken.
  private var slots: [UInt32] = Array(repeating: 0, count: 16)

  var count: Int { starts.count - 1 }
  private var mask: UInt32 { UInt32(slots.count / 2 - 1) }

  init() {}

  /// Takes texts that are all different.
  ///
  /// - Returns: nil if one stands there twice, or all have 4 GiB.
  init?(_ texts: some Collection<ArraySlice<UInt8>>) {
    starts.reserveCapacity(texts.count + 1)
    for text in texts {
      guard bytes.count + text.count < UInt32.max else { return nil }
      let isNew = unsafe text.withUnsafeBufferPointer { text in
        unsafe withStart(of: text) { start in unsafe insert(start, count: text.count).isNew }
      }
      guard isNew else { return nil }
    }
  }

  /// Finds a text, or adds it behind the others, which have to leave room for it below 4 GiB.
  mutating func insert(
    _ text: UnsafePointer<UInt8>, count textCount: Int
  ) -> (place: Int, isNew: Bool) {
    let known = unsafe withTerms { unsafe ns_terms_find($0, text, textCount) }
    if known >= 0 { return (Int(known), false) }
    if (count + 1) * 4 > slots.count { grow() }
    unsafe bytes.append(contentsOf: UnsafeBufferPointer(start: text, count: textCount))
    starts.append(UInt32(bytes.count))
    set(unsafe ns_murmur3(text, textCount, 0), place: UInt32(count))
    return (count - 1, true)
  }

  private mutating func grow() {
    let old = slots
    slots = Array(repeating: 0, count: 2 * old.count)
    for slot in 0..<old.count / 2 where old[2 * slot + 1] != 0 {
      set(old[2 * slot], place: old[2 * slot + 1])
    }
  }

  /// Takes the first free slot for a hash; `place` is counted from 1.
  private mutating func set(_ hash: UInt32, place: UInt32) {
    var slot = Int(hash & mask)
    while slots[2 * slot + 1] != 0 { slot = (slot + 1) & Int(mask) }
    slots[2 * slot] = hash
    slots[2 * slot + 1] = place
  }

  /// The place of a text.
  func find(_ text: ArraySlice<UInt8>) -> Int? {
    let place = unsafe text.withUnsafeBufferPointer { text in
      unsafe withTerms { terms in
        unsafe withStart(of: text) { start in unsafe ns_terms_find(terms, start, text.count) }
      }
    }
    return place < 0 ? nil : Int(place)
  }

  func text(_ place: Int) -> ArraySlice<UInt8> {
    bytes[Int(starts[place])..<Int(starts[place + 1])]
  }

  /// Lends the table to a kernel.
  func withTerms<Result>(_ body: (UnsafePointer<ns_terms>) -> Result) -> Result {
    unsafe withStart(bytes) { bytes in
      unsafe withStart(starts) { starts in
        unsafe withStart(slots) { slots in
          var terms = unsafe ns_terms(bytes: bytes, starts: starts, slots: slots, mask: mask)
          return unsafe body(&terms)
        }
      }
    }
  }
}

/// Lends the begin of an array, which is somewhere even where the array is empty.
private func withStart<Element: BitwiseCopyable, Result>(
  _ array: [Element], _ body: (UnsafePointer<Element>) -> Result
) -> Result {
  unsafe array.withUnsafeBufferPointer { unsafe withStart(of: $0, body) }
}

/// The begin of a buffer, or of some other memory where it has none.
func withStart<Element: BitwiseCopyable, Result>(
  of buffer: UnsafeBufferPointer<Element>, _ body: (UnsafePointer<Element>) -> Result
) -> Result {
  if let start = buffer.baseAddress { return unsafe body(start) }
  return unsafe withUnsafeTemporaryAllocation(of: Element.self, capacity: 1) { empty in
    guard let start = empty.baseAddress else { preconditionFailure("no memory") }
    return unsafe body(UnsafePointer(start))
  }
}

/// The categories of a column, of text or of numbers, each with its code: its place in the list.
struct CategorySet: Sendable {
  private let kind: Kind

  private enum Kind {
    case texts(TermList)
    /// In ascending order, with the place of each.
    case numbers([Double], codes: [Int32])
  }

  var count: Int {
    switch kind {
    case .texts(let terms): terms.count
    case .numbers(let numbers, _): numbers.count
    }
  }

  var isText: Bool {
    if case .texts = kind { true } else { false }
  }

  /// Reads an array of strings, or of numbers.
  ///
  /// - Throws: `ModelError` if it is neither, or a category stands there twice.
  init(_ value: DocumentValue) throws(ModelError) {
    guard value.count <= PlanLimits.categoryCount else {
      throw value.error(
        "\(value.count) categories, the limit is \(PlanLimits.categoryCount)",
        code: .limitExceeded)
    }
    guard value.count > 0, value.isNumbers else {
      let texts = value.count == 0 ? [] : try value.elements()
      guard value.kind == .array else { throw value.error("expected an array of categories") }
      let bytes = try texts.map { (text) throws(ModelError) in try text.stringBytes() }
      guard let terms = TermList(bytes) else {
        throw value.error("a category stands there twice")
      }
      kind = .texts(terms)
      return
    }
    let numbers = try value.finiteNumbers()
    let order = numbers.indices.sorted { numbers[$0] < numbers[$1] }
    let sorted = order.map { numbers[$0] }
    guard zip(sorted, sorted.dropFirst()).allSatisfy({ $0 < $1 }) else {
      throw value.error("a category stands there twice")
    }
    kind = .numbers(sorted, codes: order.map(Int32.init))
  }

  /// The name of a category: a whole number has no point.
  func name(_ code: Int) -> String {
    switch kind {
    case .texts(let terms): String(decoding: terms.text(code), as: UTF8.self)
    case .numbers(let numbers, let codes):
      codes.firstIndex(of: Int32(code)).map { shortName(numbers[$0]) } ?? ""
    }
  }

  /// A code for a name that `name` gives.
  func code(named name: Substring) -> Int? {
    switch kind {
    case .texts(let terms): terms.find(Array(name.utf8)[...])
    case .numbers: (0..<count).first { self.name($0) == name }
    }
  }

  /// The code of a missing value, and of one that is in no category.
  static let missing: Int32 = -2
  static let unknown: Int32 = -1

  /// Looks up the codes of a column of text.
  func find(
    _ texts: UnsafePointer<TextSpan>, rowCount: Int, into codes: UnsafeMutablePointer<Int32>
  ) {
    guard case .texts(let terms) = kind else { return }
    unsafe terms.withTerms { terms in
      for row in 0..<rowCount {
        let text = unsafe texts[row]
        guard let start = unsafe text.start else {
          unsafe codes[row] = Self.missing
          continue
        }
        unsafe codes[row] = Int32(ns_terms_find(terms, start, text.count))
      }
    }
  }

  /// Looks up the codes of a column of numbers.
  func find(
    _ values: UnsafePointer<Double>, rowCount: Int, into codes: UnsafeMutablePointer<Int32>
  ) {
    guard case .numbers(let numbers, let places) = kind else { return }
    unsafe numbers.withUnsafeBufferPointer { numbers in
      unsafe withStart(of: numbers) { start in
        for row in 0..<rowCount {
          let value = unsafe values[row]
          guard !value.isNaN else {
            unsafe codes[row] = Self.missing
            continue
          }
          let rank = unsafe ns_feature_rank(start, numbers.count, value)
          let isFound = rank > 0 && (unsafe numbers[rank - 1] == value)
          unsafe codes[row] = isFound ? places[rank - 1] : Self.unknown
        }
      }
    }
  }
}

/// A number as part of a name: as short as can be, whole numbers without a point.
func shortName(_ number: Double) -> String {
  Int(exactly: number).map(String.init) ?? "\(number)"
}
