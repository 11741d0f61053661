/// Texts of table fields as values that are neither numbers nor text; nil for anything else.
///
/// All of them take ASCII spaces and tabs around the value.
enum FieldValues {
  typealias Bytes = UnsafeBufferPointer<UInt8>

  /// Without the spaces and tabs around it.
  static func trimmed(_ text: Bytes) -> Bytes {
    var (start, end) = (0, text.count)
    while start < end, unsafe isSpace(text[start]) { start += 1 }
    while end > start, unsafe isSpace(text[end - 1]) { end -= 1 }
    return unsafe Bytes(rebasing: text[start..<end])
  }

  private static func isSpace(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t")
  }

  /// A whole number in decimal digits, with a sign or without.
  static func integer(_ text: Bytes) -> Int64? {
    guard let first = unsafe text.first else { return nil }
    let isNegative = first == UInt8(ascii: "-")
    let start = isNegative || first == UInt8(ascii: "+") ? 1 : 0
    guard start < text.count else { return nil }
    var magnitude: UInt64 = 0
    let limit = UInt64(Int64.max) + (isNegative ? 1 : 0)
    for index in start..<text.count {
      let digit = unsafe text[index] &- UInt8(ascii: "0")
      guard digit < 10 else { return nil }
      let (tens, isTooLarge) = magnitude.multipliedReportingOverflow(by: 10)
      let (next, overflows) = tens.addingReportingOverflow(UInt64(digit))
      guard !isTooLarge, !overflows, next <= limit else { return nil }
      magnitude = next
    }
    return isNegative ? 0 &- Int64(truncatingIfNeeded: magnitude) : Int64(magnitude)
  }

  /// 1 for `true` and 1, 0 for `false` and 0, in letters of any case.
  static func boolean(_ text: Bytes) -> Int64? {
    if text.count == 1 {
      let digit = unsafe text[0] &- UInt8(ascii: "0")
      return digit < 2 ? Int64(digit) : nil
    }
    if unsafe isWord(text, "true") { return 1 }
    return unsafe isWord(text, "false") ? 0 : nil
  }

  private static func isWord(_ text: Bytes, _ word: StaticString) -> Bool {
    guard text.count == word.utf8CodeUnitCount else { return false }
    for index in text.indices
    where unsafe text[index] | 0x20 != word.utf8Start[index] { return false }
    return true
  }

  // MARK: Dates and times

  /// Days since 1970-01-01 of `2024-02-29`, the proleptic Gregorian calendar.
  static func date(_ text: Bytes) -> Int64? {
    guard let (days, end) = unsafe date(text, from: 0), end == text.count else { return nil }
    return days
  }

  /// Microseconds since 1970-01-01T00:00:00Z of a date, or of a date and a time.
  ///
  /// As RFC 3339 has it, or with a space between the two; seconds, their fraction and the offset
  /// may be left out, without one it is UTC. Digits of the fraction beyond the sixth have to be
  /// zero.
  static func timestamp(_ text: Bytes) -> Int64? {
    guard let (days, dateEnd) = unsafe date(text, from: 0) else { return nil }
    var reader = unsafe TimeReader(text: text, place: dateEnd)
    guard let microseconds = reader.readTime() else { return nil }
    let (whole, isTooLarge) = days.multipliedReportingOverflow(by: 86_400_000_000)
    let (moment, overflows) = whole.addingReportingOverflow(microseconds)
    return isTooLarge || overflows ? nil : moment
  }

  /// The days of a date and where it ends; a sign or more than four digits belong to the year.
  private static func date(_ text: Bytes, from start: Int) -> (days: Int64, end: Int)? {
    var reader = unsafe TimeReader(text: text, place: start)
    let isNegative = reader.take(UInt8(ascii: "-"))
    if !isNegative { _ = reader.take(UInt8(ascii: "+")) }
    guard let year = reader.digits(4...6), reader.take(UInt8(ascii: "-")),
      let month = reader.digits(2...2), reader.take(UInt8(ascii: "-")),
      let day = reader.digits(2...2),
      let days = days(year: isNegative ? -year : year, month: month, day: day)
    else { return nil }
    // Beyond what 32 bits of days hold nothing is a date.
    return Int32(exactly: days) == nil ? nil : (days, reader.place)
  }

  /// Days since 1970-01-01 (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms",
  /// days_from_civil); nil where there is no such day.
  private static func days(year: Int64, month: Int64, day: Int64) -> Int64? {
    guard (1...12).contains(month), day >= 1, day <= dayCount(year: year, month: month) else {
      return nil
    }
    let shifted = month <= 2 ? year - 1 : year
    let era = (shifted >= 0 ? shifted : shifted - 399) / 400
    let yearOfEra = shifted - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return era * 146_097 + dayOfEra - 719_468
  }

  private static func dayCount(year: Int64, month: Int64) -> Int64 {
    if month == 2 { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28 }
    return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31
  }
}

/// Goes through the text of a date or time.
@safe private struct TimeReader {
  let text: FieldValues.Bytes
  private(set) var place: Int

