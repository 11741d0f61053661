import CoordinatorCore
import Testing

/// Two coordinators with one job's state, and one prefix.
struct ClaimTests {
  struct StoreFailure: Error {}

  /// A store in which something may happen between the look at a prefix and the claim of it.
  struct Store: PublicationStore {
    var claimed: PublicationClaim?
    var version = 0
    var manifest: String?
    var hasSuccess = false
    /// Done once, right before a claim is written.
    var interruption: ((inout Store) throws -> Void)?
    /// Whether answers to claims are lost: the put is sent again, and refused for the first one.
    var losesAnswers = false

    mutating func manifestOwner() throws(StoreFailure) -> String? { manifest }

    mutating func claim() throws(StoreFailure) -> (claim: PublicationClaim, version: Int)? {
      claimed.map { ($0, version) }
    }

    mutating func put(
      _ claim: PublicationClaim, _ condition: PutCondition<Int>
    ) throws(StoreFailure) -> Bool {
      if let happen = interruption {
        interruption = nil
        let loses = losesAnswers
        losesAnswers = false
        do { try happen(&self) } catch { throw StoreFailure() }
        losesAnswers = loses
      }
      switch condition {
      case .absent: guard claimed == nil else { return false }
      case .version(let wanted): guard claimed != nil, version == wanted else { return false }
      }
      claimed = claim
      version += 1
      return !losesAnswers
    }

    mutating func deleteClaim() throws(StoreFailure) { claimed = nil }
    mutating func isEmpty() throws(StoreFailure) -> Bool { manifest == nil }
    mutating func version(of name: String) throws(StoreFailure) -> Int? { nil }

    mutating func putManifest(_ text: [UInt8]) throws(StoreFailure) -> Bool {
      guard manifest == nil else { return false }
      manifest = String(decoding: text, as: UTF8.self)
      return true
    }

    mutating func replaceManifest(_ text: [UInt8]) throws(StoreFailure) {
      manifest = String(decoding: text, as: UTF8.self)
    }

    mutating func putSuccess() throws(StoreFailure) { hasSuccess = true }
    mutating func clear() throws(StoreFailure) { manifest = nil }
  }

  private static func publication(_ folder: String) -> ObjectPublication {
    ObjectPublication(job: "job", folder: folder, life: "life of \(folder)")
  }

  /// A coordinator looks, is stopped, and goes on with its claim when a copy of it has published and
  /// removed its own; found by simulated schedules.
  @Test(arguments: [false, true])
  func aClaimThatComesTooLateDoesNotStay(losesAnswers: Bool) throws {
    var store = Store()
    store.losesAnswers = losesAnswers
    store.interruption = { store in
      let other = Self.publication("copy")
      let outcomes = (
        try other.take(in: &store), try other.publish(Array("job".utf8), in: &store)
      )
      #expect(outcomes == (.claimed, .published))
      #expect(store.claimed == nil)
    }
    let outcome = try Self.publication("state").take(in: &store)
    #expect(outcome == .published)
    #expect(store.manifest == "job")
    #expect(store.hasSuccess)
    #expect(store.claimed == nil)
  }
}
