import Synchronization

/// A secret that ends some time and is fetched again before that.
///
/// One thread fetches; the others meanwhile use what is still good, or wait where nothing is.
final class CredentialCache<Value: Sendable>: Sendable {
  private let environment: StoreEnvironment
  private let fetch: @Sendable () throws(ObjectError) -> (Value, expiry: Int64?)
  private let kept = Mutex<Kept?>(nil)
  private let fetching = Mutex(())

  /// How long before its end a secret is fetched again.
  private static var margin: Int64 { 300_000_000_000 }

  private struct Kept {
    let value: Value
    let expiry: Int64?
    let serial: Int
  }

  init(
    _ environment: StoreEnvironment,
    fetch: @escaping @Sendable () throws(ObjectError) -> (Value, expiry: Int64?)
  ) {
    self.environment = environment
    self.fetch = fetch
  }

  /// The secret, fetched where there is none that lasts, and the number of its fetch.
  func value() throws(ObjectError) -> (Value, serial: Int) {
    if let good = good() { return good }
    return try fetching.withLock { (_) throws(ObjectError) -> (Value, serial: Int) in
      if let good = good() { return good }  // another thread fetched it meanwhile
      let (value, expiry) = try fetch()
      return kept.withLock { kept in
        let serial = (kept?.serial ?? 0) + 1
        kept = Kept(value: value, expiry: expiry, serial: serial)
        return (value, serial)
      }
    }
  }

  /// Has the secret of that number fetched again: the store refused it.
  func drop(serial: Int) {
    kept.withLock { kept in
      guard let old = kept, old.serial == serial else { return }
      kept = Kept(value: old.value, expiry: 0, serial: serial)
    }
  }

  private func good() -> (Value, serial: Int)? {
    let now = environment.wallClock()
    return kept.withLock { kept in
      guard let kept, (kept.expiry ?? .max) - Self.margin > now else { return nil }
      return (kept.value, kept.serial)
    }
  }
}
