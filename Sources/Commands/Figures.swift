import Foundation

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

  private static func twoDigits(_ value: Int64) -> String {
    value < 10 ? "0\(value)" : String(value)
  }

  /// A moment as RFC 3339 in UTC with milliseconds: `2026-03-01T06:00:00.000Z`.
  package static func time(unixNanoseconds: Int64) -> String {
    Date(timeIntervalSince1970: Double(unixNanoseconds) / 1e9)
      .formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
  }

  /// "1 error record", "2 error records".
  package static func counted(_ count: UInt64, _ noun: String) -> String {
    "\(grouped(count)) \(noun)\(count == 1 ? "" : "s")"
  }
}
