import CKernels
import Database

extension ValueType {
  /// Whether its values come as numbers where numbers are needed.
  var isNumber: Bool {
    switch self {
    case .boolean, .int16, .int32, .int64, .oid, .float32, .float64, .numeric, .date, .timestamp,
      .timestampUTC:
      true
    case .text, .jsonb, .uuid, .bytes: false
    }
  }

  /// A value as the nearest double: days and microseconds since 1970 for dates and times.
  ///
  /// - Parameter bytes: Of a type that `isNumber`.
  /// - Returns: The number; infinities for infinite dates.
  /// - Throws: `malformed`.
  func number(_ bytes: UnsafeRawBufferPointer) throws(DatabaseError) -> Double {
    switch self {
    case .boolean: return unsafe try BinaryValue.boolean(bytes) ? 1 : 0
    case .int16: return unsafe Double(try BinaryValue.integer(bytes, as: Int16.self))
    case .int32: return unsafe Double(try BinaryValue.integer(bytes, as: Int32.self))
    case .int64: return unsafe Double(try BinaryValue.integer(bytes, as: Int64.self))
    case .oid: return unsafe Double(try BinaryValue.integer(bytes, as: UInt32.self))
    case .float32: return unsafe Double(try BinaryValue.float32(bytes))
    case .float64: return unsafe try BinaryValue.float64(bytes)
    case .numeric:
      var text: [UInt8] = []
      unsafe try BinaryValue.appendNumeric(bytes, to: &text)
      return Tables.number(of: text) ?? .nan
    case .date:
      let days = unsafe try BinaryValue.integer(bytes, as: Int32.self)
      switch days {
      case .max: return .infinity
      case .min: return -.infinity
      default: return Double(days) + Double(CalendarTime.daysTo2000)
      }
    case .timestamp, .timestampUTC:
      let microseconds = unsafe try BinaryValue.integer(bytes, as: Int64.self)
      switch microseconds {
      case .max: return .infinity
      case .min: return -.infinity
      default:
        let shift = CalendarTime.daysTo2000 * CalendarTime.microsecondsADay
        // Only years that the server does not have go beyond.
        let (sum, isBeyond) = microseconds.addingReportingOverflow(shift)
        return isBeyond ? Double(microseconds) + Double(shift) : Double(sum)
      }
    case .text, .jsonb, .uuid, .bytes: return .nan
    }
  }
}

/// Dates of the proleptic Gregorian calendar.
enum CalendarTime {
  /// Days from 1970-01-01 to 2000-01-01, from which PostgreSQL counts.
  static let daysTo2000: Int64 = 10_957
  static let microsecondsADay: Int64 = 86_400_000_000

  /// Year, month and day of a day since 1970-01-01.
  ///
  /// After E. G. Richards, Explanatory Supplement to the Astronomical Almanac (2013), 15.11.3,
  /// with years that begin in March and eras of 400 years.
  static func date(ofDay day: Int64) -> (year: Int64, month: Int64, day: Int64) {
    let shifted = day + 719_468  // days since 0000-03-01
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra =
      (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let month = (5 * dayOfYear + 2) / 153  // from March
    let dayOfMonth = dayOfYear - (153 * month + 2) / 5 + 1
    let year = yearOfEra + era * 400 + (month >= 10 ? 1 : 0)
    return (year, month < 10 ? month + 3 : month - 9, dayOfMonth)
  }
}

extension SQLWindow {
  /// Appends one value as the text of a field.
  ///
  /// - Parameters:
  ///   - field: The value, `nil` for NULL, which is an empty field without quotes.
  ///   - type: What the value is.
  /// - Returns: The field's span, without its quotes.
  /// - Throws: `malformed`.
  mutating func append(
    _ field: UnsafeRawBufferPointer?, _ type: ValueType
  ) throws(DatabaseError) -> ns_csv_field {
    guard let field = unsafe field else { return span(from: count, flags: 0) }
    switch type {
    case .boolean, .int16, .int32, .int64, .oid, .float32, .float64, .numeric:
      let start = count
      unsafe try appendNumber(field, type)
      return span(from: start, flags: 0)
    case .text: return unsafe appendQuoted(field)
    case .jsonb: return unsafe appendQuoted(try BinaryValue.jsonb(field))
    case .uuid, .bytes, .date, .timestamp, .timestampUTC:
      append(UInt8(ascii: "\""))
      let start = count
      unsafe try appendPlain(field, type)
      let span = span(from: start, flags: NS_CSV_QUOTED)
      append(UInt8(ascii: "\""))
      return span
    }
  }

  private func span(from start: Int, flags: UInt32) -> ns_csv_field {
    ns_csv_field(start: UInt32(start), length_and_flags: UInt32(count - start) | flags)
  }

  private mutating func appendQuoted(_ text: UnsafeRawBufferPointer) -> ns_csv_field {
    append(UInt8(ascii: "\""))
    let start = count
    let hasQuotes = unsafe text.contains(UInt8(ascii: "\""))
    if hasQuotes {
      let from = unsafe text.assumingMemoryBound(to: UInt8.self)
      if let begin = from.baseAddress {
        unsafe append(bound: 2 * text.count) { unsafe ns_csv_double_quotes(begin, text.count, $0) }
      }
    } else {
      unsafe append(text)
    }
    let span = span(from: start, flags: NS_CSV_QUOTED | (hasQuotes ? NS_CSV_ESCAPED : 0))
    append(UInt8(ascii: "\""))
    return span
  }

