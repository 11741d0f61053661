package import Jobs

/// Which models a worker keeps: the ones used last whose text fits in a byte limit together.
///
/// Holds names and sizes only. The model used last stays however large it is: a lease needs it.
package struct ModelShelf: Sendable {
  package let byteLimit: UInt64
  /// The one used longest ago first.
  private var models: [(digest: ContentDigest, byteCount: UInt64)] = []

  package init(byteLimit: UInt64) {
    self.byteLimit = byteLimit
  }

  /// Bytes of text of all models that are kept.
  package var byteCount: UInt64 { models.reduce(0) { $0 + $1.byteCount } }

  /// Takes note of a use.
  ///
  /// - Returns: the models to forget, the one used longest ago first.
  package mutating func use(_ digest: ContentDigest, byteCount: UInt64) -> [ContentDigest] {
    models.removeAll { $0.digest == digest }
    models.append((digest, byteCount))
    var forgotten: [ContentDigest] = []
    while self.byteCount > byteLimit, models.count > 1 {
      forgotten.append(models.removeFirst().digest)
    }
    return forgotten
  }

  /// Forgets a model that could not be had.
  package mutating func remove(_ digest: ContentDigest) {
    models.removeAll { $0.digest == digest }
  }
}
