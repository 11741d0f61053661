/// Numbers and times as people read them.
package enum Figures {
  /// Three significant digits with a thousand's letter: `999`, `1.20 k`, `34.5 M`, `2.00 G`.
  package static func short(_ value: Double) -> String {
    guard value.isFinite, value >= 0 else { return "0" }
    var rest = value
    for unit in ["", " k", " M", " G", " T", " P"] {
      // 999.5 would be shown as four digits.
      if rest < 999.5 || unit == " P" { return digits(rest, isWhole: unit.isEmpty) + unit }
      rest /= 1_000
    }
    return "0"
  }

  private static func digits(_ value: Double, isWhole: Bool) -> String {
    if isWhole || value >= 99.95 { return String(Int(min(value, 1e15).rounded())) }
    return fixed(value, places: value >= 9.995 ? 1 : 2)
  }

  /// A value with a fixed number of decimal places, in no locale.
  static func fixed(_ value: Double, places: Int) -> String {
    let scale = places == 1 ? 10 : 100
    let scaled = Int((value * Double(scale)).rounded())
    let fraction = String(scaled % scale)
    let padding = String(repeating: "0", count: places - fraction.count)
    return "\(scaled / scale).\(padding)\(fraction)"
  }

  /// A whole number with thousands apart: `1,234,567`.
  package static func grouped(_ value: UInt64) -> String {
    let digits = Array(String(value))
    var text = ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index).isMultiple(of: 3) { text += "," }
      text.append(digit)
    }
    return text
  }

  /// Minutes and seconds, with hours where there are any: `00:12`, `1:02:03`.
  package static func clock(_ duration: Duration) -> String {
    let total = max(0, duration.components.seconds)
    let (hours, minutes, seconds) = (total / 3_600, total / 60 % 60, total % 60)
    let tail = "\(twoDigits(minutes)):\(twoDigits(seconds))"
    return hours > 0 ? "\(hours):\(tail)" : tail
  }

  /// A duration in words, whole: `5 s`, `11 min`.
  package static func words(_ duration: Duration) -> String {
    let seconds = duration.components.seconds
    return seconds < 120 ? "\(seconds) s" : "\(seconds / 60) min"
  }

  private static func twoDigits(_ value: Int64) -> String {
    value < 10 ? "0\(value)" : String(value)
  }

  /// A moment from 1970 on as RFC 3339 in UTC with milliseconds: `2026-03-01T06:00:00.000Z`.
  package static func time(unixNanoseconds: Int64) -> String {
    // In whole numbers: a Double has too few digits for nanoseconds, and rounds down to 249 ms.
    let milliseconds = unixNanoseconds / 1_000_000
    let (days, rest) = (milliseconds / 86_400_000, milliseconds % 86_400_000)
    let (year, month, day) = civilDate(daysSince1970: days)
    let time = [rest / 3_600_000, rest / 60_000 % 60, rest / 1_000 % 60].map(twoDigits)
    let fraction = String(1_000 + rest % 1_000).dropFirst()
    return
      "\(year)-\(twoDigits(month))-\(twoDigits(day))T\(time.joined(separator: ":")).\(fraction)Z"
  }

  /// The Gregorian date of a day from 1970 on.
  ///
  /// From "chrono-Compatible Low-Level Date Algorithms" (H. Hinnant), `civil_from_days`.
  private static func civilDate(daysSince1970 days: Int64) -> (Int64, Int64, Int64) {
    let shifted = days + 719_468
    let era = shifted / 146_097
    let dayOfEra = shifted % 146_097
    let yearOfEra =
      (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
  }

  /// "1 error record", "2 error records".
  package static func counted(_ count: UInt64, _ noun: String) -> String {
    "\(grouped(count)) \(noun)\(count == 1 ? "" : "s")"
  }
}
