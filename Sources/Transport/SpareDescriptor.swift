import Glibc
import Synchronization

/// A descriptor kept for the moment when all others are taken: connections can still be ended then.
final class SpareDescriptor: Sendable {
  /// That of this process; made at the first use, which has to be in time.
  static let process = SpareDescriptor()

  /// Nothing, and the place that is kept, which holds nothing too while it is not used.
  private let nothing: Int32
  private let place: Mutex<Int32>

  private init?() {
    nothing = unsafe open("/dev/null", O_RDONLY | O_CLOEXEC)
    let kept = fcntl(nothing, F_DUPFD_CLOEXEC, 0)
    place = Mutex(kept)
    guard kept >= 0 else { return nil }
  }

  /// Runs something with another descriptor's duplicate, for which none is taken.
  func withDuplicate(of descriptor: Int32, _ body: (Int32) -> Void) {
    place.withLock { place in
      guard dup2(descriptor, place) == place else { return }  // closed meanwhile
      _ = fcntl(place, F_SETFD, FD_CLOEXEC)
      body(place)
      _ = dup2(nothing, place)
      _ = fcntl(place, F_SETFD, FD_CLOEXEC)
    }
  }
}
