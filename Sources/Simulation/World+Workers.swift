import Jobs
import Leasing
import WorkerCore

/// The workers' processes.
extension World {
  func instant(ofWorker worker: Int) -> Instant {
    Instant(nanoseconds: now - workers[worker].startedAt)
  }

  /// Whether an event reaches the process it was meant for; one that is stopped gets it later.
  mutating func isRunning(_ worker: Int, life: Int, else event: Event) -> Bool {
    guard workers[worker].isUp, workers[worker].life == life else { return false }
    guard workers[worker].pausedUntil <= now else {
      queue.push(event, at: workers[worker].pausedUntil)
      return false
    }
    return true
  }

  /// Starts a process in place of the one that ended.
  mutating func startWorker(_ worker: Int) {
    guard !workers[worker].isUp, endedAt == nil else { return }
    let life = workers[worker].life + 1
    let slotCount = generator.within(1...3)
    var timing = WorkerTiming()
    if generator.below(4) == 0 { timing.idleTimeout = .seconds(generator.within(2...20)) }
    let core = WorkerCore(name: "w\(worker)", slotCount: slotCount, timing: timing, now: .start)
    var fresh = SimulatedWorker(core: core, id: WorkerID(generator.next()))
    fresh.life = life
    fresh.isUp = true
    fresh.startedAt = now
    fresh.scorers = Array(repeating: nil, count: slotCount)
    let isSlow = !hasHealed && generator.chance(rates.slowWorker)
    let blockTime = isSlow ? generator.within(1_000...8_000) : generator.within(20...1_200)
    fresh.blockTime = Int64(blockTime) * Self.millisecond
    workers[worker] = fresh
    queue.push(.workerTicks(worker, life: life), at: now)
  }

  /// The process is gone at once, with what was on its disk.
  mutating func crashWorker(_ worker: Int) {
    guard workers[worker].isUp else { return }
    workers[worker].isUp = false
    workers[worker].kept = [:]
    workers[worker].inFlight = [:]
    let pause = generator.within(50...(hasHealed ? 1_000 : 12_000))
    queue.push(.workerStarts(worker), at: now + Int64(pause) * Self.millisecond)
  }

  mutating func tickWorker(_ worker: Int, life: Int) {
    guard isRunning(worker, life: life, else: .workerTicks(worker, life: life)) else { return }
    tick(worker)
    queue.push(.workerTicks(worker, life: life), at: now + 200 * Self.millisecond)
  }

  private mutating func tick(_ worker: Int) {
    var effects: [WorkerEffect] = []
    workers[worker].core.tick(
      now: instant(ofWorker: worker), using: &generator, into: &effects)
    carryOut(effects, worker: worker)
  }

  mutating func terminate(_ worker: Int) {
    guard workers[worker].isUp, workers[worker].pausedUntil <= now else { return }
    var effects: [WorkerEffect] = []
    workers[worker].core.terminate(now: instant(ofWorker: worker), into: &effects)
    carryOut(effects, worker: worker)
  }

  mutating func carryOut(_ effects: [WorkerEffect], worker: Int) {
    for effect in effects where workers[worker].isUp {
      switch effect {
      case .send(let request): sendFleet(request, from: worker)
      case .score(let slot, let grant): begin(grant, slot: slot, worker: worker)
      case .stop(let slot, let keepBlocks):
        workers[worker].scorers[slot]?.isStopping = true
        workers[worker].scorers[slot]?.keepsBlocks = keepBlocks
      case .shorten(let slot, let end): workers[worker].scorers[slot]?.end = Int(end)
      case .upload(let key, let offset): upload(key, from: offset, worker: worker)
      case .discard(let key): workers[worker].kept[key] = nil
      case .exit: crashWorker(worker)
      }
    }
    checkBounds(ofWorker: worker)
  }

  private mutating func sendFleet(_ request: FleetRequest, from worker: Int) {
    send(.fleet(request), from: worker)
    guard sabotage == .discardBeforeAnswer, case .finish(let job, let result) = request else {
      return
    }
    workers[worker].kept[LeaseKey(job: job, shard: result.shard, attempt: result.attempt)] = nil
  }

  // MARK: Scoring

  private mutating func begin(_ grant: Grant, slot: Int, worker: Int) {
    let token = workers[worker].nextToken
    workers[worker].nextToken += 1
    if workers[worker].scorers[slot] != nil { violate("slot \(slot) is given a second lease") }
    for other in workers[worker].scorers {
      guard let lease = other?.grant.lease, lease.shard == grant.lease.shard,
        !BlockMask(lease.blocks).intersection(BlockMask(grant.lease.blocks)).isEmpty
      else { continue }
      violate("worker \(worker) scores blocks of shard \(lease.shard) twice at once")
    }
    workers[worker].scorers[slot] = SimulatedWorker.Scorer(
      grant: grant, token: token, state: grant.lease.entry, end: Int(grant.lease.blocks.end))
    workers[worker].core.progressed(
      slot: slot, records: 0, mark: 2, now: instant(ofWorker: worker))
    scheduleBlock(worker, slot: slot, token: token)
  }

