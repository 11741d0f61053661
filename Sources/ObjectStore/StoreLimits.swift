/// How long the store waits, how often it asks again and how much it holds.
package struct StoreLimits: Hashable, Sendable {
  /// Until a connection stands, TLS included.
  package var connectTime = Duration.seconds(10)
  /// Without a single byte in either direction, after which a request is given up.
  package var stallTime = Duration.seconds(30)
  /// Of retries while the endpoint cannot be reached at all: name unknown, refused, no route.
  ///
  /// An address that is wrong is known after this; a store that only moves is back sooner.
  package var unreachableTime = Duration.seconds(60)
  /// Of retries while the endpoint answers, but with 429, 5xx or broken answers.
  package var unavailableTime = Duration.seconds(15 * 60)
  /// The ceiling of the first pause; each further one is twice the last.
  package var firstPause = Duration.milliseconds(100)
  /// The ceiling of every pause; also of what a `Retry-After` may ask for.
  package var longestPause = Duration.seconds(20)
  /// Of one ranged GET, and of one part of an upload, in bytes.
  ///
  /// S3 wants at least 5 MiB of a part.
  package var pieceByteCount = 8 << 20
  /// How many ranged GETs of one reader are on their way or read ahead.
  package var pieceLimit = 8
  /// Objects in one page of a listing; stores give 1,000 at most.
  package var pageObjectCount = 1_000
  /// Of an answer that is kept in memory: listings, errors, tokens.
  package var answerByteLimit = 16 << 20
  /// Up to which size an object is read from a server that ignores ranges.
  package var wholeObjectByteLimit: UInt64 = 64 << 20

  /// The usual limits.
  package static let standard = StoreLimits()

  /// The usual limits.
  package init() {}

  /// Seconds for `unreachableTime`.
  package static let unreachableVariable = "NIGHTSHIFT_STORE_UNREACHABLE_SECONDS"
  /// Seconds for `longestPause`.
  package static let pauseVariable = "NIGHTSHIFT_STORE_PAUSE_SECONDS"

  /// The usual limits, but for what the environment's variables say; what is no number of seconds
  /// up to a day changes nothing.
  package init(variables environment: StoreEnvironment) {
    if let time = Self.time(environment, Self.unreachableVariable) { unreachableTime = time }
    if let time = Self.time(environment, Self.pauseVariable) { longestPause = time }
  }

  private static func time(_ environment: StoreEnvironment, _ name: String) -> Duration? {
    guard let seconds = environment.variable(name).flatMap({ Double($0) }) else { return nil }
    return (0...86_400).contains(seconds) ? .seconds(seconds) : nil
  }
}
