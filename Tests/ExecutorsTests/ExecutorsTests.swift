import Executors
import Testing

/// An actor's own code after work elsewhere.
@Suite struct ExecutorsTests {
  private struct Failure: Error {}

  private actor Caller {
    func failsOnItsOwnThread() async -> Bool {
      do {
        try await ownThread { throw Failure() }
        return false
      } catch {
        preconditionIsolated("an error of ownThread left the actor")
        return true
      }
    }

    func failsOffThePool() async -> Bool {
      do {
        try await offPool { throw Failure() }
        return false
      } catch {
        preconditionIsolated("an error of offPool left the actor")
        return true
      }
    }
  }

  /// With `NonisolatedNonsendingByDefault`, Swift 6.3.1 goes on outside of the actor there.
  @Test func anErrorComesBackToItsActor() async {
    let caller = Caller()
    for _ in 0..<20 {
      #expect(await caller.failsOnItsOwnThread())
      #expect(await caller.failsOffThePool())
    }
  }

  @Test func aValueIsAwaitedNoLongerThanAllowed() async {
    let (stream, continuation) = AsyncStream.makeStream(of: Int.self)
    let task = Task { await stream.first { _ in true } ?? 0 }
    #expect(await value(of: task, within: .milliseconds(20)) == nil)
    continuation.yield(7)
    #expect(await value(of: task, within: .seconds(20)) == 7)
  }
}
