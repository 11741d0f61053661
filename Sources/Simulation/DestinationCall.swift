import CoordinatorCore

/// One call of a publication to its destination: between any two of them anything may happen.
enum DestinationCall: Hashable, Sendable {
  /// Reads the committed partials and makes the output of them.
  case merge
  // A folder.
  case isPublished
  case claimant
  case makeStaging
  case stage(String)
  case synchronizeStaging
  case renameWithoutReplacing
  case renameReplacing
  case claimFolder
  case moveFiles(String)
  case synchronizeFinal
  case moveSuccess(String)
  case removeFolderClaim
  case synchronizeParent
  case removeStaging
  // An object store.
  case manifestOwner
  case readClaim
  case putClaim(PublicationClaim, PutCondition<Int>)
  case deleteClaim
  case isEmpty
  case version(String)
  case putObject(String, PutCondition<Int>)
  case putManifest([UInt8])
  case replaceManifest([UInt8])
  case putSuccess
  case clear
}

/// What a destination answered.
enum DestinationReply: Hashable, Sendable {
  case done
  case truth(Bool)
  case text(String?)
  case claim(PublicationClaim, version: Int)
  case noClaim
  case version(Int?)
}

/// Why a publication stops.
enum PublicationStop: Error {
  /// The call is under way: the publication is run again once it is answered.
  case waits(DestinationCall)
  /// The final name is another's.
  case exists
}

/// The answers so far to a publication's calls, in order.
///
/// A publication is straight code that calls its destination. To let other things happen between
/// two calls it is run again from its start after each answer, with the answers it had.
struct DestinationLog: Sendable {
  private(set) var replies: [DestinationReply] = []
  private var next = 0

  mutating func add(_ reply: DestinationReply) { replies.append(reply) }

  /// Begins again from the first call.
  mutating func rewind() { next = 0 }

  mutating func reply(to call: DestinationCall) throws(PublicationStop) -> DestinationReply {
    guard next < replies.count else { throw .waits(call) }
    defer { next += 1 }
    return replies[next]
  }

  mutating func truth(of call: DestinationCall) throws(PublicationStop) -> Bool {
    try reply(to: call) == .truth(true)
  }
}

/// The folder of a destination, through the log.
struct LoggedFolder: PublicationFolder {
  var log: DestinationLog

  mutating func isPublished() throws(PublicationStop) -> Bool { try log.truth(of: .isPublished) }

  mutating func claimant() throws(PublicationStop) -> String? {
    guard case .text(let stager) = try log.reply(to: .claimant) else { return nil }
    return stager
  }

  mutating func synchronizeStaging() throws(PublicationStop) {
    _ = try log.reply(to: .synchronizeStaging)
  }

  mutating func renameWithoutReplacing() throws(PublicationStop) -> Bool {
    switch try log.reply(to: .renameWithoutReplacing) {
    case .truth(let isKnown): return isKnown
    default: throw .exists
    }
  }

  mutating func renameReplacing() throws(PublicationStop) {
    _ = try log.reply(to: .renameReplacing)
  }

  mutating func claim() throws(PublicationStop) -> String {
    guard case .text(let stager?) = try log.reply(to: .claimFolder) else { throw .exists }
    return stager
  }

  mutating func moveFiles(of stager: String) throws(PublicationStop) {
    guard case .done = try log.reply(to: .moveFiles(stager)) else { throw .exists }
  }

  mutating func synchronizeFinal() throws(PublicationStop) {
    _ = try log.reply(to: .synchronizeFinal)
  }

  mutating func moveSuccess(of stager: String) throws(PublicationStop) {
    guard case .done = try log.reply(to: .moveSuccess(stager)) else { throw .exists }
  }

  mutating func removeClaim() throws(PublicationStop) {
    _ = try log.reply(to: .removeFolderClaim)
  }

  mutating func synchronizeParent() throws(PublicationStop) {
    _ = try log.reply(to: .synchronizeParent)
  }
}

/// The objects of a destination, through the log.
struct LoggedStore: PublicationStore {
  var log: DestinationLog

  mutating func manifestOwner() throws(PublicationStop) -> String? {
    guard case .text(let owner) = try log.reply(to: .manifestOwner) else { return nil }
    return owner
  }

  mutating func claim() throws(PublicationStop) -> (claim: PublicationClaim, version: Int)? {
    guard case .claim(let claim, let version) = try log.reply(to: .readClaim) else { return nil }
    return (claim, version)
  }

  mutating func put(
    _ claim: PublicationClaim, _ condition: PutCondition<Int>
  ) throws(PublicationStop) -> Bool {
    try log.truth(of: .putClaim(claim, condition))
  }

  mutating func deleteClaim() throws(PublicationStop) { _ = try log.reply(to: .deleteClaim) }

  mutating func isEmpty() throws(PublicationStop) -> Bool { try log.truth(of: .isEmpty) }

  mutating func version(of name: String) throws(PublicationStop) -> Int? {
    guard case .version(let version) = try log.reply(to: .version(name)) else { return nil }
    return version
  }

  mutating func putManifest(_ text: [UInt8]) throws(PublicationStop) -> Bool {
    try log.truth(of: .putManifest(text))
  }

  mutating func replaceManifest(_ text: [UInt8]) throws(PublicationStop) {
    _ = try log.reply(to: .replaceManifest(text))
  }

  mutating func putSuccess() throws(PublicationStop) { _ = try log.reply(to: .putSuccess) }

  mutating func clear() throws(PublicationStop) { _ = try log.reply(to: .clear) }
}