  private mutating func scheduleBlock(_ worker: Int, slot: Int, token: Int) {
    let jitter = Int64(generator.below(20)) * Self.millisecond
    queue.push(
      .blockScored(worker, life: workers[worker].life, slot: slot, token: token),
      at: now + workers[worker].blockTime + jitter)
  }

  mutating func blockScored(_ worker: Int, life: Int, slot: Int, token: Int) {
    let event = Event.blockScored(worker, life: life, slot: slot, token: token)
    guard isRunning(worker, life: life, else: event),
      var scorer = workers[worker].scorers[slot], scorer.token == token
    else { return }
    guard !scorer.isStopping else { return stop(scorer, slot: slot, worker: worker) }
    let shard = scorer.grant.lease.shard
    if let poison, poison.shard == shard, poison.block == scorer.nextBlock {
      switch poison.kind {
      case .reported, .fatal:
        return hitPoison(slot: slot, worker: worker, isFatal: poison.kind == .fatal)
      case .isolatable where !scorer.grant.lease.isSuspect:
        return hitPoison(slot: slot, worker: worker, isFatal: true)
      case .isolatable: break  // a process apart leaves the record out, and scores the others
      }
    }
    let (records, result) = text.score(shard, scorer.nextBlock, from: scorer.state)
    scorer.state = result.exit
    scorer.records.append(records)
    scorer.results.append(result)
    workers[worker].scorers[slot] = scorer
    workers[worker].core.progressed(
      slot: slot, records: scorer.results.reduce(0) { $0 + $1.counts.total },
      blocks: scorer.results.count, mark: 2, now: instant(ofWorker: worker))
    if scorer.nextBlock >= scorer.end {
      deliver(scorer, slot: slot, worker: worker)
    } else {
      scheduleBlock(worker, slot: slot, token: token)
    }
  }

  private mutating func hitPoison(slot: Int, worker: Int, isFatal: Bool) {
    guard !isFatal else { return crashWorker(worker) }
    workers[worker].scorers[slot] = nil
    workers[worker].core.failed(slot: slot, .inputUnreadable, reason: "poison")
    tick(worker)
  }

  private mutating func stop(_ scorer: SimulatedWorker.Scorer, slot: Int, worker: Int) {
    guard !scorer.keepsBlocks || scorer.results.isEmpty else {
      return deliver(scorer, slot: slot, worker: worker)
    }
    workers[worker].scorers[slot] = nil
    workers[worker].core.stopped(slot: slot)
    tick(worker)
  }

  /// Writes the partial and reports the result.
  private mutating func deliver(_ scorer: SimulatedWorker.Scorer, slot: Int, worker: Int) {
    let lease = scorer.grant.lease
    let blocks = BlockRange(Int(lease.blocks.first), scorer.nextBlock)
    let content = PartialContent(shard: lease.shard, blocks: blocks, records: scorer.records)
    let name = name(of: content, lease.attempt)
    contents[name.digest] = content
    var entry = lease.entry
    if sabotage == .wrongStateAccepted {
      entry = text.trueEntry(lease.shard, Int(lease.blocks.first))
    }
    guard
      let result = ShardResult(
        shard: lease.shard, attempt: lease.attempt, entry: entry, blocks: blocks,
        results: scorer.results, partial: name)
    else { return violate("a scorer made another number of results than of blocks") }
    workers[worker].scorers[slot] = nil
    workers[worker].kept[scorer.grant.key] = content
    workers[worker].core.scored(slot: slot, result, now: instant(ofWorker: worker))
    tick(worker)
  }

  private func name(of content: PartialContent, _ attempt: Attempt) -> PartialName {
    var word = mixed(UInt64(attempt.incarnation.rawValue) << 32 | UInt64(attempt.counter))
    word = mixed(word ^ UInt64(content.shard.rawValue))
    word = mixed(word ^ BlockMask(content.blocks).bits)
    for record in content.records.joined() { word = mixed(word ^ record) }
    let isEmpty = content.records.allSatisfy(\.isEmpty)
    return PartialName(
      digest: ContentDigest(words: SIMD4(word, mixed(word), 0, 0)),
      byteCount: isEmpty ? 0 : word % 3 + 1)
  }

  // MARK: Uploading

  private mutating func upload(_ key: LeaseKey, from offset: UInt64, worker: Int) {
    guard let pending = workers[worker].core.results.first(where: { $0.grant.key == key }) else {
      return
    }
    sendPiece(key, pending.result.partial, offset: offset, worker: worker)
  }

  mutating func sendPiece(_ key: LeaseKey, _ name: PartialName, offset: UInt64, worker: Int) {
    guard offset < name.byteCount else {
      workers[worker].core.uploaded(key)
      return tick(worker)
    }
    guard workers[worker].kept[key] != nil else {
      return violate("worker \(worker) has deleted a partial that is asked for")
    }
    send(.piece(key, name, offset: offset), from: worker)
  }
}
