import CZstd

/// How the text of a frame is searched for matches.
///
/// Lines of predictions are mostly digits, in which level 1 spends its time on matches of four or
/// five bytes that save next to nothing. What saves is that ids and keys begin as on the line
/// before: a hash table of a few entries for the last lines finds that as well or better, because
/// it has forgotten all else. Measured on keys and predictions of a LightGBM model (MB/s of one
/// core, size against that of level 1): CSV 500 for 256, +3 %; JSON lines 485 for 350, -8 %.
enum FrameMethod: Hashable {
  /// What the level says.
  case general
  /// For text with many digits.
  case digits
  /// For text of digits and little else.
  case numbers

  /// Bytes of a text that are looked at: all of a short one, else in pieces from end to end.
  private static let pieceCount = 16
  private static let pieceByteCount = 64

  /// Chooses by the share of digits.
  init(for text: UnsafeRawBufferPointer) {
    let seen = min(text.count, Self.pieceCount * Self.pieceByteCount)
    var digitCount = 0
    if seen == text.count {
      digitCount = unsafe Self.digitCount(text[...])
    } else {
      for piece in 0..<Self.pieceCount {
        let start = (text.count - Self.pieceByteCount) * piece / (Self.pieceCount - 1)
        digitCount += unsafe Self.digitCount(text[start..<start + Self.pieceByteCount])
      }
    }
    self = digitCount * 5 >= seen * 4 ? .numbers : digitCount * 9 >= seen * 4 ? .digits : .general
  }

  private static func digitCount(_ text: Slice<UnsafeRawBufferPointer>) -> Int {
    var count = 0
    for index in unsafe text.startIndex..<text.endIndex {
      unsafe count += text[index] &- UInt8(ascii: "0") < 10 ? 1 : 0
    }
    return count
  }

  /// What a text of digits that do not repeat one another cannot get below: where a frame made by
  /// `.numbers` is smaller, they do, and a better search finds more.
  static func leastOfDigits(_ byteCount: Int) -> Int { byteCount * 3 / 8 }

  /// What is set beside the level; 0 is the level's own.
  var parameters: [(ZSTD_cParameter, Int32)] {
    let (hash, match, step): (Int32, Int32, Int32) =
      switch self {
      case .general: (0, 0, 0)
      case .digits: (11, 6, 0)
      case .numbers: (8, 6, 6)
      }
    return [
      (ZSTD_c_hashLog, hash), (ZSTD_c_minMatch, match), (ZSTD_c_targetLength, step),
      (Self.literalMode, self == .general ? 0 : 1),
    ]
  }

  /// The parameter that says whether literals are compressed: 1 for yes, 0 for as libzstd likes,
  /// which with a step is no.
  ///
  /// Its number is that of `ZSTD_c_literalCompressionMode` since libzstd 1.4, a name for static
  /// linking alone.
  static let literalMode = ZSTD_c_experimentalParam5
}
