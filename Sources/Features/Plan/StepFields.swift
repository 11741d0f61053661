internal import Models

/// The members of one step of a document, of which each has to be asked for.
struct StepFields {
  let value: DocumentValue
  private var known: Set<String> = []

  /// Begins to read a step or an object in it.
  ///
  /// - Throws: `ModelError` if it is no object.
  init(_ value: DocumentValue) throws(ModelError) {
    guard value.kind == .object else { throw value.error("expected an object") }
    self.value = value
  }

  /// The member with this key; nil if there is none, or null.
  mutating func optional(_ key: String) throws(ModelError) -> DocumentValue? {
    known.insert(key)
    guard let member = try value.optional(key), !member.isNull else { return nil }
    return member
  }

  mutating func required(_ key: String) throws(ModelError) -> DocumentValue {
    known.insert(key)
    return try value.required(key)
  }

  mutating func flag(_ key: String, default: Bool) throws(ModelError) -> Bool {
    try optional(key)?.boolean() ?? `default`
  }

  mutating func number(_ key: String, default: Double) throws(ModelError) -> Double {
    try optional(key)?.double() ?? `default`
  }

  /// A number that is neither NaN nor infinite.
  mutating func finite(_ key: String, default: Double) throws(ModelError) -> Double {
    guard let member = try optional(key) else { return `default` }
    let number = try member.double()
    guard number.isFinite else { throw member.error("expected a finite number") }
    return number
  }

  mutating func integer(
    _ key: String, in range: ClosedRange<Int>, default: Int
  ) throws(ModelError) -> Int {
    try optional(key)?.integer(in: range) ?? `default`
  }

  /// One of a few words.
  ///
  /// - Throws: `ModelError` that lists them.
  mutating func word<Word: RawRepresentable & CaseIterable>(
    _ key: String, default: Word? = nil
  ) throws(ModelError) -> Word where Word.RawValue == String {
    let member = try `default` == nil ? required(key) : optional(key)
    guard let member else {
      guard let word = `default` else { throw value.error("the key \(key) is missing") }
      return word
    }
    guard let word = Word(rawValue: try member.string()) else {
      let words = Word.allCases.map(\.rawValue).joined(separator: ", ")
      throw member.error("expected one of \(words)")
    }
    return word
  }

  mutating func names(_ key: String) throws(ModelError) -> [String]? {
    guard let member = try optional(key) else { return nil }
    return try member.strings()
  }

  /// The member `fitted`, which has one element for each input under each of its keys.
  mutating func fitted() throws(ModelError) -> StepFields? {
    guard let member = try optional("fitted") else { return nil }
    return try StepFields(member)
  }

  /// Checks that there is nothing else.
  ///
  /// - Throws: `ModelError` naming the first key that nobody asked for.
  func finish() throws(ModelError) {
    for member in try value.members() where !known.contains(member.key) {
      let names = known.sorted().joined(separator: ", ")
      throw member.value.error("this key means nothing here; those that do: \(names)")
    }
  }
}

extension DocumentValue {
  /// An array of strings.
  func strings() throws(ModelError) -> [String] {
    guard count > 0 else {
      guard kind == .array else { throw error("expected an array of strings") }
      return []
    }
    guard kind == .array, !isNumbers else { throw error("expected an array of strings") }
    return try elements().map { (element) throws(ModelError) in try element.string() }
  }

  /// An array with one element for each input.
  func list(count: Int) throws(ModelError) -> [DocumentValue] {
    guard kind == .array, !isNumbers || self.count == 0 else { throw error("expected an array") }
    guard self.count == count else {
      throw error("\(self.count) elements instead of \(count), one for each input")
    }
    return count == 0 ? [] : try elements()
  }

  /// An array of finite numbers, one for each input.
  func finiteNumbers(count: Int? = nil) throws(ModelError) -> [Double] {
    let numbers = try doubles(count: count)
    for (place, number) in numbers.enumerated() where !number.isFinite {
      throw error("element \(place) is not a finite number")
    }
    return numbers
  }
}
