import Testing
import Transport

/// A generator whose numbers are all the same, for the ends of a range.
private struct Constant: RandomNumberGenerator {
  let value: UInt64
  mutating func next() -> UInt64 { value }
}

struct RetryTests {
  private let retry = Retry(
    firstDelay: .milliseconds(100), longestDelay: .seconds(2), attemptLimit: 4)

  @Test(arguments: [(1, 100), (2, 200), (3, 400), (5, 1600), (6, 2000), (1000, 2000)])
  func delayIsFullJitterBelowADoublingCeiling(attempt: Int, milliseconds: Int) {
    let ceiling = Duration.milliseconds(milliseconds)
    var low = Constant(value: 0)
    #expect(retry.delay(after: attempt, using: &low) == .zero)
    var high = Constant(value: .max)
    let longest = retry.delay(after: attempt, using: &high)
    #expect(longest <= ceiling && longest > ceiling * 0.99)
  }

  @Test func repeatsOnlyWhatMayMend() async {
    let codes: [(TransportError.Code, Int)] = [
      (.timedOut, 4), (.disconnected, 4), (.connectionRefused, 4), (.closed, 1),
      (.messageTooLarge, 1), (.refusedAddress, 1), (.addressInUse, 1), (.tls, 1), (.other(7), 1),
    ]
    for (code, wanted) in codes {
      var attempts: [Int] = []
      var generator = SystemRandomNumberGenerator()
      do throws(TransportError) {
        try await retry.run(using: &generator, sleep: { _ in true }) {
          attempt throws(TransportError) in
          attempts.append(attempt)
          throw TransportError(code: code, context: "attempt \(attempt)")
        }
      } catch {
        #expect(error == TransportError(code: code, context: "attempt \(wanted)"))
      }
      #expect(attempts == Array(1...wanted), "\(code)")
    }
  }

  @Test func sameBytesAreSentUntilOneAttemptSucceeds() async throws {
    var sent: [[UInt8]] = []
    var slept: [Duration] = []
    var generator = Constant(value: .max)
    let body = pattern(20)
    let answer = try await retry.run(
      using: &generator,
      sleep: { delay in
        slept.append(delay)
        return true
      }
    ) { attempt throws(TransportError) -> Int in
      sent.append(body)
      guard attempt == 3 else { throw TransportError(code: .timedOut, context: "") }
      return attempt
    }
    #expect(answer == 3)
    #expect(sent == [body, body, body])
    #expect(slept.count == 2 && slept[0] < slept[1])
  }

  @Test func endsWhenSleepGivesUp() async {
    var generator = SystemRandomNumberGenerator()
    var attemptCount = 0
    do throws(TransportError) {
      try await retry.run(using: &generator, sleep: { _ in false }) {
        _ throws(TransportError) in
        attemptCount += 1
        throw TransportError(code: .timedOut, context: "")
      }
    } catch {
      #expect(error.code == .timedOut)
    }
    #expect(attemptCount == 1)
  }
}
