import Jobs
import Leasing
import Wire

/// The grants of one message as a worker is sent them: with the input's place, probes and a seal.
///
/// Made off the pool, because it reads the inputs; an input that several grants share is opened and
/// compared with the plan once.
struct SealedGrants: Sendable {
  /// As many as fit one frame.
  private(set) var fitting: [SealedGrant] = []
  /// Those that the worker is not told of, for want of room or of their input.
  private(set) var unused: [Grant] = []
  /// Jobs whose input is not what was planned, and why.
  private(set) var failures: [(job: JobID, reason: String)] = []

  /// Seals the grants of one answer.
  ///
  /// A job that has ended has no plan; `now` is what the leases' deadlines are measured from.
  init(
    _ grants: [Grant], plans: [JobID: Plan], probes: InputProbes, seal: LeaseSeal, now: Instant
  ) {
    var sealed: [SealedGrant] = []
    var file: PinnedInput?
    for grant in grants {
      do throws(CoordinatorError) {
        let details = try Self.details(of: grant, plans[grant.job], probes, &file)
        sealed.append(SealedGrant(grant: grant, seal: seal.seal(grant), details: details))
      } catch {
        unused.append(grant)
        if !error.isTransient, !failures.contains(where: { $0.job == grant.job }) {
          failures.append((grant.job, error.context))
        }
      }
    }
    fitting = Array(sealed.prefix(FrameFit.count(of: sealed, now: now)))
    unused += sealed[fitting.count...].map(\.grant)
  }

  /// Probes the input, in `file` if that is the one opened last.
  private static func details(
    of grant: Grant, _ plan: Plan?, _ probes: InputProbes, _ file: inout PinnedInput?
  ) throws(CoordinatorError) -> GrantDetails {
    guard let plan else { throw CoordinatorError("the job has ended") }
    let range = plan.range(of: grant.lease.shard)
    let input = plan.inputs[range.inputIndex]
    let open = file?.input == input ? file : nil
    let pinned = if let open { open } else { try PinnedInput(input) }
    file = pinned
    return GrantDetails(
      input: GrantInput(
        path: input.path, byteCount: input.byteCount,
        modifiedNanoseconds: input.modifiedNanoseconds, compression: input.compression,
        version: input.version),
      rangeOffset: range.offset, rangeEnd: range.end, blockLength: range.blockLength,
      places: range.places, blockCount: range.blockCount,
      probes: try probes.probes(in: pinned, range: range))
  }
}
