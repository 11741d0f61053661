import Foundation

/// Times as people write them.
package enum TimeText {
  private static let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3_600, "d": 86_400]

  /// A number of seconds, minutes, hours or days such as `90s`, `15m`, `2h`, `1d`.
  ///
  /// - Returns: Seconds; nil where the text is nothing of the kind.
  package static func seconds(_ text: String) -> Int64? {
    guard let unit = text.last.flatMap({ units[$0] }), let number = Int64(text.dropLast()),
      number >= 0, text.first != "+"
    else { return nil }
    let (product, isTooLong) = number.multipliedReportingOverflow(by: unit)
    return isTooLong ? nil : product
  }

  /// A time of day with its zone, as RFC 3339 has it.
  ///
  /// - Returns: Seconds since 1970; nil where the text is nothing of the kind.
  package static func unixSeconds(_ text: String) -> Int64? {
    // What is no time is told by nil.
    guard let date = try? Date(text, strategy: .iso8601) else { return nil }
    return Int64(date.timeIntervalSince1970)
  }
}
