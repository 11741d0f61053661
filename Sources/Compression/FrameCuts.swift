/// A place where a reader of a compressed file may start: a frame or member begins there.
package struct FrameCut: Hashable, Sendable {
  /// Offset in the text, in bytes.
  package let textOffset: UInt64
  /// Offset in the file as stored, in bytes.
  package let storedOffset: UInt64

  /// Makes a cut.
  package init(textOffset: UInt64, storedOffset: UInt64) {
    self.textOffset = textOffset
    self.storedOffset = storedOffset
  }

  /// Where every file begins.
  package static let begin = FrameCut(textOffset: 0, storedOffset: 0)
}

/// The places where the text of a compressed file may be cut into shards.
///
/// Found without unpacking anything, in memory that does not grow with the file but for the cuts
/// themselves. The sizes of the text are what the file claims; whoever reads a shard has to check
/// that it begins and ends where its cuts say (`DecompressingSource` does), so that a file that
/// lies is found out and never read twice or with gaps.
package struct FrameCuts: Hashable, Sendable {
  /// The bounds of the shards: the first at 0, the last at the file's end; empty where the text is
  /// one shard whose size is not known.
  package let cuts: [FrameCut]
  /// What the user should know, or nil.
  package let note: Note?

  /// Why a file is not cut, or not as it might be.
  package enum Note: Hashable, Sendable {
    /// The zstd file is one frame.
    case oneFrame
    /// The zstd frame at this stored offset does not tell the size of its text.
    case sizeUnknown(at: UInt64)
    /// The gzip member at this stored offset is not one of blocked gzip.
    case plainGzip(at: UInt64)
    /// The blocked gzip file lacks the empty block that ends it.
    case noEndMark
  }

  /// How much text a shard has, about.
  package static let shardByteCount: UInt64 = 64 << 20
  /// Most cuts of a file.
  package static let cutLimit = 10_000_000
  /// Files up to this size, as stored, are one shard without a note: nobody waits for them.
  package static let unnotedByteCount: UInt64 = 4 << 20

  /// Makes a list of cuts.
  package init(cuts: [FrameCut], note: Note? = nil) {
    self.cuts = cuts
    self.note = note
  }

  /// Finds the cuts of a file.
  ///
  /// zstd: by the seek table that ends the file, where there is one that agrees with the frames at
  /// the cuts; otherwise by the headers of all frames and blocks. gzip: by the sizes that each
  /// block of blocked gzip tells. What lies between is passed over, not read.
  ///
  /// - Parameters:
  ///   - compression: The file's format.
  ///   - byteCount: Size of the file.
  ///   - shardByteCount: How much text a shard should have; cuts lie only between frames, each at
  ///     the frame's begin that comes nearest.
  ///   - readAheadByteCount: How much is read at a time; more than one block where requests are
  ///     slow.
  ///   - name: What errors call the file.
  ///   - read: Gives bytes from an offset on, at most as many as asked for and none only at the
  ///     end.
  /// - Returns: The cuts.
  /// - Throws: `CompressionError`: `truncated`, `corrupt`, or `tooLarge` for a window that no
  ///   reader accepts; what `read` throws.
  package static func find(
    in compression: TextCompression, byteCount: UInt64,
    shardByteCount: UInt64 = FrameCuts.shardByteCount,
    readAheadByteCount: Int = PeekWindow.peekLimit,
    name: String, read: @escaping (UInt64, Int) throws -> [UInt8]
  ) throws -> FrameCuts {
    guard byteCount > 0 else {
      throw CompressionError(
        code: .truncated, context: "\(name): an empty file is no \(compression)")
    }
    var window = PeekWindow(
      byteCount: byteCount, capacity: readAheadByteCount, name: name, read: read)
    var list = CutList(shardByteCount: shardByteCount)
    switch compression {
    case .gzip: return try blockedGzip(&window, &list)
    case .zstd: break
    }
    if let table = try seekTable(&window, shardByteCount: shardByteCount) { return table }
    return try frames(&window, &list)
  }

  /// What a file gives that cannot be cut.
  static func whole(_ note: Note, _ window: borrowing PeekWindow) -> FrameCuts {
    FrameCuts(cuts: [], note: window.byteCount > unnotedByteCount ? note : nil)
  }
}

extension FrameCuts.Note: CustomStringConvertible {
  /// What it means for the job, and what to do.
  package var description: String {
    switch self {
    case .oneFrame:
      "is one zstd frame and so one shard; write many frames (such as with a seekable or "
        + "parallel writer) to have it read in parallel"
    case .sizeUnknown(let offset):
      "is one shard: the zstd frame at byte \(offset) does not tell the size of its text"
    case .plainGzip(let offset):
      "is one shard: at byte \(offset) it is ordinary gzip, which cannot be cut; use blocked "
        + "gzip (bgzip) or zstd with many frames"
    case .noEndMark:
      "lacks the empty block that ends blocked gzip; it may have been cut off"
    }
  }
}

/// Puts frames together to shards.
struct CutList {
  /// The cuts so far.
  private(set) var cuts = [FrameCut.begin]
  /// How many frames with text there were.
  private(set) var frameCount = 0
  private(set) var textOffset: UInt64 = 0
  let shardByteCount: UInt64

  init(shardByteCount: UInt64) {
    precondition(shardByteCount > 0)
    self.shardByteCount = shardByteCount
  }

  /// Adds the next frame.
  ///
  /// - Returns: Whether a cut was made before it; nil where the sizes or cuts are too many.
  mutating func append(textByteCount: UInt64, storedOffset: UInt64) -> Bool? {
    guard textByteCount > 0 else { return false }
    frameCount += 1
    let held = textOffset - (cuts.last?.textOffset ?? 0)
    let (end, overflow) = textOffset.addingReportingOverflow(textByteCount)
    guard !overflow, end <= UInt64(Int64.max) else { return nil }
    // The nearer bound wins: this frame's begin, if with it the shard is further from its size.
    let isCut = held > 0 && held + textByteCount / 2 > shardByteCount
    if isCut {
      guard cuts.count < FrameCuts.cutLimit else { return nil }
      cuts.append(FrameCut(textOffset: textOffset, storedOffset: storedOffset))
    }
    textOffset = end
    return isCut
  }

  /// The cuts with the file's end, and what to say of a file of many frames.
  func finished(storedByteCount: UInt64, note: FrameCuts.Note? = nil) -> FrameCuts {
    let end = FrameCut(textOffset: textOffset, storedOffset: storedByteCount)
    let isAlone = frameCount == 1 && textOffset > 2 * shardByteCount
    return FrameCuts(cuts: cuts + [end], note: isAlone ? .oneFrame : note)
  }
}
