import Glibc

/// A record that ends, stops or fills the process that scores it, or a machine that is slow.
///
/// Set by `NIGHTSHIFT_FAILPOINT` too: `worker.record=crash@r17,` for each record whose text holds
/// `r17,`; several texts are divided by `|`. `crash` is a SIGSEGV, `hang` never returns, `memory`
/// takes memory until there is none. `worker.record=slow@9` makes each tile take as long again nine
/// times, `worker.record=pace@50` at least 50 microseconds for each record, as on a slower machine.
package struct RecordFailpoint: Sendable {
  private enum Action: Sendable {
    case crash, hang, memory
    case slow(times: Int)
    case pace(microseconds: Int)
  }

  private let action: Action
  private let texts: [[UInt8]]

  static let place = "worker.record="

  /// What the environment asks for.
  package static let current: RecordFailpoint? = {
    guard let text = unsafe getenv("NIGHTSHIFT_FAILPOINT") else { return nil }
    let setting = unsafe String(cString: text)
    guard setting.hasPrefix(place) else { return nil }
    guard let parsed = RecordFailpoint(setting.dropFirst(place.count)) else {
      fatalError("NIGHTSHIFT_FAILPOINT: \(setting)?")
    }
    return parsed
  }()

  /// Reads `action@text` or `action@number`.
  private init?(_ text: Substring) {
    let parts = text.split(separator: "@", maxSplits: 1)
    guard parts.count == 2 else { return nil }
    switch (parts[0], Int(parts[1])) {
    case ("crash", _): action = .crash
    case ("hang", _): action = .hang
    case ("memory", _): action = .memory
    case ("slow", let times?): action = .slow(times: times)
    case ("pace", let microseconds?): action = .pace(microseconds: microseconds)
    default: return nil
    }
    texts = parts[1].split(separator: "|").map { Array($0.utf8) }
  }

  /// Whether records have to be shown to it.
  package var wantsRecords: Bool {
    switch action {
    case .crash, .hang, .memory: true
    case .slow, .pace: false
    }
  }

  /// Passes a record that is about to be scored.
  package func pass(_ record: UnsafeBufferPointer<UInt8>) {
    guard texts.contains(where: { text in unsafe Self.holds(record, text) }) else { return }
    switch action {
    case .crash: unsafe UnsafeMutablePointer<Int>(bitPattern: 8)?.pointee = 0
    case .hang: while true { Glibc.sleep(1_000) }
    case .memory: while true { takeMemory() }
    case .slow, .pace: break
    }
  }

  private static func holds(_ record: UnsafeBufferPointer<UInt8>, _ text: [UInt8]) -> Bool {
    let count = record.count
    guard let first = text.first, text.count <= count else { return false }
    return (0...count - text.count).contains { start in
      unsafe record[start] == first
        && record[start..<start + text.count].elementsEqual(text)
    }
  }

  /// Takes 16 MiB for good; ends the process where there is no more.
  private func takeMemory() {
    let flags = MAP_PRIVATE | Int32(MAP_ANONYMOUS) | Int32(MAP_POPULATE)
    let bytes = unsafe mmap(nil, 16 << 20, PROT_READ | PROT_WRITE, flags, -1, 0)
    guard unsafe bytes != MAP_FAILED else { abort() }
    usleep(1_000)
  }

  /// Passes the end of a tile: takes the time that a slower machine would.
  package func linger(since begin: ContinuousClock.Instant, recordCount: Int) {
    let taken = ContinuousClock.now - begin
    switch action {
    case .slow(let times): Self.sleep(for: taken * times)
    case .pace(let microseconds):
      Self.sleep(for: .microseconds(microseconds * recordCount) - taken)
    case .crash, .hang, .memory: break
    }
  }

  private static func sleep(for duration: Duration) {
    guard duration > .zero else { return }
    let microseconds = duration / .microseconds(1)
    usleep(UInt32(min(microseconds, 1e9)))
  }
}
