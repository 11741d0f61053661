/// Memory that scoring needs besides the model; one for each thread, kept between calls.
///
/// A stack: whoever reserves memory takes a mark before and releases to it after. Grows to the most
/// that was ever in use at once and never shrinks. Nothing stays in it between calls.
@safe package struct ScoringScratch: ~Copyable {
  private var stretches: [UnsafeMutableRawBufferPointer]
  private var top = Mark(stretch: 0, offset: 0)

  /// What every part of it begins at a multiple of: the size of the widest register and of a line
  /// of the cache.
  package static let alignment = 64

  /// How much was in use at some moment.
  package struct Mark {
    fileprivate var stretch: Int
    fileprivate var offset: Int
  }

  package init() {
    unsafe stretches = []
  }

  deinit {
    for index in unsafe stretches.indices { unsafe stretches[index].deallocate() }
  }

  /// How much is in use now.
  package var mark: Mark { top }

  /// Memory of this size, at a multiple of `alignment`, with anything in it.
  ///
  /// Valid until memory is released to a mark from before this call.
  package mutating func reserve(byteCount: Int) -> UnsafeMutableRawPointer {
    let size = Self.aligned(max(byteCount, 1))
    while unsafe top.stretch < stretches.count {
      if let start = unsafe stretches[top.stretch].baseAddress,
        unsafe stretches[top.stretch].count - top.offset >= size
      {
        defer { top.offset += size }
        return unsafe start + top.offset
      }
      top = Mark(stretch: top.stretch + 1, offset: 0)
    }
    let stretch = UnsafeMutableRawBufferPointer.allocate(
      byteCount: max(size, 64 << 10), alignment: Self.alignment)
    unsafe stretches.append(stretch)
    top = unsafe Mark(stretch: stretches.count - 1, offset: size)
    guard let start = stretch.baseAddress else { fatalError("memory without an address") }
    return unsafe start
  }

  /// Memory for this many values.
  package mutating func reserve<Value: BitwiseCopyable>(
    _ type: Value.Type, count: Int
  ) -> UnsafeMutablePointer<Value> {
    unsafe reserve(byteCount: count * MemoryLayout<Value>.stride)
      .bindMemory(to: type, capacity: count)
  }

  /// Takes back what was reserved since the mark; one stretch takes the place of several.
  package mutating func release(to mark: Mark) {
    top = mark
    guard unsafe stretches.count > 1, mark.stretch == 0, mark.offset == 0 else { return }
    var byteCount = 0
    for index in unsafe stretches.indices {
      byteCount += unsafe stretches[index].count
      unsafe stretches[index].deallocate()
    }
    unsafe stretches = [.allocate(byteCount: byteCount, alignment: Self.alignment)]
  }

  /// A size rounded up so that what follows it is aligned too.
  package static func aligned(_ byteCount: Int) -> Int {
    (byteCount + alignment - 1) & ~(alignment - 1)
  }
}