  private mutating func appendNumber(
    _ field: UnsafeRawBufferPointer, _ type: ValueType
  ) throws(DatabaseError) {
    switch type {
    case .boolean: unsafe append(try BinaryValue.boolean(field) ? "true".utf8 : "false".utf8)
    case .int16: unsafe append(String(try BinaryValue.integer(field, as: Int16.self)).utf8)
    case .int32: unsafe append(String(try BinaryValue.integer(field, as: Int32.self)).utf8)
    case .int64: unsafe append(String(try BinaryValue.integer(field, as: Int64.self)).utf8)
    case .oid: unsafe append(String(try BinaryValue.integer(field, as: UInt32.self)).utf8)
    case .float32:
      let value = unsafe try BinaryValue.float32(field)
      guard value.isFinite else { return appendName(of: Double(value)) }
      unsafe append(bound: Int(NS_DOUBLE_TEXT_LIMIT)) { target in
        unsafe ns_format_float(
          value, UnsafeMutableRawPointer(target).assumingMemoryBound(to: CChar.self))
      }
    case .float64:
      let value = unsafe try BinaryValue.float64(field)
      guard value.isFinite else { return appendName(of: value) }
      unsafe append(bound: Int(NS_DOUBLE_TEXT_LIMIT)) { target in
        unsafe ns_format_double(
          value, UnsafeMutableRawPointer(target).assumingMemoryBound(to: CChar.self))
      }
    default:
      var text: [UInt8] = []
      unsafe try BinaryValue.appendNumeric(field, to: &text)
      append(text)
    }
  }

  /// Writes what is no number as the server does.
  private mutating func appendName(of value: Double) {
    append(value.isNaN ? "NaN".utf8 : value > 0 ? "Infinity".utf8 : "-Infinity".utf8)
  }

  /// Writes what has neither quotes nor separators in it.
  private mutating func appendPlain(
    _ field: UnsafeRawBufferPointer, _ type: ValueType
  ) throws(DatabaseError) {
    switch type {
    case .uuid:
      guard field.count == 16 else {
        throw DatabaseError(code: .malformed, context: "a uuid of \(field.count) bytes")
      }
      for (index, byte) in unsafe [UInt8](field).enumerated() {
        if [4, 6, 8, 10].contains(index) { append(UInt8(ascii: "-")) }
        appendHexadecimal(byte)
      }
    case .bytes:
      append("\\x".utf8)
      for byte in unsafe [UInt8](field) { appendHexadecimal(byte) }
    case .date:
      let days = unsafe try BinaryValue.integer(field, as: Int32.self)
      guard days != .max, days != .min else {
        return appendName(of: days > 0 ? .infinity : -.infinity)
      }
      appendDate(ofDay: Int64(days) + CalendarTime.daysTo2000)
    default:
      let value = unsafe try BinaryValue.integer(field, as: Int64.self)
      guard value != .max, value != .min else {
        return appendName(of: value > 0 ? .infinity : -.infinity)
      }
      appendTime(value)
      if type == .timestampUTC { append(UInt8(ascii: "Z")) }
    }
  }

  private mutating func appendHexadecimal(_ byte: UInt8) {
    for digit in [byte >> 4, byte & 15] {
      append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") - 10 + digit)
    }
  }

  private mutating func appendDate(ofDay day: Int64) {
    let (year, month, day) = CalendarTime.date(ofDay: day)
    if year < 0 { append(UInt8(ascii: "-")) }
    appendDigits(Int64(year.magnitude), count: 4)
    append(UInt8(ascii: "-"))
    appendDigits(month, count: 2)
    append(UInt8(ascii: "-"))
    appendDigits(day, count: 2)
  }

  /// Writes microseconds since 2000 as `2024-02-29T13:45:00.25`.
  private mutating func appendTime(_ microseconds: Int64) {
    let unit = CalendarTime.microsecondsADay
    var day = microseconds / unit
    var rest = microseconds % unit
    if rest < 0 {
      day -= 1
      rest += unit
    }
    appendDate(ofDay: day + CalendarTime.daysTo2000)
    append(UInt8(ascii: "T"))
    appendDigits(rest / 3_600_000_000, count: 2)
    append(UInt8(ascii: ":"))
    appendDigits(rest / 60_000_000 % 60, count: 2)
    append(UInt8(ascii: ":"))
    appendDigits(rest / 1_000_000 % 60, count: 2)
    var fraction = rest % 1_000_000
    guard fraction > 0 else { return }
    append(UInt8(ascii: "."))
    var digitCount = 6
    while fraction % 10 == 0 {
      fraction /= 10
      digitCount -= 1
    }
    appendDigits(fraction, count: digitCount)
  }

  /// Writes at least so many digits.
  private mutating func appendDigits(_ value: Int64, count: Int) {
    let digits = String(value).utf8
    for _ in digits.count..<max(count, digits.count) { append(UInt8(ascii: "0")) }
    append(digits)
  }
}
