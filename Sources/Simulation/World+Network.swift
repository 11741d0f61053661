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
    var request = Request(
      worker: worker, life: life, sender: workers[worker].id, id: id, place: workers[worker].home,
      body: body)
    queue.push(.requestTimesOut(worker, life: life, id: id), at: now + milliseconds(1_000...3_000))
    remember(request)
    guard now >= workers[worker].muteUntil || hasHealed, !strikes(.loss) else {
      return count(.lostMessages)
    }
    if case .piece(let key, let name, let offset, _) = body, strikes(.damagedMessage) {
      request = Request(
        worker: worker, life: life, sender: request.sender, id: id, place: request.place,
        body: .piece(key, name, offset: offset, isDamaged: true))
    }
    queue.push(.requestArrives(request), at: now + delay())
    if strikes(.duplicate) { queue.push(.requestArrives(request), at: now + delay() * 8) }
    if !history.isEmpty, strikes(.replay) {
      queue.push(.requestArrives(history[generator.below(history.count)]), at: now + delay())
    }
  }

  /// Keeps a sample of requests for the network to bring again much later.
  private mutating func remember(_ request: Request) {
    guard faults.rate(of: .replay) > 0, !hasHealed else { return }
    if history.count < 64 {
      history.append(request)
    } else if generator.below(8) == 0 {
      history[generator.below(history.count)] = request
    }
  }

  /// Sends the coordinator's answer; a request that was doubled has several.
  mutating func send(_ answer: Answer) {
    guard now >= workers[answer.worker].deafUntil || hasHealed, !strikes(.loss) else {
      return count(.lostMessages)
    }
    queue.push(.answerArrives(answer), at: now + delay())
  }

  private mutating func delay() -> Int64 {
    strikes(.slowMessage)
      ? milliseconds(100...15_000) : Int64(generator.within(100...20_000)) * 1_000
  }

  /// A request is given up; an answer that comes later is void.
  mutating func timeOut(_ worker: Int, life: Int, id: Int) {
    guard isWorking(worker, life: life, else: .requestTimesOut(worker, life: life, id: id)),
      let body = workers[worker].inFlight.removeValue(forKey: id)
    else { return }
    switch body {
    case .fleet(let request):
      workers[worker].core.unanswered(
        request, now: instant(ofWorker: worker), using: &generator)
    case .piece(let key, _, _, _): uploadFailed(key, worker: worker)
    }
  }

  private mutating func uploadFailed(_ key: LeaseKey, worker: Int) {
    var effects: [WorkerEffect] = []
    workers[worker].core.uploadFailed(
      key, now: instant(ofWorker: worker), using: &generator, into: &effects)
    carryOut(effects, worker: worker)
  }

  /// An answer arrives; only the first one to a living request counts.
  mutating func arrive(_ answer: Answer) {
    let worker = answer.worker
    guard isWorking(worker, life: answer.life, else: .answerArrives(answer)),
      let body = workers[worker].inFlight.removeValue(forKey: answer.id)
    else { return }
    let time = instant(ofWorker: worker)
    switch (body, answer.body) {
    case (.fleet(let request), .fleet(let said)):
      var effects: [WorkerEffect] = []
      workers[worker].core.answered(
        request, said, now: time, using: &generator, into: &effects)
      carryOut(effects, worker: worker)
    case (.fleet(let request), .unavailable):
      var effects: [WorkerEffect] = []
      workers[worker].core.refused(
        request, "later", .moment, now: time, using: &generator, into: &effects)
      carryOut(effects, worker: worker)
    case (.piece(let key, let name, _, _), .received(let count)):
      sendPiece(key, name, offset: count, worker: worker)
    case (.piece(let key, _, _, _), .unavailable): uploadFailed(key, worker: worker)
    default: violate("request \(answer.id) was answered in the wrong kind")
    }
  }
}
