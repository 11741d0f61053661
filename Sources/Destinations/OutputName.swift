package import Jobs

/// The names in a published folder.
package enum OutputName {
  /// The receipt.
  package static let receipt = "receipt.json"
  /// Written last; its content is the receipt's SHA-256 as `sha256sum` prints it.
  package static let success = "_SUCCESS"
  /// Says that nothing of the fleet is left; comes after all else, and proves nothing of the output.
  package static let zero = "zero.json"
  package static let statistics = "prediction.stats.json"

  /// `prediction-<model>-<2026-03-01T06:00:00.000Z>`.
  ///
  /// - Parameters:
  ///   - model: Any text; what is not a letter, digit, `.`, `_` or `-` of ASCII becomes `_`.
  ///   - nanoseconds: When the job was submitted, since 1970.
  /// - Returns: A name without a path, at most 150 bytes.
  package static func folder(model: String, createdNanoseconds nanoseconds: Int64) -> String {
    let safe = model.utf8.prefix(100).map { byte -> UInt8 in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "-"):
        byte
      default: UInt8(ascii: "_")
      }
    }
    let time = timestamp(nanoseconds, fractionDigitCount: 3)
    return "prediction-\(String(decoding: safe, as: UTF8.self))-\(time)"
  }

  /// `prediction.results-00000-of-00016.jsonl.zst`, or `….parquet`.
  package static func results(
    _ index: Int, of count: Int, _ config: JobRequest.OutputConfig
  ) -> String {
    "prediction.results-\(five(index))-of-\(five(count))" + ending(config, isErrors: false)
  }

  /// `prediction.errors_stats-00000-of-00001.jsonl.zst`.
  package static func errors(_ config: JobRequest.OutputConfig) -> String {
    "prediction.errors_stats-00000-of-00001" + ending(config, isErrors: true)
  }

  /// Whether a file is that of the error records.
  static func isOfErrors(_ name: String) -> Bool { name.hasPrefix("prediction.errors_stats-") }

  private static func ending(_ config: JobRequest.OutputConfig, isErrors: Bool) -> String {
    let format = isErrors ? "jsonl" : config.predictionsFormat.rawValue
    // Columnar files are compressed inside.
    if !isErrors, config.predictionsFormat.columnarFormat != nil { return ".\(format)" }
    return "." + format + (config.compression == .zstd ? ".zst" : "")
  }

  private static func five(_ number: Int) -> String { padded(Int64(number), 5) }

  /// A moment as RFC 3339 writes it, in UTC.
  package static func timestamp(_ nanoseconds: Int64, fractionDigitCount: Int = 9) -> String {
    let (seconds, fraction) = nanoseconds.flooredQuotientAndRemainder(1_000_000_000)
    let (days, second) = seconds.flooredQuotientAndRemainder(86_400)
    let (year, month, day) = civil(days)
    let digits = padded(fraction, 9).prefix(fractionDigitCount)
    return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))T"
      + "\(padded(second / 3_600, 2)):\(padded(second / 60 % 60, 2)):\(padded(second % 60, 2))"
      + ".\(digits)Z"
  }

  /// The Gregorian date of a day since 1970 (Howard Hinnant, "chrono-Compatible Low-Level Date
  /// Algorithms", civil_from_days).
  private static func civil(_ days: Int64) -> (year: Int64, month: Int64, day: Int64) {
    let (era, dayOfEra) = (days + 719_468).flooredQuotientAndRemainder(146_097)
    let yearOfEra =
      (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shifted = (5 * dayOfYear + 2) / 153
    let month = shifted < 10 ? shifted + 3 : shifted - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    return (year, month, dayOfYear - (153 * shifted + 2) / 5 + 1)
  }

  private static func padded(_ number: Int64, _ width: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
  }
}

extension Int64 {
  fileprivate func flooredQuotientAndRemainder(_ divisor: Int64) -> (Int64, Int64) {
    let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
    return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
  }
}