  init(text: FieldValues.Bytes, place: Int) {
    unsafe self.text = unsafe text
    self.place = place
  }

  private var next: UInt8? { unsafe place < text.count ? text[place] : nil }

  /// Goes on where the next byte is this one.
  mutating func take(_ byte: UInt8) -> Bool {
    guard next == byte else { return false }
    place += 1
    return true
  }

  /// Reads digits, as many as there are.
  mutating func digits(_ counts: ClosedRange<Int>) -> Int64? {
    var value: Int64 = 0
    var count = 0
    while count < counts.upperBound, let byte = next, byte &- UInt8(ascii: "0") < 10 {
      value = value * 10 + Int64(byte - UInt8(ascii: "0"))
      count += 1
      place += 1
    }
    return counts.contains(count) ? value : nil
  }

  /// Microseconds since the date's begin in UTC, of all that is left.
  mutating func readTime() -> Int64? {
    guard next != nil else { return 0 }
    guard take(UInt8(ascii: "T")) || take(UInt8(ascii: "t")) || take(UInt8(ascii: " ")),
      let hour = digits(2...2), hour < 24, take(UInt8(ascii: ":")),
      let minute = digits(2...2), minute < 60
    else { return nil }
    var microseconds = (hour * 60 + minute) * 60_000_000
    if take(UInt8(ascii: ":")) {
      guard let second = digits(2...2), second < 60, let fraction = readFraction() else {
        return nil
      }
      microseconds += second * 1_000_000 + fraction
    }
    guard let offset = readOffset(), next == nil else { return nil }
    return microseconds - offset * 60_000_000
  }

  private mutating func readFraction() -> Int64? {
    guard take(UInt8(ascii: ".")) || take(UInt8(ascii: ",")) else { return 0 }
    var value: Int64 = 0
    var count = 0
    while let byte = next, byte &- UInt8(ascii: "0") < 10 {
      if count < 6 { value = value * 10 + Int64(byte - UInt8(ascii: "0")) }
      if count >= 6, byte != UInt8(ascii: "0") { return nil }
      count += 1
      place += 1
    }
    guard count > 0 else { return nil }
    for _ in count..<max(6, count) { value *= 10 }
    return value
  }

  /// Minutes east of UTC.
  private mutating func readOffset() -> Int64? {
    if next == nil || take(UInt8(ascii: "Z")) || take(UInt8(ascii: "z")) { return 0 }
    let isWest = take(UInt8(ascii: "-"))
    guard isWest || take(UInt8(ascii: "+")), let hour = digits(2...2), hour < 24 else { return nil }
    let hasColon = take(UInt8(ascii: ":"))
    var minute: Int64 = 0
    if hasColon || next != nil {
      guard let digits = digits(2...2), digits < 60 else { return nil }
      minute = digits
    }
    return isWest ? -(hour * 60 + minute) : hour * 60 + minute
  }
}

// MARK: Bytes

extension FieldValues {
  /// Writes what Base64 (RFC 4648, padded or not), or `\x` and hexadecimal digits, stand for.
  ///
  /// - Parameters:
  ///   - text: The field.
  ///   - output: Room for as many bytes as the text has.
  /// - Returns: The number of bytes, nil where the text is neither.
  static func binary(_ text: Bytes, into output: UnsafeMutablePointer<UInt8>) -> Int? {
    if text.count >= 2, unsafe text[0] == UInt8(ascii: "\\"),
      unsafe text[1] == UInt8(ascii: "x")
    {
      return unsafe hexadecimal(Bytes(rebasing: text.dropFirst(2)), into: output)
    }
    var length = text.count
    while length > 0, text.count - length < 2, unsafe text[length - 1] == UInt8(ascii: "=") {
      length -= 1
    }
    guard length % 4 != 1, length == text.count || text.count % 4 == 0 else { return nil }
    var (bits, bitCount, count): (UInt32, UInt32, Int) = (0, 0, 0)
    for index in 0..<length {
      guard let digit = unsafe base64Digit(text[index]) else { return nil }
      bits = bits << 6 | digit
      bitCount += 6
      guard bitCount >= 8 else { continue }
      bitCount -= 8
      unsafe output[count] = UInt8(truncatingIfNeeded: bits >> bitCount)
      count += 1
    }
    return bits & (1 << bitCount - 1) == 0 ? count : nil
  }

  private static func hexadecimal(
    _ digits: Bytes, into output: UnsafeMutablePointer<UInt8>
  ) -> Int? {
    guard digits.count % 2 == 0 else { return nil }
    for index in 0..<digits.count / 2 {
      guard let high = unsafe hexadecimalDigit(digits[2 * index]),
        let low = unsafe hexadecimalDigit(digits[2 * index + 1])
      else { return nil }
      unsafe output[index] = high << 4 | low
    }
    return digits.count / 2
  }

  private static func hexadecimalDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
  }

  private static func base64Digit(_ byte: UInt8) -> UInt32? {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(byte - UInt8(ascii: "A"))
    case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(byte - UInt8(ascii: "a")) + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0")) + 52
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    default: nil
    }
  }
}
