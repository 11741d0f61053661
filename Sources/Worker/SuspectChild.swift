import CPosix
import Features
import Foundation
import Glibc
import Jobs
import Leasing
import Scoring
import Tables
import Wire

/// The process apart: scores what its worker tells it of one suspect lease, once.
///
/// It has a socket to its worker, the model and the file for the partial as its descriptors, and no
/// connection of its own: the worker reads the input for it.
package enum SuspectChild {
  /// The hidden command that this program is started with again.
  package static let command = "score-suspect"

  static let socketPlace: Int32 = 0
  static let modelPlace: Int32 = 3
  static let partialPlace: Int32 = 4

  /// Scores, and ends the process.
  package static func run() -> Never {
    _ = ns_die_with_parent()
    var limit = rlimit(rlim_cur: 0, rlim_max: 0)
    _ = unsafe setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit)
    let socket = ChildSocket(socketPlace)
    guard let grant = socket.receive(), grant.kind == .grant,
      let configuration = socket.receive(), configuration.kind == .configuration,
      let run = socket.receive(), run.kind == .run
    else { _exit(1) }
    do {
      let task = try SuspectTask(
        grant: grant.content, configuration: configuration.content, run: run.content)
      try task.score(socket)
      socket.send(.done)
      _exit(0)
    } catch let error as Failure {
      socket.send(.failed, error.content)
      _exit(0)
    } catch {
      socket.send(.failed, Failure(.environment, "\(error)").content)
      _exit(0)
    }
  }

  /// Why a lease cannot be scored, although nothing died.
  struct Failure: Error {
    let code: FailureCode
    let reason: String

    init(_ code: FailureCode, _ reason: String) {
      self.code = code
      self.reason = reason
    }

    var content: [UInt8] {
      let failure = ChildMessage.Failure(code: code.rawValue, reason: reason)
      return (try? JSONEncoder().encode(failure)).map { [UInt8]($0) } ?? []  // two strings
    }
  }
}

/// What one process apart has to do.
private struct SuspectTask {
  private let sealed: SealedGrant
  private let configuration: JobConfiguration
  private let run: ChildMessage.Run

  init(grant: [UInt8], configuration: [UInt8], run: [UInt8]) throws {
    let answer = try FleetAnswerEnvelope(decoding: grant, now: .start)
    guard case .grants(let grants) = answer.body, let sealed = grants.first else {
      throw WorkerError("no grant")
    }
    self.sealed = sealed
    self.configuration = try JSONDecoder().decode(
      JobConfiguration.self, from: Data(configuration))
    self.run = try JSONDecoder().decode(ChildMessage.Run.self, from: Data(run))
  }

  func score(_ socket: ChildSocket) throws {
    let context = try context()
    let slot = ScoringSlot()
    let part = SuspectPart(
      records: (run.begin ?? 0)..<(run.end ?? .max), isolated: run.isolated
    ) { records in
      socket.send(.progress, slot.recordCount, UInt64(slot.blockCount))
      socket.send(.scoring, records.lowerBound, records.upperBound)
    }
    let file = ScratchFile(inherited: SuspectChild.partialPlace)
    let end: ScoringEnd
    do {
      let scorer = try LeaseScorer(
        sealed, context: context, slot: slot, file: file, folder: "the scratch folder", part: part
      ) {
        ParentSource(socket, byteCount: sealed.details.input.byteCount)
      }
      limitMemory()
      socket.send(.ready)
      guard run.begin == nil else {
        try scorer.probe()
        return
      }
      end = try scorer.run()
    } catch {
      end = scoringEnd(of: error, sealed, scratchFolder: "the scratch folder")
    }
    switch end {
    case .scored: return
    case .stopped: throw SuspectChild.Failure(.environment, "stopped")
    case .failed(let code, let reason): throw SuspectChild.Failure(code, reason)
    }
  }

  private func context() throws -> JobContext {
    do {
      let model = try Model(bundle: try bytes(), summation: configuration.request.summation)
      return try JobContext(
        id: sealed.grant.job, configuration: configuration, model: model)
    } catch {
      throw SuspectChild.Failure(.modelUnusable, "\(error)")
    }
  }

  /// The model's text.
  private func bytes() throws(WorkerError) -> [UInt8] {
    var status = stat()
    guard unsafe fstat(SuspectChild.modelPlace, &status) == 0 else {
      throw WorkerError("no model")
    }
    let count = Int(status.st_size)
    var filled = 0
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      while filled < count {
        let got = unsafe pread(
          SuspectChild.modelPlace, buffer.baseAddress.map { unsafe $0 + filled }, count - filled,
          off_t(filled))
        if got < 0, errno == EINTR { continue }
        guard got > 0 else { break }
        filled += got
      }
      initialized = filled
    }
    guard filled == count else { throw WorkerError("the model ends at \(filled)") }
    return bytes
  }

  /// Has the kernel refuse much more memory than the worker allows: the worker looks now and then,
  /// and a record may be faster.
  private func limitMemory() {
    guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8),
      let pages = text.split(separator: " ").dropFirst(5).first.flatMap({ UInt64($0) })
    else { return }  // then the worker's look has to do
    let slack: UInt64 = 256 << 20
    let bytes = pages * UInt64(sysconf(Int32(_SC_PAGESIZE))) + run.byteLimit + slack
    var limit = rlimit(rlim_cur: rlim_t(bytes), rlim_max: rlim_t(bytes))
    _ = unsafe setrlimit(__rlimit_resource_t(RLIMIT_DATA.rawValue), &limit)
  }
}

/// The lease's input, read by the worker.
private final class ParentSource: ByteSource {
  private static let pieceByteCount = 1 << 20

  private let socket: ChildSocket
  let byteCount: UInt64?

  init(_ socket: ChildSocket, byteCount: UInt64) {
    self.socket = socket
    self.byteCount = byteCount
  }

  func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    let count = min(buffer.count, Self.pieceByteCount)
    socket.send(.read, offset, UInt64(count))
    guard let (kind, content) = socket.receive() else { _exit(1) }
    guard kind == .bytes, content.count <= count else {
      throw TableError(
        code: .unavailable, context: String(decoding: content, as: UTF8.self))
    }
    unsafe content.withUnsafeBytes { bytes in unsafe buffer.copyMemory(from: bytes) }
    return content.count
  }
}
