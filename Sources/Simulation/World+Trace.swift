import CoordinatorCore
import Jobs
import Leasing

/// Words for a reader of a world.
extension World {
  mutating func traceEvent(_ event: Event) {
    switch event {
    case .requestArrives(let request):
      trace("worker \(request.worker) → coordinator \(request.place): \(describe(request.body))")
    case .answerArrives(let answer):
      trace("coordinator \(answer.place) → worker \(answer.worker): \(describe(answer.body))")
    case .blockScored(let worker, _, let slot, _): trace("worker \(worker), slot \(slot): a block")
    case .journalSyncs(let place, _): trace("coordinator \(place) writes its journal")
    case .planEnds(let place, _): trace("coordinator \(place) has planned")
    case .mergeBegins(let place, _): trace("coordinator \(place) begins a merge")
    case .workerStarts, .workerTicks, .requestTimesOut, .coordinatorStarts, .coordinatorTicks,
      .destinationActs, .cleanUp, .faultStrikes, .userActs:
      break  // told where something comes of it
    }
  }

  private func describe(_ body: Request.Body) -> String {
    switch body {
    case .piece(let key, _, let offset, let isDamaged):
      "piece \(offset) of shard \(key.shard), attempt \(key.attempt)"
        + (isDamaged ? ", damaged" : "")
    case .fleet(.hello): "hello"
    case .fleet(.acquire(let limit)): "wants \(limit) leases"
    case .fleet(.heartbeat(let held)): "heartbeat, \(held.count) leases"
    case .fleet(.finish(_, let result)):
      "finished shard \(result.shard), blocks \(result.blocks), attempt \(result.attempt)"
    case .fleet(.handBack(let key)): "hands back shard \(key.shard), attempt \(key.attempt)"
    case .fleet(.fail(let key, let code, _)):
      "failed shard \(key.shard), attempt \(key.attempt): \(code.rawValue)"
    case .fleet(.goodbye): "goodbye"
    }
  }

  private func describe(_ body: Answer.Body) -> String {
    switch body {
    case .received(let count): "has \(count) pieces"
    case .unavailable: "not now"
    case .fleet(.grants(let grants)):
      "grants "
        + grants.map { "shard \($0.lease.shard) \($0.lease.blocks) as \($0.lease.attempt)" }
        .joined(separator: ", ")
    case .fleet(.finish(let answer)): "result: \(answer)"
    case .fleet(.alive(let revoked, let shortened, let drain)):
      "alive, \(revoked.count) revoked, \(shortened.count) shortened" + (drain ? ", drain" : "")
    case .fleet(let answer): "\(answer)"
    }
  }

  func describe(_ entry: JournalEntry) -> String {
    switch entry {
    case .submitted: "submitted"
    case .planned(_, let plan, _): "planned, \(plan.shardCount) shards"
    case .columns: "columns"
    case .inputsChecked: "inputs checked"
    case .state(_, let state, let reason): "\(state.rawValue) \(reason)"
    case .commit(_, let part):
      "commit shard \(part.shard), blocks \(part.blocks), attempt \(part.attempt)"
    case .refute(_, let part): "refute shard \(part.shard), blocks \(part.blocks)"
    case .charge(_, let shard, let charges): "shard \(shard) has \(charges) charges"
    case .published: "published"
    case .deleted: "deleted"
    }
  }

  func describe(_ outcome: CoordinatorCore.MergeOutcome) -> String {
    switch outcome {
    case .published: "published"
    case .failed(let reason): "failed, \(reason)"
    case .blocked(let reason): "blocked, \(reason)"
    case .damaged(let blocks): "\(blocks.count) partials are damaged"
    }
  }

  func describe(_ call: DestinationCall) -> String {
    switch call {
    case .putClaim(let claim, _):
      switch claim.stage {
      case .merging: "claims for life \(claim.life)"
      case .publishing: "seals the claim of life \(claim.life)"
      case .discarding: "claims, to discard, for life \(claim.life)"
      }
    case .putManifest: "puts the manifest"
    case .replaceManifest: "replaces the manifest"
    default: "\(call)"
    }
  }
}
