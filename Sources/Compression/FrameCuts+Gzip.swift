extension FrameCuts {
  /// Most text of one block of blocked gzip (SAM specification, 4.1).
  private static let gzipBlockTextByteLimit: UInt64 = 64 << 10

  /// Finds cuts by walking over the blocks of blocked gzip (BGZF), whose headers tell their size.
  static func blockedGzip(_ window: inout PeekWindow, _ list: inout CutList) throws -> FrameCuts {
    var place: UInt64 = 0
    var lastTextByteCount: UInt64 = 1
    while place < window.byteCount {
      let member = try gzipMember(&window, at: place)
      guard let size = member else { return whole(.plainGzip(at: place), window) }
      let end = place + size
      guard end <= window.byteCount else { throw window.truncated(at: window.byteCount) }
      // Far more than the next header: one look takes both.
      let tail = try window.peek(at: end - 4, count: 4 + 18)
      lastTextByteCount = tail.number(at: 0, count: 4)
      guard lastTextByteCount <= gzipBlockTextByteLimit else {
        throw window.corrupt("gzip block of \(lastTextByteCount) bytes of text", at: place)
      }
      guard list.append(textByteCount: lastTextByteCount, storedOffset: place) != nil else {
        throw window.corrupt("more than \(FrameCuts.cutLimit) cuts", at: place)
      }
      place = end
    }
    return list.finished(
      storedByteCount: window.byteCount, note: lastTextByteCount > 0 ? .noEndMark : nil)
  }

  /// The size of the gzip member that begins at a place, as its extra field "BC" tells it.
  ///
  /// - Returns: nil where it is a member without that field.
  private static func gzipMember(
    _ window: inout PeekWindow, at place: UInt64
  ) throws -> UInt64? {
    // RFC 1952, 2.3: magic number, method 8, flags (4: extra field), time, flags, system; then
    // the extra field's size and its subfields of two letters, a size and that many bytes.
    let head = try window.peek(at: place, count: 12)
    if place > 0, head.first == 0 { return nil }  // zero bytes, as on tapes
    let magic = head.count < 2 ? nil : head.number(at: 0, count: 2)
    guard magic == 0x8B1F else {
      throw magic == nil
        ? window.truncated(at: window.byteCount) : window.corrupt("no gzip member", at: place)
    }
    guard head.count >= 4 else { throw window.truncated(at: window.byteCount) }
    guard head.number(at: 2, count: 1) == 8, head.number(at: 3, count: 1) & 4 != 0 else {
      return nil
    }
    guard head.count == 12 else { throw window.truncated(at: window.byteCount) }
    let extraCount = Int(head.number(at: 10, count: 2))
    let looked = min(extraCount, PeekWindow.peekLimit)
    let extra = try window.peek(at: place + 12, count: looked)
    guard extra.count == looked else { throw window.truncated(at: window.byteCount) }
    var index = 0
    while index + 4 <= extra.count {
      let size = Int(extra.number(at: index + 2, count: 2))
      if extra.number(at: index, count: 2) == 0x4342, size == 2, index + 6 <= extra.count {
        let memberSize = extra.number(at: index + 4, count: 2) + 1
        // Header, extra field, two bytes of deflate at least, checksum and size.
        return memberSize >= UInt64(12 + extraCount + 2 + 8) ? memberSize : nil
      }
      index += 4 + size
    }
    return nil
  }
}
