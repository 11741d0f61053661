import ObjectStore
import Synchronization

/// Clocks that only pauses move, so that waiting takes no time, and chance that is always one half.
final class FakeTime: Sendable {
  private let state = Mutex(State())

  private struct State {
    var uptime = Duration.zero
    var pauses: [Duration] = []
    var wallOffset: Int64 = 0
  }

  /// The pauses so far.
  var pauses: [Duration] { state.withLock(\.pauses) }

  /// Sets the wall clock so many seconds away from the system's.
  func moveWallClock(bySeconds seconds: Int64) {
    state.withLock { $0.wallOffset = seconds * 1_000_000_000 }
  }

  func environment(_ variables: [String: String]) -> StoreEnvironment {
    StoreEnvironment(
      variables: ["AWS_EC2_METADATA_DISABLED": "true"].merging(variables) { $1 },
      wallClock: { systemWallClock() + self.state.withLock(\.wallOffset) },
      uptime: { self.state.withLock(\.uptime) },
      pause: { duration in
        self.state.withLock {
          $0.uptime += duration
          $0.pauses.append(duration)
        }
      },
      fraction: { 0.5 })
  }
}

/// Bytes that are the same for the same seed, and never repeat within a piece.
func sampleBytes(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
  var state = seed &* 0x9E37_79B9_7F4A_7C15
  return unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
    while filled < count {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      unsafe buffer[filled] = UInt8(truncatingIfNeeded: state >> 56)
      filled += 1
    }
  }
}

extension ObjectStore {
  /// Reads a range by its bounds.
  func bytes(
    _ uri: ObjectURI, version: ObjectVersion?, byteCount: UInt64? = nil, _ range: Range<Int>
  ) throws(ObjectError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: range.count)
    let count = try unsafe bytes.withUnsafeMutableBufferPointer { (buffer) throws(ObjectError) in
      try unsafe read(
        uri, version: version, byteCount: byteCount, at: UInt64(range.lowerBound),
        into: UnsafeMutableRawBufferPointer(buffer))
    }
    return Array(bytes.prefix(count))
  }
}

extension ObjectReader {
  /// Reads from an offset to the end, with reads of one size.
  func rest(from offset: UInt64 = 0, by count: Int) throws(ObjectError) -> [UInt8] {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: count)
    while true {
      let filledCount = try unsafe buffer.withUnsafeMutableBufferPointer {
        (buffer) throws(ObjectError) in
        try unsafe read(
          at: offset + UInt64(bytes.count), into: UnsafeMutableRawBufferPointer(buffer))
      }
      guard filledCount > 0 else { return bytes }
      bytes += buffer[..<filledCount]
    }
  }
}

/// The code of the error that a call ends with; nil where it ends well.
func code(_ body: () throws(ObjectError) -> Void) -> ObjectError.Code? {
  do throws(ObjectError) {
    try body()
    return nil
  } catch {
    return error.code
  }
}

/// The words of the error that a call ends with.
func words(_ body: () throws(ObjectError) -> Void) -> String {
  do throws(ObjectError) {
    try body()
    return ""
  } catch {
    return error.context
  }
}
