internal import CWire
internal import Jobs

/// The memory that protobuf-c may hold while it unpacks one frame.
///
/// A field of two bytes on the wire can take 68 bytes in memory, so the size of a frame alone does
/// not bound what it costs. An allocation beyond the budget fails, and with it the frame.
@safe package final class AllocationBudget {
  package private(set) var usage: Usage

  /// What was allocated; one value, so that each allocation is one access to the object.
  package struct Usage: Hashable, Sendable {
    let byteLimit: Int
    let failingAllocation: Int?
    /// Bytes held now and at most; each allocation counts with what it takes beside its contents.
    package private(set) var liveByteCount = 0
    package private(set) var peakByteCount = 0
    package private(set) var allocationCount = 0
    package private(set) var freeCount = 0
    /// Whether an allocation was refused.
    package private(set) var isExceeded = false

    init(byteLimit: Int, failingAllocation: Int?) {
      self.byteLimit = byteLimit
      self.failingAllocation = failingAllocation
    }

    /// Takes bytes from what is left, or answers that they are not there.
    mutating func take(_ byteCount: Int) -> Bool {
      let ordinal = allocationCount + (isExceeded ? 1 : 0)
      let left = byteLimit - liveByteCount - AllocationBudget.overheadByteCount
      guard byteCount >= 0, byteCount <= left, ordinal != failingAllocation else {
        isExceeded = true
        return false
      }
      allocationCount += 1
      liveByteCount += byteCount + AllocationBudget.overheadByteCount
      peakByteCount = max(peakByteCount, liveByteCount)
      return true
    }

    mutating func giveBack(_ byteCount: Int) {
      freeCount += 1
      liveByteCount -= byteCount + AllocationBudget.overheadByteCount
    }
  }

  /// Before each allocation stands its size; 16 bytes keep what follows aligned.
  private static let headerByteCount = 16
  /// What an allocation takes beside what was asked for: our header and that of `malloc`.
  private static let overheadByteCount = 32

  /// A budget of some bytes.
  ///
  /// - Parameters:
  ///   - byteLimit: Bytes held at once.
  ///   - failingAllocation: An allocation to refuse, counted from 0, for tests of what follows.
  package init(byteLimit: Int, failingAllocation: Int? = nil) {
    usage = Usage(byteLimit: byteLimit, failingAllocation: failingAllocation)
  }

  /// What a control frame justifies: 64 KiB and six times its size.
  ///
  /// Leases and results take up to 4.3 times their bytes when they are unpacked.
  package static func control(frameByteCount: Int) -> AllocationBudget {
    AllocationBudget(byteLimit: 6 * min(frameByteCount, Limits.controlFrameByteCount) + 64 << 10)
  }

  /// What a bulk frame justifies: 64 KiB and five quarters of its size.
  package static func bulk(frameByteCount: Int) -> AllocationBudget {
    let frameByteCount = min(frameByteCount, Limits.bulkFrameByteCount)
    return AllocationBudget(byteLimit: frameByteCount + frameByteCount / 4 + 64 << 10)
  }

  /// Calls `body` with an allocator that draws on this budget, valid until it returns.
  func withAllocator<Result>(
    _ body: (UnsafeMutablePointer<ProtobufCAllocator>) throws(WireError) -> Result
  ) throws(WireError) -> Result {
    let owner = unsafe Unmanaged.passUnretained(self).toOpaque()
    var allocator = unsafe ProtobufCAllocator(
      alloc: { owner, byteCount in
        guard let owner = unsafe owner else { return nil }
        let budget = unsafe Unmanaged<AllocationBudget>.fromOpaque(owner).takeUnretainedValue()
        return unsafe budget.allocate(byteCount)
      },
      free: { owner, pointer in
        guard let owner = unsafe owner, let pointer = unsafe pointer else { return }
        let budget = unsafe Unmanaged<AllocationBudget>.fromOpaque(owner).takeUnretainedValue()
        unsafe budget.free(pointer)
      },
      allocator_data: owner)
    return try unsafe body(&allocator)
  }

  private func allocate(_ byteCount: Int) -> UnsafeMutableRawPointer? {
    guard usage.take(byteCount) else { return nil }
    let start = UnsafeMutableRawPointer.allocate(
      byteCount: byteCount + Self.headerByteCount, alignment: Self.headerByteCount)
    unsafe start.storeBytes(of: byteCount, as: Int.self)
    return unsafe start + Self.headerByteCount
  }

  private func free(_ pointer: UnsafeMutableRawPointer) {
    let start = unsafe pointer - Self.headerByteCount
    usage.giveBack(unsafe start.load(as: Int.self))
    unsafe start.deallocate()
  }
}
