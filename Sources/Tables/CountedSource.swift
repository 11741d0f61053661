/// An input whose reading at planning takes long enough to tell of it.
///
/// Packed text without a table of its frames can be cut only by someone who has gone through all of
/// it: from a store that takes as long as its bytes do.
package final class CountedSource: ByteSource {
  /// Bytes between two reports.
  package static let reportByteCount: UInt64 = 1 << 30
  /// From so many bytes on the plan has a note of it.
  package static let notedByteCount: UInt64 = 256 << 20

  /// Bytes read so far.
  package private(set) var readByteCount: UInt64 = 0
  private var base: any ByteSource
  private let name: String
  private let report: (String) -> Void
  private var reportedCount: UInt64 = 0

  /// - Parameters:
  ///   - base: The bytes.
  ///   - name: What reports call them.
  ///   - report: Called with a sentence now and then.
  package init(_ base: any ByteSource, name: String, report: @escaping (String) -> Void) {
    self.base = base
    self.name = name
    self.report = report
  }

  /// As the base has it.
  package var byteCount: UInt64? { base.byteCount }

  /// Reads, counts and reports.
  package func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    let count = try unsafe base.read(at: offset, into: buffer)
    readByteCount += UInt64(count)
    if readByteCount / Self.reportByteCount > reportedCount {
      reportedCount = readByteCount / Self.reportByteCount
      let size = byteCount.map { " of \($0 >> 30)" } ?? ""
      report("planning: looking for frames in \(name), \(readByteCount >> 30)\(size) GiB read")
    }
    return count
  }

  /// What the plan says of it, nil where it was little.
  package var note: String? {
    guard readByteCount >= Self.notedByteCount else { return nil }
    return "was read at planning, \(readByteCount >> 20) MiB, to find its frames: a seek table "
      + "(seekable zstd) at its end spares that"
  }
}
