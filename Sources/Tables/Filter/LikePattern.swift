/// A pattern of LIKE: `%` stands for any text, `_` for one character (a Unicode scalar).
package struct LikePattern: Hashable, Sendable {
  private let parts: [Part]

  private enum Part: Hashable {
    case byte(UInt8)
    case anyCharacter
    case anyText
  }

  /// Reads a pattern.
  ///
  /// - Parameters:
  ///   - text: The pattern.
  ///   - escape: The byte that makes a following `%`, `_` or itself stand for itself.
  package init?(_ text: String, escape: UInt8? = nil) {
    var parts: [Part] = []
    var bytes = Array(text.utf8)[...]
    while let byte = bytes.popFirst() {
      switch byte {
      case escape:
        guard let next = bytes.popFirst(), next == escape || "%_".utf8.contains(next) else {
          return nil
        }
        parts.append(.byte(next))
      case UInt8(ascii: "%"): if parts.last != .anyText { parts.append(.anyText) }
      case UInt8(ascii: "_"): parts.append(.anyCharacter)
      default: parts.append(.byte(byte))
      }
    }
    self.parts = parts
  }

  /// The bytes that every match begins with.
  var prefix: [UInt8] {
    var prefix: [UInt8] = []
    for case .byte(let byte) in parts.prefix(while: { $0 != .anyText && $0 != .anyCharacter }) {
      prefix.append(byte)
    }
    return prefix
  }

  /// Whether a text matches; at most as many steps as text times pattern.
  func matches(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    var (place, part) = (0, 0)
    // Where to go on when what follows the last % does not fit: one character further.
    var retry: (place: Int, part: Int)?
    while place < text.count || part < parts.count {
      if part < parts.count {
        switch parts[part] {
        case .anyText:
          part += 1
          retry = (place, part)
          continue
        case .anyCharacter where place < text.count:
          place = unsafe Self.end(ofCharacterAt: place, in: text)
          part += 1
          continue
        case .byte(let byte) where unsafe place < text.count && text[place] == byte:
          place += 1
          part += 1
          continue
        case .byte, .anyCharacter: break
        }
      }
      guard let again = retry, again.place < text.count else { return false }
      let next = unsafe Self.end(ofCharacterAt: again.place, in: text)
      retry = (next, again.part)
      (place, part) = (next, again.part)
    }
    return true
  }

  private static func end(
    ofCharacterAt place: Int, in text: UnsafeBufferPointer<UInt8>
  ) -> Int {
    var end = place + 1
    while unsafe end < text.count && text[end] & 0xC0 == 0x80 { end += 1 }
    return end
  }
}
