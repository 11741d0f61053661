import Foundation
import Synchronization

/// One version of an object, read by offset, with ranged GETs under way before they are needed.
///
/// A read that goes on where the last one ended starts reading ahead: one piece at first, twice
/// as many after each one used, up to `pieceLimit` pieces of `pieceByteCount` on their way or waiting,
/// 64 MiB with the usual limits, and never beyond `expectedEnd`. A read beyond it is for the rest of
/// a record, mostly: it asks for `tailByteCount`, a further one for twice as much, and so on, so that
/// a long record takes few requests too. Any other read asks for just what it is given a buffer for
/// and drops what was read ahead elsewhere. Threads of this reader carry
/// the requests; they end when it goes. One thread at a time may call it.
package final class ObjectReader {
  /// The object.
  package let uri: ObjectURI
  /// Its size in bytes.
  package let byteCount: UInt64
  /// Where the caller will stop: nothing is read ahead beyond it.
  package var expectedEnd: UInt64
  private let version: ObjectVersion?
  private let store: ObjectStore
  private let cancellation: Cancellation?
  /// Where a read would go on from the last one.
  private var next: UInt64?
  /// How many pieces may be ahead; grows as reads go on from each other.
  private var window = 1
  /// Of the next piece beyond `expectedEnd`, in bytes.
  private var tailLength = ObjectReader.tailByteCount
  /// Consecutive pieces, the first holding `next`.
  private var pieces: [ReadAhead] = []

  /// Of the first piece beyond `expectedEnd`.
  package static let tailByteCount: UInt64 = 64 << 10

  /// Opens a version of an object; nothing is asked of the store yet.
  ///
  /// - Parameters:
  ///   - uri: The object.
  ///   - version: Its version, as a listing or `status(of:)` told it.
  ///   - byteCount: Its size.
  ///   - store: What to read it from.
  ///   - cancellation: Ends reads from another thread; they then throw `cancelled`. By default the
  ///     one of whoever watches this thread.
  package init(
    _ uri: ObjectURI, version: ObjectVersion?, byteCount: UInt64, in store: ObjectStore,
    cancellation: Cancellation? = nil
  ) {
    self.cancellation = cancellation ?? StoreWatch.current?.cancellation
    self.uri = uri
    self.version = version
    self.byteCount = byteCount
    self.store = store
    expectedEnd = byteCount
  }

  /// Opens what is there now.
  ///
  /// - Throws: `ObjectError`: `missing`.
  package convenience init(_ uri: ObjectURI, in store: ObjectStore) throws(ObjectError) {
    let status = try store.status(of: uri)
    self.init(uri, version: status.version, byteCount: status.byteCount, in: store)
  }

  deinit { for piece in pieces { piece.cancel() } }

  /// Fills a buffer from an offset.
  ///
  /// - Parameters:
  ///   - offset: Where to begin.
  ///   - buffer: What to fill; not empty.
  /// - Returns: How many bytes were filled, 0 only at the object's end.
  /// - Throws: `ObjectError`: `changed` where the object is not the one that was opened.
  package func read(
    at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer
  ) throws(ObjectError) -> Int {
    guard offset < byteCount else { return 0 }
    guard next == offset || holds(offset) else {
      return try unsafe readDirectly(at: offset, into: buffer)
    }
    dropPieces(before: offset)
    fillWindow(from: offset)
    guard let piece = pieces.first else {
      return try unsafe readDirectly(at: offset, into: buffer)
    }
    let count = try unsafe piece.copy(from: offset, into: buffer)
    next = offset + UInt64(count)
    if next == piece.end {
      pieces.removeFirst()
      window = min(window * 2, store.limits.pieceLimit)
    }
    return count
  }

  private func readDirectly(
    at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer
  ) throws(ObjectError) -> Int {
    dropPieces(before: .max)
    window = 1
    tailLength = Self.tailByteCount
    let count = min(buffer.count, store.limits.pieceByteCount)
    let target = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
    let filledCount = try unsafe store.read(
      uri, version: version, byteCount: byteCount, at: offset, into: target,
      cancellation: cancellation)
    next = offset + UInt64(filledCount)
    return filledCount
  }

  private func holds(_ offset: UInt64) -> Bool {
    pieces.contains { ($0.start..<$0.end).contains(offset) }
  }

  private func dropPieces(before offset: UInt64) {
    while let piece = pieces.first, piece.end <= offset {
      piece.cancel()
      pieces.removeFirst()
    }
  }

  private func fillWindow(from offset: UInt64) {
    var start = pieces.last?.end ?? offset
    let end = min(byteCount, expectedEnd)
    while pieces.count < window, start < end {
      let length = min(UInt64(store.limits.pieceByteCount), end - start)
      ask(for: start..<(start + length))
      start += length
    }
    // Beyond the expected end only what somebody waits for.
    guard pieces.isEmpty, start < byteCount else { return }
    ask(for: start..<min(byteCount, start + tailLength))
    tailLength = min(tailLength * 2, UInt64(store.limits.pieceByteCount))
  }

  private func ask(for range: Range<UInt64>) {
    pieces.append(
      ReadAhead(
        uri, version: version, byteCount: byteCount, range: range, in: store, isOver: cancellation))
  }
}

/// One piece of an object on its way, on a thread of its own.
private final class ReadAhead: Sendable {
  let start: UInt64
  let end: UInt64
  private let state = Mutex(State.running)
  private let isDone = DispatchSemaphore(value: 0)
  private let cancellation: Cancellation

  private enum State {
    case running
    case done([UInt8])
    case failed(ObjectError)
  }

  init(
    _ uri: ObjectURI, version: ObjectVersion?, byteCount: UInt64, range: Range<UInt64>,
    in store: ObjectStore, isOver: Cancellation?
  ) {
    cancellation = Cancellation { isOver?.isCancelled == true }
    start = range.lowerBound
    end = range.upperBound
    let thread = Thread { [self] in
      run(uri, version, byteCount, store)
      isDone.signal()
    }
    thread.stackSize = 512 << 10
    thread.start()
  }

  /// Has the request end: nobody waits for it.
  func cancel() { cancellation.cancel() }

  private func run(
    _ uri: ObjectURI, _ version: ObjectVersion?, _ byteCount: UInt64, _ store: ObjectStore
  ) {
    var bytes = [UInt8](repeating: 0, count: Int(end - start))
    do throws(ObjectError) {
      var done = 0
      try unsafe bytes.withUnsafeMutableBufferPointer { (buffer) throws(ObjectError) in
        while done < buffer.count {
          let rest = unsafe UnsafeMutableRawBufferPointer(
            UnsafeMutableBufferPointer(rebasing: buffer[done...]))
          done += try unsafe store.read(
            uri, version: version, byteCount: byteCount, at: start + UInt64(done), into: rest,
            cancellation: cancellation)
        }
      }
      state.withLock { $0 = .done(bytes) }
    } catch {
      state.withLock { $0 = .failed(error) }
    }
  }

  /// Waits for the piece and copies from it.
  func copy(
    from offset: UInt64, into buffer: UnsafeMutableRawBufferPointer
  ) throws(ObjectError) -> Int {
    isDone.wait()
    isDone.signal()
    switch state.withLock({ $0 }) {
    case .running: fatalError("a piece that is done has bytes or an error")
    case .failed(let error): throw error
    case .done(let bytes):
      let first = Int(offset - start)
      let count = min(buffer.count, bytes.count - first)
      unsafe buffer.copyBytes(from: bytes[first..<(first + count)])
      return count
    }
  }
}
