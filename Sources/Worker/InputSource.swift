import Digests
import Dispatch
import Foundation
import Glibc
import Jobs
import Leasing
import Synchronization
import Tables
import Wire

/// Opens a lease's input: the worker's own path where it shows the same file, otherwise the
/// coordinator's bytes.
func openInput(
  _ sealed: SealedGrant, slot: ScoringSlot, link: CoordinatorLink, alwaysFetches: Bool
) throws -> any ByteSource {
  let input = sealed.details.input
  if InputAccess.isRemote(input.path), !alwaysFetches {
    return try InputAccess().open(
      input.path, byteCount: input.byteCount, version: input.version,
      expectedEnd: storedEnd(of: sealed), isOver: { slot.command != .goOn })
  }
  if !alwaysFetches, showsSameFile(sealed.details) {
    return try FileSource(path: sealed.details.input.path)
  }
  return RemoteSource(sealed, slot: slot, link: link)
}

/// The stored byte at which a reader of the lease stops, but for the rest of its last record; `nil`
/// where offsets tell nothing of stored bytes.
func storedEnd(of sealed: SealedGrant) -> UInt64? {
  let (blocks, details) = (sealed.grant.lease.blocks, sealed.details)
  if details.input.compression != .none { return details.places?.upperBound }
  guard details.places == nil else { return nil }
  return details.rangeOffset + UInt64(blocks.end) * details.blockLength
}

/// Whether a local path has the planned size and, at each probed place, the same bytes.
///
/// Its time is not compared: network file systems and copies show others.
private func showsSameFile(_ details: GrantDetails) -> Bool {
  let descriptor = unsafe open(details.input.path, O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else { return false }
  defer { close(descriptor) }
  var status = stat()
  guard unsafe fstat(descriptor, &status) == 0,
    UInt64(status.st_size) == details.input.byteCount
  else { return false }
  return details.probes.allSatisfy { probe in
    let count = Int(probe.byteCount)
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      filled = max(
        0, unsafe pread(descriptor, buffer.baseAddress, count, off_t(probe.offset)))
    }
    let digest = XXH3.digest(of: bytes)
    return bytes.count == count && probe.digest == [digest.high, digest.low]
  }
}

/// An input read through the coordinator's bulk listener, one piece ahead.
///
/// `read` blocks the scoring thread, never the cooperative pool, until the bytes are there or the
/// slot is told to stop: an outage of the coordinator may take minutes.
final class RemoteSource: ByteSource {
  private static let pieceByteCount = 1 << 20

  private let sealed: SealedGrant
  private let slot: ScoringSlot
  private let link: CoordinatorLink
  private var piece: [UInt8] = []
  private var pieceOffset: UInt64 = 0
  private var ahead: Fetch?

  init(_ sealed: SealedGrant, slot: ScoringSlot, link: CoordinatorLink) {
    self.sealed = sealed
    self.slot = slot
    self.link = link
  }

  var byteCount: UInt64? { sealed.details.input.byteCount }

  func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    guard offset < sealed.details.input.byteCount else { return 0 }
    if offset < pieceOffset || offset >= pieceOffset + UInt64(piece.count) {
      try load(offset)
    }
    let start = Int(offset - pieceOffset)
    let count = min(buffer.count, piece.count - start)
    unsafe piece.withUnsafeBytes { bytes in
      unsafe buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[start..<start + count]))
    }
    return count
  }

  private func load(_ offset: UInt64) throws {
    let fetch = ahead?.offset == offset ? ahead : nil
    piece = try (fetch ?? Fetch(sealed, at: offset, link: link)).wait(for: slot)
    pieceOffset = offset
    guard !piece.isEmpty else {
      throw WorkerError("\(sealed.details.input.path): the coordinator sent no bytes at \(offset)")
    }
    let next = offset + UInt64(piece.count)
    ahead = next < sealed.details.input.byteCount ? Fetch(sealed, at: next, link: link) : nil
  }

  /// One piece on its way.
  private final class Fetch: Sendable {
    let offset: UInt64
    private let result: Arrival
    private let arrived = DispatchSemaphore(value: 0)
    private let task: Task<Void, Never>

    init(_ sealed: SealedGrant, at offset: UInt64, link: CoordinatorLink) {
      self.offset = offset
      let (result, arrived) = (Arrival(), arrived)
      self.result = result
      task = Task {
        do {
          let bytes = try await link.input(sealed, at: offset, count: pieceByteCount)
          result.value.withLock { $0 = .success(bytes) }
        } catch {
          result.value.withLock { $0 = .failure(error) }
        }
        arrived.signal()
      }
    }

    deinit { task.cancel() }

    /// Waits for the bytes.
    ///
    /// - Throws: `Interrupted` once the slot is told to stop.
    func wait(for slot: ScoringSlot) throws -> [UInt8] {
      while arrived.wait(timeout: .now() + .milliseconds(50)) == .timedOut {
        guard slot.command == .goOn else { throw Interrupted() }
      }
      guard let bytes = result.value.withLock({ $0 }) else { return [] }
      return try bytes.get()
    }
  }

  /// What a fetch brings; the task that brings it must not keep the fetch alive.
  private final class Arrival: Sendable {
    let value = Mutex<Result<[UInt8], any Error>?>(nil)
  }
}

/// The scoring thread was told to stop while it waited for bytes.
struct Interrupted: Error {}
