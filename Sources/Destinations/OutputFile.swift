import Compression
import Digests
import Partials

/// One file of the output as the receipt lists it.
package struct OutputEntry: Hashable, Sendable, Codable {
  package let name: String
  package let byteCount: UInt64
  /// SHA-256 of the whole file, hexadecimal.
  package let sha256: String
  /// Result or error records in it.
  package let records: UInt64
}

/// A file of the output while it is written: appended to, digested, kept for good at the end.
struct OutputFile: ~Copyable {
  let name: String
  var recordCount: UInt64 = 0
  private let target: any OutputTarget
  private var offset: UInt64 = 0
  private var hash = SHA256()
  private var buffer: [UInt8] = []
  private var seekTable = SeekTable()
  private let isCompressed: Bool

  private static let bufferByteCount = 1 << 20

  /// Makes the file.
  ///
  /// - Parameters:
  ///   - place: Where it is made; it must not be there yet.
  ///   - name: Its name in that place.
  ///   - isCompressed: Whether frames are appended, and a seek table ends the file.
  /// - Throws: `FileError`.
  init(in place: any OutputPlace, name: String, isCompressed: Bool) throws(FileError) {
    self.name = name
    self.isCompressed = isCompressed
    target = try place.makeTarget(name)
    buffer.reserveCapacity(Self.bufferByteCount)
  }

  mutating func append(_ bytes: [UInt8]) throws(FileError) {
    if buffer.count + bytes.count > Self.bufferByteCount { try flush() }
    if bytes.count > Self.bufferByteCount { try write(bytes) } else { buffer += bytes }
  }

  /// Appends one zstd frame and its entry in the seek table.
  mutating func append(frame: [UInt8], rawByteCount: UInt32) throws(FileError) {
    try append(frame)
    do throws(CompressionError) {
      try seekTable.append(
        SeekTable.Entry(
          compressedByteCount: UInt32(frame.count), decompressedByteCount: rawByteCount))
    } catch {
      throw FileError(code: .other(0), context: "\(name): \(error)")
    }
  }

  /// Ends the file and has its place keep it.
  consuming func finish() throws(FileError) -> OutputEntry {
    if isCompressed {
      var table: [UInt8] = []
      seekTable.encode(into: &table)
      try append(table)
    }
    try flush()
    try target.finish()
    let digest = hash.finish()
    return OutputEntry(
      name: name, byteCount: offset, sha256: digest.description, records: recordCount)
  }

  private mutating func flush() throws(FileError) {
    guard !buffer.isEmpty else { return }
    let full = exchange(&buffer, with: [])
    try write(full)
    buffer = full
    buffer.removeAll(keepingCapacity: true)
  }

  private mutating func write(_ bytes: [UInt8]) throws(FileError) {
    hash.update(bytes)
    try target.append(bytes)
    offset += UInt64(bytes.count)
  }
}

/// Text cut into frames of one mebibyte, whatever pieces it comes in.
struct TextOutput: ~Copyable {
  private(set) var file: OutputFile
  private var compressor: FrameCompressor?
  private var pending: [UInt8] = []

  private static let frameByteCount = 1 << 20
  /// Fixed, because the output's bytes depend on it.
  private static let level = 3

  init(in place: any OutputPlace, name: String, isCompressed: Bool) throws(FileError) {
    file = try OutputFile(in: place, name: name, isCompressed: isCompressed)
    compressor = isCompressed ? FrameCompressor(level: Self.level) : nil
  }

  /// Appends one record's line.
  mutating func append(line: [UInt8]) throws(FileError) {
    file.recordCount += 1
    guard compressor != nil else { return try file.append(line) }
    pending += line
    while pending.count >= Self.frameByteCount {
      try writeFrame(Array(pending.prefix(Self.frameByteCount)))
      pending.removeFirst(Self.frameByteCount)
    }
  }

  consuming func finish() throws(FileError) -> OutputEntry {
    if !pending.isEmpty { try writeFrame(pending) }
    return try file.finish()
  }

  private mutating func writeFrame(_ text: [UInt8]) throws(FileError) {
    var frame: [UInt8] = []
    do throws(CompressionError) {
      try compressor?.compress(text, into: &frame)
    } catch {
      fatalError("zstd cannot compress: \(error)")  // no memory, or a broken library
    }
    try file.append(frame: frame, rawByteCount: UInt32(text.count))
  }
}
