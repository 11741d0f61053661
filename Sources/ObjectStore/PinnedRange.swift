/// A part of one version of an object, and the buffer it goes to.
@safe struct PinnedRange {
  let uri: ObjectURI
  let version: ObjectVersion?
  /// Size of the whole object in bytes, where it is known.
  let byteCount: UInt64?
  let offset: UInt64
  let buffer: UnsafeMutableRawBufferPointer
  var cancellation: Cancellation?

  /// Sends ranged requests until the buffer is full, going on where a connection broke.
  ///
  /// - Parameter send: Sends an errand whose requests come from its closure, told what to add to
  ///   the request's headers.
  /// - Returns: The last answer, whose status the caller still has to look at, and how many bytes
  ///   are there.
  /// - Throws: What `send` throws.
  func fetch(
    _ send: (
      Sender.Errand, (Int) throws(ObjectError) -> ([HTTPHeader], HTTPSink)
    ) throws(ObjectError) -> HTTPAnswer
  ) throws(ObjectError) -> (HTTPAnswer, Int) {
    var done = 0
    var errand = Sender.Errand(name: "GET \(uri.nameForMessages)", bucket: uri.bucket)
    errand.cancellation = cancellation
    let answer = try send(errand) { (filledCount) throws(ObjectError) in
      // Without a version the next try may meet other content, so it begins anew.
      if version != nil { done = unsafe min(done + filledCount, buffer.count - 1) }
      let first = offset + UInt64(done)
      let last = unsafe offset + UInt64(buffer.count) - 1
      let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
      // With the whole object stores send the digest that they keep; with a range they do not.
      let isWhole = first == 0 && last + 1 == byteCount
      let headers = isWhole ? [] : [HTTPHeader("range", "bytes=\(first)-\(last)")]
      return unsafe (headers, .buffer(rest, offset: first))
    }
    return (answer, done + answer.filledCount)
  }

  /// Checks what a server said about the bytes it sent.
  ///
  /// - Parameters:
  ///   - answer: An answer of status 200 or 206.
  ///   - count: How many bytes the buffer has.
  ///   - limits: Up to which size an object is taken whole from a server without ranges.
  /// - Throws: `ObjectError`: `changed`, `unavailable` for too few bytes, `malformed`,
  ///   `unsupported` for a server without ranges.
  func check(_ answer: HTTPAnswer, count: Int, limits: StoreLimits) throws(ObjectError) {
    if case .tag(let tag) = version, let other = answer["etag"], Self.tag(other) != tag {
      throw changed("its ETag is another")
    }
    if case .generation(let number) = version, let other = answer["x-goog-generation"],
      UInt64(other) != number
    {
      throw changed("its generation is another")
    }
    if case .modified(let time) = version, let other = answer["last-modified"], other != time {
      throw changed("its time of modification is another")
    }
    var total = answer["content-length"].flatMap { UInt64($0) }
    if answer.status == 206 || answer["content-range"] != nil {
      guard let said = ContentRange(answer["content-range"] ?? "") else {
        throw ObjectError(
          code: .malformed, context: "\(uri.nameForMessages): a part without its range")
      }
      guard said.first == offset + UInt64(count - answer.filledCount),
        said.last + 1 == offset + UInt64(count)
      else {
        throw ObjectError(
          code: .malformed,
          context: "\(uri.nameForMessages): bytes \(said.first) to \(said.last) instead of those "
            + "from \(offset) on")
      }
      total = said.total
    } else if let total, total > limits.wholeObjectByteLimit, offset > 0 || total != UInt64(count) {
      throw ObjectError(
        code: .unsupported,
        context: "\(uri.nameForMessages): the server does not send ranges, and the object has "
          + "\(total) bytes: copy it to a file or a bucket first")
    }
    if let total, let byteCount, total != byteCount {
      throw changed("it has \(total) bytes, had \(byteCount)")
    }
    let end = unsafe min(byteCount ?? total ?? .max, offset + UInt64(buffer.count))
    guard end == .max || offset + UInt64(count) == max(end, offset) else {
      throw ObjectError(
        code: .malformed,
        context: "\(uri.nameForMessages): \(count) bytes from \(offset) on instead of "
          + "\(end - offset)")
    }
  }

  /// What is thrown where the object is not the one that was pinned.
  func changed(_ how: String) -> ObjectError {
    ObjectError(
      code: .changed,
      context: "\(uri.nameForMessages) changed: \(how), version \(version?.description ?? "?")")
  }

  /// An ETag without its quotes; nil for a weak one, which pins nothing.
  static func tag(_ header: String) -> String? {
    guard !header.hasPrefix("W/") else { return nil }
    let tag =
      header.hasPrefix("\"") && header.hasSuffix("\"") && header.utf8.count >= 2
      ? String(header.dropFirst().dropLast()) : header
    return tag.isEmpty ? nil : tag
  }
}

/// The header `Content-Range: bytes 0-99/1234` (RFC 9110, section 14.4).
struct ContentRange: Equatable {
  let first: UInt64
  /// Included.
  let last: UInt64
  /// Nil for `*`.
  let total: UInt64?

  init?(_ header: String) {
    guard header.hasPrefix("bytes ") else { return nil }
    let parts = header.dropFirst(6).split(separator: "/")
    let bounds = parts.first?.split(separator: "-") ?? []
    guard parts.count == 2, bounds.count == 2, let first = UInt64(bounds[0]),
      let last = UInt64(bounds[1]), first <= last, last < .max
    else { return nil }
    self.first = first
    self.last = last
    total = UInt64(parts[1])
    guard total != nil || parts[1] == "*" else { return nil }
  }
}
