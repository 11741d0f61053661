/// When a job has to have ended; `90s` or `@1772341200` as text.
package enum Deadline: Hashable, Sendable, Codable {
  /// So long after its submission.
  case after(seconds: Int64)
  /// Seconds since 1970.
  case at(unixSeconds: Int64)

  /// The furthest that makes sense: a century, so that nothing overflows.
  package static let longestSeconds: Int64 = 100 * 366 * 86_400

  /// Reads what is encoded; nil where the text is nothing of the kind.
  package init?(_ text: String) {
    if text.hasPrefix("@"), let seconds = Int64(text.dropFirst()), seconds > 0 {
      self = .at(unixSeconds: seconds)
    } else if text.hasSuffix("s"), let seconds = Int64(text.dropLast()), seconds > 0 {
      self = .after(seconds: seconds)
    } else {
      return nil
    }
  }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    guard let deadline = Deadline(try container.decode(String.self)) else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "no deadline")
    }
    self = deadline
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .after(let seconds): try container.encode("\(seconds)s")
    case .at(let seconds): try container.encode("@\(seconds)")
    }
  }

  /// Nanoseconds since 1970.
  ///
  /// - Parameter submitted: when the job came, in nanoseconds since 1970.
  /// - Returns: the moment of the deadline.
  package func nanoseconds(submitted: Int64) -> Int64 {
    switch self {
    case .after(let seconds): submitted + min(seconds, Self.longestSeconds) * 1_000_000_000
    case .at(let seconds): min(seconds, 2 * Self.longestSeconds) * 1_000_000_000
    }
  }
}
