import Glibc

/// What this module reads in an X.509 certificate by itself: when it is valid, and whose it is.
///
/// nng reports an expired certificate as silence (non-blocking dial) or as "cryptographic error",
/// so the dates are checked here before the library sees the file.
package struct Certificate: Equatable, Sendable {
  /// Seconds since 1970, UTC.
  package let notBefore: Int
  package let notAfter: Int
  /// The names of the signer and of the owner, as they are encoded: equal where they are the same.
  let issuer: [UInt8]
  let subject: [UInt8]

  /// Reads the first certificate of a PEM text.
  ///
  /// - Returns: nil where there is none or its structure is not RFC 5280, section 4.1.
  package init?(pem: String) {
    guard let first = Self.all(pem: pem).first else { return nil }
    self = first
  }

  /// Reads the certificates of a PEM text up to the first that cannot be read.
  package static func all(pem: String) -> [Certificate] {
    let opening = "-----BEGIN CERTIFICATE-----"
    let closing = "-----END CERTIFICATE-----"
    var certificates: [Certificate] = []
    var rest = pem[...]
    while let start = rest.firstRange(of: opening)?.upperBound,
      let end = rest[start...].firstRange(of: closing),
      let bytes = decodeBase64(rest[start..<end.lowerBound]),
      let certificate = Certificate(der: bytes[...])
    {
      certificates.append(certificate)
      rest = rest[end.upperBound...]
    }
    return certificates
  }

  /// Reads one certificate as it crosses the wire.
  init?(der bytes: ArraySlice<UInt8>) {
    var outer = DERReader(bytes)
    guard let certificate = outer.next(tag: 0x30) else { return nil }
    var fields = DERReader(certificate)
    guard let body = fields.next(tag: 0x30) else { return nil }
    var reader = DERReader(body)
    if reader.nextTag == 0xa0 { _ = reader.next(tag: 0xa0) }  // version, absent in version 1
    guard reader.next(tag: 0x02) != nil,  // serial number
      reader.next(tag: 0x30) != nil,  // signature algorithm
      let issuer = reader.next(tag: 0x30),
      let validity = reader.next(tag: 0x30),
      let subject = reader.next(tag: 0x30)
    else { return nil }
    var dates = DERReader(validity)
    guard let notBefore = dates.nextTime(), let notAfter = dates.nextTime() else { return nil }
    self.notBefore = notBefore
    self.notAfter = notAfter
    self.issuer = Array(issuer)
    self.subject = Array(subject)
  }

  /// Why a certificate is of no use at a time, in words; nil while it is.
  func problem(at now: Int) -> String? {
    if now < notBefore {
      return "valid only in \(Self.span(notBefore - now)), from \(Self.date(notBefore)); "
        + "check the clocks of both machines"
    }
    if now > notAfter {
      return "expired \(Self.span(now - notAfter)) ago, on \(Self.date(notAfter)); "
        + "make a new one with cluster/certs"
    }
    return nil
  }

  /// A time for people, in the largest fitting unit.
  static func span(_ seconds: Int) -> String {
    switch seconds {
    case 172_800...: "\(seconds / 86_400) days"
    case 7_200...: "\(seconds / 3_600) hours"
    case 120...: "\(seconds / 60) minutes"
    default: "\(seconds) seconds"
    }
  }

  /// A point in time as `2026-11-23 12:00 UTC`.
  static func date(_ seconds: Int) -> String {
    var time = time_t(seconds)
    var text = [CChar](repeating: 0, count: 64)
    let count = unsafe withUnsafeTemporaryAllocation(of: tm.self, capacity: 1) { parts in
      guard let parts = parts.baseAddress, unsafe gmtime_r(&time, parts) != nil else { return 0 }
      return unsafe strftime(&text, text.count, "%Y-%m-%d %H:%M UTC", parts)
    }
    return String(decoding: text.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  /// The common name in an encoded name, or a word for its absence.
  static func commonName(in name: [UInt8]) -> String {
    var sets = DERReader(name[...])
    while let set = sets.next(tag: 0x31) {
      var pairs = DERReader(set)
      guard let pair = pairs.next(tag: 0x30) else { continue }
      var fields = DERReader(pair)
      guard let kind = fields.next(tag: 0x06), Array(kind) == [0x55, 0x04, 0x03],
        let tag = fields.nextTag, let text = fields.next(tag: tag)
      else { continue }
      // Of a stranger: nothing of it may steer a terminal.
      let scalars = String(decoding: text.prefix(100), as: UTF8.self).unicodeScalars
      return String(String.UnicodeScalarView(scalars.filter { $0.value >= 0x20 && $0 != "\u{7F}" }))
    }
    return "nobody"
  }
}

/// Walks the elements of one DER sequence.
private struct DERReader {
  private var rest: ArraySlice<UInt8>

  init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

  var nextTag: UInt8? { rest.first }

  /// The content of the next element, where it has this tag.
  mutating func next(tag: UInt8) -> ArraySlice<UInt8>? {
    guard rest.popFirst() == tag, let first = rest.popFirst() else { return nil }
    var count = Int(first)
    if first >= 0x80 {
      let digits = rest.prefix(Int(first & 0x7f))
      guard (1...4).contains(digits.count) else { return nil }
      count = digits.reduce(0) { $0 << 8 | Int($1) }
      rest = rest.dropFirst(digits.count)
    }
    guard count <= rest.count else { return nil }
    defer { rest = rest.dropFirst(count) }
    return rest.prefix(count)
  }

  /// The next UTCTime or GeneralizedTime, both of which RFC 5280 wants in whole seconds and UTC.
  mutating func nextTime() -> Int? {
    let isShort = nextTag == 0x17
    guard let content = next(tag: isShort ? 0x17 : 0x18), content.last == UInt8(ascii: "Z") else {
      return nil
    }
    let digits = content.dropLast().map { Int($0) - 48 }
    guard digits.count == (isShort ? 12 : 14), digits.allSatisfy((0...9).contains) else {
      return nil
    }
    let pairs = stride(from: 0, to: digits.count, by: 2).map { digits[$0] * 10 + digits[$0 + 1] }
    let century = isShort ? (pairs[0] < 50 ? 20 : 19) : pairs[0]
    let year = century * 100 + (isShort ? pairs[0] : pairs[1])
    let clock = pairs.suffix(5).map { $0 }
    let days = daysSinceEpoch(year: year, month: clock[0], day: clock[1])
    return ((days * 24 + clock[2]) * 60 + clock[3]) * 60 + clock[4]
  }
}

/// Days from 1970-01-01 in the Gregorian calendar.
///
/// Source: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`.
private func daysSinceEpoch(year: Int, month: Int, day: Int) -> Int {
  let shifted = month <= 2 ? year - 1 : year
  let era = shifted / 400
  let yearOfEra = shifted - era * 400
  let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
  return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
}

/// The bytes of a base64 text with any white space in it, or nil for other characters.
private func decodeBase64(_ text: Substring) -> [UInt8]? {
  var bytes: [UInt8] = []
  var bits: UInt32 = 0
  var bitCount = 0
  for byte in text.utf8 where byte > 0x20 && byte != UInt8(ascii: "=") {
    let value: UInt8
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = byte - 65
    case UInt8(ascii: "a")...UInt8(ascii: "z"): value = byte - 71
    case UInt8(ascii: "0")...UInt8(ascii: "9"): value = byte + 4
    case UInt8(ascii: "+"): value = 62
    case UInt8(ascii: "/"): value = 63
    default: return nil
    }
    bits = bits << 6 | UInt32(value)
    bitCount += 6
    guard bitCount >= 8 else { continue }
    bitCount -= 8
    bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(bitCount)))
  }
  return bytes
}
