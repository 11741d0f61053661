import Jobs
import Leasing
import WorkerCore

/// The network: it loses, delays, doubles and reorders, and remembers.
extension World {
  /// Sends a worker's request; it may arrive never, once, or often.
  mutating func send(_ body: Request.Body, from worker: Int) {
    let id = workers[worker].nextRequest
    workers[worker].nextRequest += 1
    workers[worker].inFlight[id] = body
    let life = workers[worker].life
    let request = Request(
      worker: worker, life: life, sender: workers[worker].id, id: id, body: body)
    queue.push(
      .requestTimesOut(worker, life: life, id: id),
      at: now + Int64(generator.within(1_000...3_000)) * Self.millisecond)
    remember(request)
    if !hasHealed, now < workers[worker].muteUntil || generator.chance(rates.loss) {
      return count(\.lostMessages)
    }
    queue.push(.requestArrives(request), at: now + delay())
    if !hasHealed, generator.chance(rates.duplicate) {
      queue.push(.requestArrives(request), at: now + delay() * 8)
    }
    if !hasHealed, generator.chance(rates.replay), !history.isEmpty {
      count(\.replays)
      queue.push(.requestArrives(history[generator.below(history.count)]), at: now + delay())
    }
  }

  /// Keeps a sample of requests for the network to bring again much later.
  private mutating func remember(_ request: Request) {
    guard rates.replay > 0 else { return }
    if history.count < 64 {
      history.append(request)
    } else if generator.below(8) == 0 {
      history[generator.below(history.count)] = request
    }
  }

  /// Sends the coordinator's answer; a request that was doubled has several.
  mutating func send(_ answer: Answer) {
    let isCut = now < workers[answer.worker].deafUntil
    if !hasHealed, isCut || generator.chance(rates.loss) { return count(\.lostMessages) }
    queue.push(.answerArrives(answer), at: now + delay())
  }

  private mutating func delay() -> Int64 {
    if !hasHealed, generator.chance(rates.slowMessage) {
      return Int64(generator.within(100...15_000)) * Self.millisecond
    }
    return Int64(generator.within(100...20_000)) * 1_000
  }

  /// A request is given up; an answer that comes later is void.
  mutating func timeOut(_ worker: Int, life: Int, id: Int) {
    guard isRunning(worker, life: life, else: .requestTimesOut(worker, life: life, id: id)),
      let body = workers[worker].inFlight.removeValue(forKey: id)
    else { return }
    switch body {
    case .fleet(let request):
      workers[worker].core.unanswered(
        request, now: instant(ofWorker: worker), using: &generator)
    case .piece(let key, _, _):
      workers[worker].core.uploadFailed(
        key, now: instant(ofWorker: worker), using: &generator)
    }
  }

  /// An answer arrives; only the first one to a living request counts.
  mutating func arrive(_ answer: Answer) {
    let worker = answer.worker
    guard isRunning(worker, life: answer.life, else: .answerArrives(answer)),
      let body = workers[worker].inFlight.removeValue(forKey: answer.id)
    else { return }
    switch (body, answer.body) {
    case (.fleet(let request), .fleet(let said)):
      var effects: [WorkerEffect] = []
      workers[worker].core.answered(
        request, said, now: instant(ofWorker: worker), using: &generator, into: &effects)
      carryOut(effects, worker: worker)
    case (.piece(let key, let name, _), .received(let count)):
      sendPiece(key, name, offset: count, worker: worker)
    default: violate("request \(answer.id) was answered in the wrong kind")
    }
  }
}
