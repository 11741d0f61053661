import Digests
import Foundation
import Jobs
import Leasing
import Synchronization
import Testing
import Transport
import Wire

/// A worker that does what a test tells it, with a token and without manners.
final class ScriptedWorker: Sendable {
  let worker: WorkerID
  let control: Client
  private let bulk: Client
  private let token: [UInt8]
  private let tokenName: String
  private let key = Mutex<[UInt8]>([])
  private let lastNumber = Atomic<UInt64>(0)

  /// A stranger to a fleet, until it says hello.
  init(
    of fleet: TestFleet, tokenFile: String? = nil, id: UInt64 = .random(in: 1...UInt64.max),
    contextCount: Int = 8
  ) throws {
    let file = tokenFile ?? "\(fleet.sandbox.state)/fleet.token"
    let words = try String(contentsOfFile: file, encoding: .utf8).split(
      whereSeparator: \.isWhitespace)
    token = try #require(words.last.flatMap { Digest256(hex: $0) }).bytes
    tokenName = words.count == 2 ? String(words[0]) : ""
    worker = WorkerID(id)
    let address = try Address(fleet.address)
    control = try Client(
      address: address, channel: .control, tls: nil, contextCount: contextCount)
    bulk = try Client(
      address: address.withPort(UInt16(fleet.ports[1])), channel: .bulk, tls: nil, contextCount: 8)
  }

  func close() async {
    await control.close(within: .seconds(2))
    await bulk.close(within: .seconds(2))
  }

  /// The hello's frame, after a nonce was asked for.
  func hello(threadCount: Int = 1, name: String? = nil) async throws -> [UInt8] {
    guard case .nonce(let nonce) = try await ask(.nonce) else { throw TestFailure("no nonce") }
    key.withLock { $0 = FrameProof.sessionKey(token: token, nonce: nonce, worker: worker) }
    return try frame(
      .hello(
        name: "scripted", threadCount: threadCount, versionText: "test",
        tokenName: name ?? tokenName))
  }

  /// Joins, or throws what the coordinator answers instead.
  func join(threadCount: Int = 1) async throws {
    let answer = try await send(try await hello(threadCount: threadCount))
    guard case .welcome = answer else { throw TestFailure("\(answer)") }
  }

  /// A frame that nobody else could have made.
  func frame(_ body: FleetBody) throws -> [UInt8] {
    let number = lastNumber.add(1, ordering: .relaxed).newValue
    return try FleetEnvelope(worker: worker, requestID: number, body: body)
      .encode(key: key.withLock { $0 })
  }

  func send(_ frame: [UInt8]) async throws -> FleetAnswerBody {
    let answer = try await control.request(frame, timeout: .seconds(10))
    return try FleetAnswerEnvelope(decoding: answer, now: .start).body
  }

  func ask(_ body: FleetBody) async throws -> FleetAnswerBody { try await send(try frame(body)) }

  /// Asks until there are leases.
  func grants(_ limit: Int) async throws -> [SealedGrant] {
    for _ in 0..<200 {
      let answer = try await ask(.acquire(leaseLimit: limit))
      if case .grants(let grants) = answer { return grants }
      guard case .wait = answer else { throw TestFailure("\(answer)") }
    }
    throw TestFailure("no leases")
  }

  func askBulk(_ body: BulkRequest) async throws -> BulkAnswer {
    try await sendBulk(try bulkFrame(body))
  }

  func bulkFrame(_ body: BulkRequest) throws -> [UInt8] {
    let number = lastNumber.add(1, ordering: .relaxed).newValue
    return try BulkEnvelope(worker: worker, requestID: number, body: body)
      .encode(key: key.withLock { $0 })
  }

  func sendBulk(_ frame: [UInt8]) async throws -> BulkAnswer {
    let answer = try await bulk.request(frame, timeout: .seconds(10))
    return try BulkAnswerEnvelope(decoding: answer).body
  }

  /// The first byte of a partial that is said to be so long.
  func putFirstByte(
    of lease: SealedLease, name: UInt64, byteCount: UInt64
  ) async throws -> BulkAnswer {
    let digest = ContentDigest(words: SIMD4(name, 1, 2, 3))
    return try await askBulk(
      .putPiece(
        PartialPiece(
          lease: lease, partial: PartialName(digest: digest, byteCount: byteCount), offset: 0,
          bytes: [7])))
  }
}

extension FleetAnswerBody {
  var refusal: Refusal? { if case .refusal(let refusal) = self { refusal } else { nil } }
}

extension BulkAnswer {
  var refusal: Refusal? { if case .refusal(let refusal) = self { refusal } else { nil } }
}
