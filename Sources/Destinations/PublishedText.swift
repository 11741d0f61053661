import Compression
import Partials

/// The text of a published file, part by part: a plain file, or frames found by the seek table.
struct PublishedText: ~Copyable {
  private let file: File
  /// Where the text ends: of frames, where the seek table begins.
  private let end: UInt64
  private var frames: SeekTable?
  private var decompressor = FrameDecompressor()
  private var frame = 0
  private var offset: UInt64 = 0

  private static let partByteCount: UInt64 = 1 << 20

  /// Opens a file of the receipt.
  ///
  /// - Throws: `file` where it cannot be read, `inconsistent` where its size or its seek table is
  ///   not what it should be.
  init(folder: String, output: OutputEntry) throws(DestinationError) {
    let path = folder + "/" + output.name
    let file = try onDisk { () throws(FileError) in try File(path, .read) }
    let byteCount: UInt64
    do throws(FileError) {
      byteCount = try file.byteCount()
    } catch {
      throw DestinationError(error)
    }
    guard byteCount == output.byteCount else {
      throw Self.damaged(
        path, "has \(byteCount) bytes, the receipt says \(output.byteCount)")
    }
    if output.name.hasSuffix(".zst") {
      let table = try Self.table(of: file, byteCount)
      frames = table
      end = byteCount - UInt64(table.byteCount)
    } else {
      frames = nil
      end = byteCount
    }
    self.file = file
  }

  private static func table(
    of file: borrowing File, _ byteCount: UInt64
  ) throws(DestinationError) -> SeekTable {
    do throws(CompressionError) {
      guard let table = try OutputCheck.seekTable(file, byteCount) else {
        throw CompressionError(code: .truncated, context: "\(byteCount) bytes")
      }
      return table
    } catch {
      throw damaged(file.path, "its seek table cannot be read: \(error)")
    }
  }

  /// The next part of the text, or `nil` at its end.
  mutating func next() throws(DestinationError) -> [UInt8]? {
    guard let frames else { return try nextPart() }
    guard frame < frames.entries.count else { return nil }
    defer { frame += 1 }
    return try text(of: frames.entries[frame])
  }

  private mutating func nextPart() throws(DestinationError) -> [UInt8]? {
    guard offset < end else { return nil }
    let part = try read(Int(min(end - offset, Self.partByteCount)))
    offset += UInt64(part.count)
    return part
  }

  private mutating func text(
    of entry: SeekTable.Entry
  ) throws(DestinationError) -> [UInt8] {
    let place = "frame \(frame) at byte \(offset)"
    guard UInt64(entry.compressedByteCount) <= end - offset,
      entry.decompressedByteCount <= PartialHeader.frameByteLimit
    else { throw damaged("\(place): its sizes in the seek table are impossible") }
    let stored = try read(Int(entry.compressedByteCount))
    var text: [UInt8] = []
    do throws(CompressionError) {
      try decompressor.decompress(stored, into: &text, limit: Int(entry.decompressedByteCount))
    } catch {
      throw damaged("\(place): \(error)")
    }
    guard text.count == Int(entry.decompressedByteCount) else {
      throw damaged(
        "\(place): holds \(text.count) bytes of text, the seek table says "
          + "\(entry.decompressedByteCount)")
    }
    offset += UInt64(stored.count)
    return text
  }

  private func read(_ count: Int) throws(DestinationError) -> [UInt8] {
    do throws(FileError) {
      return try file.read(count: count, at: offset)
    } catch {
      throw DestinationError(error)
    }
  }

  func damaged(_ problem: String) -> DestinationError { Self.damaged(file.path, problem) }

  private static func damaged(_ path: String, _ problem: String) -> DestinationError {
    PublishedFolder.unsound("\(path): \(problem); `nightshift verify` tells what else is wrong")
  }
}
