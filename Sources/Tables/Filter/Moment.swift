/// Dates and times as microseconds since 1970-01-01, UTC.
enum Moment {
  static let microsecondsPerDay: Int64 = 86_400_000_000

  /// Reads a date, or a date and a time, as ISO 8601 and SQL write them.
  ///
  /// `2024-02-29`, and for times also `2024-02-29T12:30`, with seconds, up to nine digits of a
  /// fraction (cut to microseconds), a space for the T, and a zone (`Z`, `+02`, `-03:30`), UTC
  /// where there is none.
  ///
  /// - Parameters:
  ///   - text: The text, spaces around it allowed.
  ///   - isDate: Whether only a date will do.
  /// - Returns: nil where it is none.
  static func microseconds(
    of text: UnsafeBufferPointer<UInt8>, isDate: Bool = false
  ) -> Int64? {
    var reader = unsafe DigitReader(text)
    reader.skipSpaces()
    guard let year = reader.digits(4), reader.take("-"), let month = reader.digits(2),
      reader.take("-"), let day = reader.digits(2), let days = days(year, month, day)
    else { return nil }
    var microseconds = days * microsecondsPerDay
    if !isDate, reader.take("T") || reader.takeSpaceBeforeDigit() {
      guard let time = time(&reader) else { return nil }
      microseconds += time
    }
    reader.skipSpaces()
    return reader.isAtEnd ? microseconds : nil
  }

  /// The time of a day, less its zone.
  private static func time(_ reader: inout DigitReader) -> Int64? {
    guard let hour = reader.digits(2), hour < 24, reader.take(":"),
      let minute = reader.digits(2), minute < 60
    else { return nil }
    var seconds = hour * 3_600 + minute * 60
    var fraction: Int64 = 0
    if reader.take(":") {
      guard let second = reader.digits(2), second < 60 else { return nil }
      seconds += second
      if reader.take(".") {
        guard let value = reader.microseconds() else { return nil }
        fraction = value
      }
    }
    guard let zone = zone(&reader) else { return nil }
    return (seconds - zone) * 1_000_000 + fraction
  }

  /// A zone's distance from UTC, in seconds.
  private static func zone(_ reader: inout DigitReader) -> Int64? {
    if reader.take("Z") { return 0 }
    let isWest = reader.take("-")
    guard isWest || reader.take("+") else { return 0 }
    guard let hours = reader.digits(2), hours < 24 else { return nil }
    let minutes: Int64
    if reader.take(":") {
      guard let value = reader.digits(2), value < 60 else { return nil }
      minutes = value
    } else {
      minutes = reader.digits(2) ?? 0
    }
    return (hours * 3_600 + minutes * 60) * (isWest ? -1 : 1)
  }

  /// Days since 1970-01-01 of a date of the Gregorian calendar; nil where there is no such day.
  ///
  /// Source: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil.
  static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64? {
    let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    let lengths: [Int64] = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    guard (1...12).contains(month), day >= 1, day <= lengths[Int(month) - 1] else { return nil }
    let shiftedYear = month <= 2 ? year - 1 : year
    let era = (shiftedYear >= 0 ? shiftedYear : shiftedYear - 399) / 400
    let yearOfEra = shiftedYear - era * 400
    let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return era * 146_097 + dayOfEra - 719_468
  }
}

/// Reads digits and marks.
@safe private struct DigitReader {
  private let text: UnsafeBufferPointer<UInt8>
  private var index = 0

  init(_ text: UnsafeBufferPointer<UInt8>) { unsafe self.text = text }

  var isAtEnd: Bool { unsafe index == text.count }

  private func byte(at place: Int) -> UInt8? {
    unsafe place < text.count ? text[place] : nil
  }

  private func digit(at place: Int) -> Int64? {
    guard let byte = byte(at: place), (48...57).contains(byte) else { return nil }
    return Int64(byte - 48)
  }

  mutating func take(_ mark: Unicode.Scalar) -> Bool {
    guard byte(at: index) == UInt8(ascii: mark) else { return false }
    index += 1
    return true
  }

  mutating func takeSpaceBeforeDigit() -> Bool {
    digit(at: index + 1) != nil && take(" ")
  }

  mutating func skipSpaces() {
    while byte(at: index) == UInt8(ascii: " ") || byte(at: index) == UInt8(ascii: "\t") {
      index += 1
    }
  }

  /// A number of exactly so many digits.
  mutating func digits(_ count: Int) -> Int64? {
    var value: Int64 = 0
    for place in index..<index + count {
      guard let digit = digit(at: place) else { return nil }
      value = value * 10 + digit
    }
    index += count
    return value
  }

  /// One to nine digits of a fraction of a second.
  mutating func microseconds() -> Int64? {
    var (value, count): (Int64, Int) = (0, 0)
    while let digit = digit(at: index), count < 9 {
      if count < 6 { value = value * 10 + digit }
      count += 1
      index += 1
    }
    guard count > 0 else { return nil }
    for _ in min(count, 6)..<6 { value *= 10 }
    return value
  }
}
