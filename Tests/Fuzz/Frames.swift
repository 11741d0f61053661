import Jobs
import Wire

extension FuzzTarget {
  /// Each kind of frame: what is read within its budget is written and read again the same.
  static let frames = [
    frame("fleet-request", .control) { frame, budget throws(WireError) in
      let now = Instant.start
      return try FleetEnvelope(decoding: frame, now: now, budget: budget).encode()
    },
    frame("fleet-answer", .control) { frame, budget throws(WireError) in
      let now = Instant.start
      return try FleetAnswerEnvelope(decoding: frame, now: now, budget: budget).encode(now: now)
    },
    frame("bulk-request", .bulk) { frame, budget throws(WireError) in
      try BulkEnvelope(decoding: frame, now: .start, budget: budget).encode()
    },
    frame("bulk-answer", .bulk) { frame, budget throws(WireError) in
      try BulkAnswerEnvelope(decoding: frame, budget: budget).encode()
    },
    frame("client-request", .control) { frame, budget throws(WireError) in
      try ClientEnvelope(decoding: frame, budget: budget).encode()
    },
    frame("client-answer", .control) { frame, budget throws(WireError) in
      try ClientAnswerEnvelope(decoding: frame, budget: budget).encode()
    },
  ]

  private enum Listener {
    case control, bulk

    func budget(_ byteCount: Int) -> AllocationBudget {
      switch self {
      case .control: .control(frameByteCount: byteCount)
      case .bulk: .bulk(frameByteCount: byteCount)
      }
    }

    /// The most that a frame of a size may take; small frames have 64 KiB for themselves.
    func byteLimit(_ byteCount: Int) -> Int {
      64 << 10 + (self == .control ? byteCount * 6 : byteCount * 5 / 4)
    }
  }

  private typealias Copy = @Sendable ([UInt8], AllocationBudget) throws(WireError) -> [UInt8]

  /// A kind of frame, by the listener it comes in at and a function that reads and writes one.
  private static func frame(
    _ name: String, _ listener: Listener, _ copy: @escaping Copy
  ) -> FuzzTarget {
    FuzzTarget(name: name) { bytes in
      guard let first = read(bytes, listener, copy) else { return }
      guard let second = read(first, listener, copy) else {
        fatalError("a frame that was written is not read")
      }
      require(first == second, "a frame changes when it is read and written")
    }
  }

  private static func read(_ frame: [UInt8], _ listener: Listener, _ copy: Copy) -> [UInt8]? {
    let budget = listener.budget(frame.count)
    defer {
      let usage = budget.usage
      require(usage.liveByteCount == 0, "\(usage.liveByteCount) bytes of a frame are kept")
      require(usage.allocationCount == usage.freeCount, "a frame's memory is not freed")
      require(usage.peakByteCount <= listener.byteLimit(frame.count), "\(usage.peakByteCount)")
    }
    do throws(WireError) {
      return try copy(frame, budget)
    } catch {
      require(!error.context.isEmpty && error.context.utf8.count < 4_096, "the error is no text")
      return nil
    }
  }
}
