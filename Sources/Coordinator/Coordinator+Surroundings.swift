import CPosix
import CoordinatorCore
import Foundation
import Glibc
import Jobs
import Logging
import Transport
import Wire

/// What somebody has to see to: certificates that end, descriptors that run out.
extension Coordinator {
  /// Between two looks, and between two warnings of the same.
  private static let lookInterval = Duration.seconds(30)
  private static let warningInterval = 86_400
  /// Descriptors in use, of those allowed, from which on it is warned.
  private static let descriptorShare = 0.8

  /// What is to be said at the moment, one sentence each.
  nonisolated var warnings: [String] {
    (options.tls?.warnings() ?? []) + (Self.descriptorWarning().map { [$0] } ?? [])
  }

  /// Warns in the coordinator's log and in those of the open jobs, once a day; until cancelled.
  func watchSurroundings() async {
    var said: [String: Int] = [:]
    while !Task.isCancelled, !isClosed {
      let now = Int(wallClockNanoseconds() / 1_000_000_000)
      for text in warnings {
        // The figures in it change; its beginning names the file.
        let topic = String(text.prefix { $0 != ":" })
        guard now - (said[topic] ?? 0) >= Self.warningInterval else { continue }
        said[topic] = now
        warn(text)
      }
      try? await Task.sleep(for: Self.lookInterval)  // cancelled: the loop ends
    }
  }

  /// Says something to whoever reads the coordinator's log, or that of an open job.
  func warn(_ text: String) {
    logger.warning("\(text)")
    for id in core.openOrder { note(id, .warning, text) }
  }

  /// Tells what became of certificates that changed.
  func note(_ notice: Server.Notice) {
    switch notice {
    case .renewed: logger.info("new connections meet the new certificates")
    case .kept(let reason): warn("the new certificates are not used: \(reason)")
    }
  }

  private static func descriptorWarning() -> String? {
    // Where /proc is not there, nobody is warned.
    let folder = "/proc/self/fd"
    var limit = rlimit()
    guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0,
      unsafe access(folder, F_OK) == 0
    else { return nil }
    // It cannot be read where there is no descriptor left to do so.
    let names = try? FileManager.default.contentsOfDirectory(atPath: folder)
    let count = names.map { UInt($0.count) } ?? limit.rlim_cur
    guard Double(count) > descriptorShare * Double(limit.rlim_cur) else { return nil }
    return "descriptors: \(count) of \(limit.rlim_cur) are in use; raise ulimit -n"
  }
}

/// Has this process use as many descriptors as its connections may take, where the system lets it,
/// and keeps some for libdispatch, which ends the process where it gets none.
package func raiseDescriptorLimit() {
  // Far above two listeners with all their connections; kept are those of every thread of a pool.
  _ = ns_limit_descriptors(65_536, 64)
}
