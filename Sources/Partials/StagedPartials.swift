package import Jobs
package import ObjectStore

/// The partials of one job in its destination's object store, each under its name.
///
/// A partial's name is the digest of its content, so that putting one twice does no harm and a
/// wrong one is known when it is read.
package struct StagedPartials: Sendable {
  private let store: ObjectStore
  private let prefix: ObjectURI

  /// Bytes sent or fetched at a time.
  private static let stepByteCount = 4 << 20

  /// Whether a job's partials go to an object store, because its output does.
  package static func areUsed(by request: JobRequest) -> Bool {
    ObjectURI.isURI(request.outputConfig.uri)
  }

  /// The partials of a job whose output goes to an object store.
  ///
  /// - Throws: `ObjectError` where the output's URI is none.
  package init(_ request: JobRequest, job: JobID) throws(ObjectError) {
    store = .shared
    prefix = try ObjectURI(request.outputConfig.uri).appending(".nightshift-\(job)/partials")
  }

  private func uri(of name: PartialName) -> ObjectURI {
    prefix.appending(name.digest.hexadecimal)
  }

  /// Puts a partial, unless it is there.
  ///
  /// - Parameters:
  ///   - name: Its name.
  ///   - read: Gives bytes of it from an offset, as many as asked for.
  /// - Throws: `ObjectError`, or what `read` fails with; no upload is left open.
  package func put(
    _ name: PartialName, read: (_ offset: UInt64, _ count: Int) throws -> [UInt8]
  ) throws {
    guard try !holds(name) else { return }
    let upload = ObjectUpload(to: uri(of: name), in: store)
    do {
      var offset: UInt64 = 0
      while offset < name.byteCount {
        let count = Int(min(name.byteCount - offset, UInt64(Self.stepByteCount)))
        try upload.append(try read(offset, count))
        offset += UInt64(count)
      }
      _ = try upload.finish()
    } catch {
      try? upload.abort()  // the first failure is the one to tell
      throw error
    }
  }

  /// Whether a partial of this name and size is there.
  package func holds(_ name: PartialName) throws(ObjectError) -> Bool {
    do throws(ObjectError) {
      return try store.status(of: uri(of: name)).byteCount == name.byteCount
    } catch {
      guard error.code == .missing else { throw error }
      return false
    }
  }

  /// Reads a partial's header.
  ///
  /// - Throws: `ObjectError`, or `PartialError` where it is none.
  package func header(of name: PartialName) throws -> PartialHeader {
    try PartialHeader(decoding: try read(name, at: 0, count: PartialHeader.byteCount))
  }

  /// Copies a partial into a file, which must not be there yet.
  ///
  /// - Throws: `ObjectError`, or `FileError`.
  package func fetch(_ name: PartialName, to path: String) throws {
    let file = try File(path, .create)
    var offset: UInt64 = 0
    while offset < name.byteCount {
      let bytes = try read(name, at: offset, count: Self.stepByteCount)
      try file.write(bytes, at: offset)
      offset += UInt64(bytes.count)
    }
  }

  private func read(
    _ name: PartialName, at offset: UInt64, count: Int
  ) throws(ObjectError) -> [UInt8] {
    let wanted = Int(min(UInt64(count), name.byteCount - min(offset, name.byteCount)))
    var bytes = [UInt8](repeating: 0, count: wanted)
    let filled = try unsafe bytes.withUnsafeMutableBufferPointer { (buffer) throws(ObjectError) in
      try unsafe store.read(
        uri(of: name), version: nil, byteCount: name.byteCount, at: offset,
        into: UnsafeMutableRawBufferPointer(buffer))
    }
    guard filled == wanted else {
      throw ObjectError(code: .malformed, context: "\(uri(of: name)): ends too early")
    }
    return bytes
  }

  /// Removes all partials of the job, and uploads of them that never ended.
  package func removeAll() throws(ObjectError) {
    try store.abortUploads(below: prefix)
    var pages = store.pages(of: prefix)
    while let page = try pages.next() {
      for entry in page.entries { try store.delete(entry.uri) }
    }
  }
}
