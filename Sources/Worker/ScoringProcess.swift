import Executors
import Foundation
import Glibc
import Leasing

/// One process apart, from its start to its end, as its worker sees it.
final class ScoringProcess {
  /// How it ended.
  enum End {
    case done
    /// It died, or had to be ended, and what it was at.
    case died(String, records: Range<UInt64>?)
    case failed(FailureCode, String)
    /// The slot was told to stop.
    case stopped
  }

  private let processID: pid_t
  private let socket: ChildSocket
  private let byteLimit: UInt64
  private let stallTime: Duration
  private let clock = ContinuousClock()
  /// Records at work.
  private var records: Range<UInt64>?
  /// Pages it had when it was ready.
  private var readyByteCount: UInt64?
  private var lastHeard: ContinuousClock.Instant
  private var isReaped = false

  /// Starts a process.
  ///
  /// - Parameters:
  ///   - model: An open file with the model's text.
  ///   - partial: An empty file for the result.
  ///   - messages: What the process is told first.
  ///   - byteLimit: Memory it may take beyond what it has when it is ready.
  ///   - stallTime: How long it may be at the same records.
  /// - Throws: `WorkerError`.
  init(
    model: ScratchFile, partial: ScratchFile, messages: [(ChildMessage, [UInt8])],
    byteLimit: UInt64, stallTime: Duration
  ) throws(WorkerError) {
    var ends: [Int32] = [0, 0]
    let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    guard unsafe socketpair(AF_UNIX, kind, 0, &ends) == 0 else {
      throw Self.failure("socketpair", errno)
    }
    socket = ChildSocket(ends[0])
    self.byteLimit = byteLimit
    self.stallTime = stallTime
    lastHeard = clock.now
    // Above the places they get, so that none is overwritten before it is copied.
    let sources = [ends[1], 2, 2, model.descriptor, partial.descriptor].map {
      fcntl($0, F_DUPFD_CLOEXEC, 16)
    }
    let spawned = spawn(
      ["nightshift", SuspectChild.command], descriptors: sources,
      variables: ["SWIFT_BACKTRACE": "enable=no"])
    for descriptor in sources + [ends[1]] { close(descriptor) }
    processID = spawned.processID
    guard spawned.status == 0 else {
      isReaped = true
      throw Self.failure("posix_spawn", spawned.status)
    }
    for (kind, content) in messages { socket.send(kind, content) }
  }

  deinit { kill() }

  private static func failure(_ call: String, _ code: Int32) -> WorkerError {
    WorkerError(
      "cannot start a process apart: \(call): \(unsafe String(cString: strerror(code)))")
  }

  /// Reads the input for the process, and looks after it, until it ends.
  ///
  /// - Throws: What the input fails with.
  func run(
    slot: ScoringSlot, read: (UInt64, Int) throws -> [UInt8]
  ) throws -> End {
    while true {
      guard slot.command == .goOn else {
        kill()
        return .stopped
      }
      if let end = try isReadable(within: 20) ? takeMessage(slot, read) : overLimit() {
        return end
      }
    }
  }

  private func isReadable(within milliseconds: Int32) -> Bool {
    var interest = pollfd(fd: socket.descriptor, events: Int16(POLLIN), revents: 0)
    return unsafe poll(&interest, 1, milliseconds) > 0
  }

  private func takeMessage(
    _ slot: ScoringSlot, _ read: (UInt64, Int) throws -> [UInt8]
  ) throws -> End? {
    guard let (kind, content) = socket.receive() else { return ending() }
    defer { lastHeard = clock.now }
    switch kind {
    case .ready: readyByteCount = residentByteCount()
    case .scoring:
      records = ChildSocket.numbers(content).flatMap { $0 < $1 ? $0..<$1 : nil } ?? records
    case .progress:
      guard let (records, blocks) = ChildSocket.numbers(content) else { break }
      slot.note(records: records)
      slot.note(blocks: Int(clamping: blocks))
    case .read:
      guard let (offset, count) = ChildSocket.numbers(content) else { break }
      do {
        socket.send(.bytes, try read(offset, Int(clamping: count)))
      } catch {
        kill()
        throw error
      }
    case .done:
      kill()
      return .done
    case .failed:
      kill()
      let failure = try JSONDecoder().decode(ChildMessage.Failure.self, from: Data(content))
      return .failed(FailureCode(rawValue: failure.code) ?? .environment, failure.reason)
    case .grant, .configuration, .run, .bytes, .noBytes: break
    }
    return nil
  }

  /// Ends a process that is too long at its records or takes too much memory.
  private func overLimit() -> End? {
    if let ready = readyByteCount, residentByteCount() > ready + byteLimit {
      kill()
      return .died("over the memory limit of \(byteLimit >> 20) MiB", records: records)
    }
    // Before its first record it loads the model, which may be large.
    let limit = records == nil ? stallTime * 10 : stallTime
    guard clock.now - lastHeard > limit else { return nil }
    kill()
    return .died("no progress for \(Self.words(limit))", records: records)
  }

  private static func words(_ duration: Duration) -> String {
    let seconds = duration / .seconds(1)
    return seconds == seconds.rounded() ? "\(Int(seconds)) s" : "\(seconds) s"
  }

  private func residentByteCount() -> UInt64 {
    guard let text = try? String(contentsOfFile: "/proc/\(processID)/statm", encoding: .utf8),
      let pages = text.split(separator: " ").dropFirst().first.flatMap({ UInt64($0) })
    else { return 0 }  // it is ending
    return pages * UInt64(sysconf(Int32(_SC_PAGESIZE)))
  }

  /// The process closed its end without a word.
  private func ending() -> End {
    let status = wait()
    let signal = status & 0x7f
    switch signal {
    case 0: return .died("ended with code \(status >> 8 & 0xff)", records: records)
    case SIGTERM, SIGINT, SIGHUP:
      return .failed(.environment, "the process apart was ended by signal \(signal)")
    default: return .died("crashed with signal \(signal)", records: records)
    }
  }

  private func kill() {
    guard !isReaped else { return }
    Glibc.kill(processID, SIGKILL)
    _ = wait()
  }

  private func wait() -> Int32 {
    guard !isReaped else { return 0 }
    isReaped = true
    var status: Int32 = 0
    while unsafe waitpid(processID, &status, 0) < 0, errno == EINTR {}
    return status
  }
}
