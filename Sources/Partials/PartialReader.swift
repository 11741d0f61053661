import Compression
import Digests
package import Jobs

/// A partial at rest, read by whoever trusts neither its writer nor the disk.
///
/// No size is believed before the header's checksum, the file's own size and the limits agree, so
/// nothing larger than the file is ever set aside for it.
package struct PartialReader: ~Copyable {
  package let header: PartialHeader
  private let file: File
  private let frames: [BlockFrames]

  /// One block's frames, in order.
  package struct BlockFrames: Hashable, Sendable {
    package var results: [PartialFrame] = []
    package var errors: [PartialFrame] = []
  }

  /// Opens a partial; checks the header and the frame table, not the frames.
  package init(path: String) throws(PartialError) {
    let file = try inFile { () throws(FileError) in try File(path, .read) }
    let parts: (header: PartialHeader, frames: [BlockFrames])
    do throws(PartialError) {
      parts = try Self.parts(of: file)
    } catch {
      throw PartialError(code: error.code, context: "\(path): \(error.context)")
    }
    header = parts.header
    frames = parts.frames
    self.file = file
  }

  private static func parts(
    of file: borrowing File
  ) throws(PartialError) -> (header: PartialHeader, frames: [BlockFrames]) {
    let byteCount = try file.checked { (file) throws(FileError) in try file.byteCount() }
    guard byteCount >= UInt64(PartialHeader.byteCount) else {
      throw PartialError(code: .damaged, context: "only \(byteCount) bytes")
    }
    let bytes = try file.checked { (file) throws(FileError) in
      try file.read(count: PartialHeader.byteCount, at: 0)
    }
    let header = try PartialHeader(decoding: bytes)
    guard header.fileByteCount == byteCount else {
      throw PartialError(
        code: .damaged, context: "\(byteCount) bytes, the header says \(header.fileByteCount)")
    }
    return (header, try frames(of: header, table: try table(of: header, file)))
  }

  package var path: String { file.path }

  /// A block's frames; traps for a block that is not in the partial.
  package func frames(of block: Int) -> BlockFrames { frames[block - header.firstBlock] }

  /// Reads one frame as it is stored.
  package func stored(_ frame: PartialFrame) throws(PartialError) -> [UInt8] {
    try file.checked { (file) throws(FileError) in
      try file.read(count: Int(frame.storedByteCount), at: frame.offset)
    }
  }

  /// Reads all bytes again and holds them against the digests in the header.
  ///
  /// - Parameter name: What the partial was called when it was made; `nil` where only the file
  ///   itself is asked.
  /// - Throws: `damaged`, or what the disk says.
  package func verify(name: PartialName? = nil) throws(PartialError) {
    if let name, name != header.name {
      throw damaged("it is not the partial \(name.digest.hexadecimal)")
    }
    var hash = SHA256()
    var position = UInt64(PartialHeader.byteCount)
    var changedBlock: Int?
    let buffer = UnsafeMutableRawBufferPointer.allocate(
      byteCount: Int(min(header.fileByteCount, Self.stepByteCount)), alignment: 64)
    defer { unsafe buffer.deallocate() }
    for (index, block) in header.blocks.enumerated() {
      // A block's frames follow one another, and the blocks as well.
      var blockHash = XXH3()
      try unsafe read(from: &position, count: block.storedByteCount, through: buffer) { bytes in
        unsafe hash.update(bytes)
        unsafe blockHash.update(bytes)
      }
      if blockHash.finish() != block.storedDigest {
        changedBlock = changedBlock ?? header.firstBlock + index
      }
    }
    let rest = header.fileByteCount - position
    try unsafe read(from: &position, count: rest, through: buffer) { bytes in
      unsafe hash.update(bytes)
    }
    guard hash.finish() == header.bodyDigest else { throw damaged("its body is not what it was") }
    if let changedBlock { throw damaged("block \(changedBlock) is not what it was") }
  }

  /// Bytes read at a time where the whole file is digested.
  private static let stepByteCount: UInt64 = 256 << 10

  /// Reads bytes that follow one another, a bufferful at a time.
  private func read(
    from position: inout UInt64, count: UInt64, through buffer: UnsafeMutableRawBufferPointer,
    _ body: (UnsafeRawBufferPointer) -> Void
  ) throws(PartialError) {
    let end = position + count
    while position < end {
      let step = min(end - position, UInt64(buffer.count))
      let part = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[..<Int(step)])
      let offset = position
      try file.checked { (file) throws(FileError) in try unsafe file.read(into: part, at: offset) }
      unsafe body(UnsafeRawBufferPointer(part))
      position += step
    }
  }

  /// Reads one block's frames and holds them against its digest in the header.
  package func verify(block: Int) throws(PartialError) {
    var hash = XXH3()
    let frames = frames(of: block)
    for frame in frames.results + frames.errors { hash.update(try stored(frame)) }
    guard hash.finish() == header.blocks[block - header.firstBlock].storedDigest else {
      throw damaged("block \(block) is not what it was")
    }
  }

  package func damaged(_ reason: String) -> PartialError {
    PartialError(code: .damaged, context: "\(path): \(reason)")
  }

  /// The stored sizes of all frames, from the end of the file.
  private static func table(
    of header: PartialHeader, _ file: borrowing File
  ) throws(PartialError) -> ByteReader {
    let byteCount = header.frameCount * 8
    let offset = header.fileByteCount - UInt64(byteCount)
    let bytes = try file.checked { (file) throws(FileError) in
      try file.read(count: byteCount, at: offset)
    }
    return ByteReader(bytes: bytes, offset: 0)
  }

  private static func frames(
    of header: PartialHeader, table: ByteReader
  ) throws(PartialError) -> [BlockFrames] {
    var table = table
    var all: [BlockFrames] = []
    var offset = UInt64(PartialHeader.byteCount)
    for block in header.blocks {
      all.append(
        BlockFrames(
          results: try frames(block.results, &table, &offset),
          errors: try frames(block.errors, &table, &offset)))
    }
    return all
  }

  private static func frames(
    _ sizes: PartialHeader.FrameSizes, _ table: inout ByteReader, _ offset: inout UInt64
  ) throws(PartialError) -> [PartialFrame] {
    var frames: [PartialFrame] = []
    var found = PartialHeader.FrameSizes()
    for _ in 0..<sizes.frameCount {
      let frame = PartialFrame(
        offset: offset, storedByteCount: table.word32(), rawByteCount: table.word32())
      guard frame.storedByteCount > 0, frame.rawByteCount > 0,
        frame.rawByteCount <= PartialHeader.frameByteLimit
      else { throw PartialError(code: .damaged, context: "impossible frame at byte \(offset)") }
      found.add(frame)
      frames.append(frame)
      offset += UInt64(frame.storedByteCount)
    }
    guard found == sizes else {
      throw PartialError(
        code: .damaged, context: "the frame table differs from the header before byte \(offset)")
    }
    return frames
  }
}

extension File {
  /// Reads, and gives a failure this module's type.
  fileprivate borrowing func checked<Result>(
    _ body: (borrowing File) throws(FileError) -> Result
  ) throws(PartialError) -> Result {
    do throws(FileError) { return try body(self) } catch { throw PartialError(error) }
  }
}

private func inFile(
  _ body: () throws(FileError) -> File
) throws(PartialError) -> File {
  do throws(FileError) { return try body() } catch { throw PartialError(error) }
}
