import Synchronization

/// Told of the retries of one thread's requests, and able to end them.
///
/// Whoever has a thread do long work with a store sets `current` around it:
/// `StoreWatch.$current.withValue(watch) { … }`. Requests that other threads carry out for it, such
/// as reads ahead, are ended too, but their retries are not told.
package final class StoreWatch: Sendable {
  /// Watches the requests that the running code sends.
  @TaskLocal package static var current: StoreWatch?

  /// Carried by the requests.
  package let cancellation: Cancellation
  private let trouble = Mutex<String?>(nil)

  /// Makes one.
  ///
  /// - Parameter cancellation: Ends the requests.
  package init(cancellation: Cancellation) {
    self.cancellation = cancellation
  }

  /// The request that is being repeated and why; nil while all is well.
  package var retrying: String? { trouble.withLock { $0 } }

  func note(_ text: String?) { trouble.withLock { $0 = text } }
}
