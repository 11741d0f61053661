package import CoordinatorCore
import Foundation
import GRDB
package import Jobs
package import Leasing

/// Rows to values, each held against its own sum.
extension Journal {
  /// Rows read at a time, so that other calls get their turn during a long walk.
  private static let pageRowCount = 4_096

  /// All jobs, in order of submission.
  package func jobs() throws(JournalError) -> [CoordinatorCore.Restored] {
    try access("reading the jobs") { database in
      var jobs: [CoordinatorCore.Restored] = []
      let rows = try Row.fetchCursor(database, sql: "SELECT * FROM job ORDER BY place")
      while let row = try rows.next() { jobs.append(try Self.job(row)) }
      let stateCount = try Int.fetchOne(database, sql: "SELECT count(*) FROM state")
      guard stateCount == jobs.count else {
        throw JournalError(corruption: "\(jobs.count) jobs and \(stateCount ?? 0) states")
      }
      for index in jobs.indices { try Self.complete(&jobs[index], database) }
      return jobs
    }
  }

  /// What the committed blocks of a job add up to, for people: rows are not held against their
  /// sums.
  package func totals(
    of job: JobID
  ) throws(JournalError) -> (counts: RecordCounts, blockCount: Int) {
    try access("adding up a job") { database in
      let row = try Row.fetchOne(
        database,
        sql: """
          SELECT total(ok), total(error), total(filtered), total(end_block - first_block)
          FROM committed WHERE job = ?
          """, arguments: [Int64(bitPattern: job.rawValue)])
      let sums = (0..<4).map { UInt64(max(0, (row?[$0] as Double?) ?? 0)) }
      let counts = RecordCounts(ok: sums[0], error: sums[1], filtered: sums[2])
      return (counts, Int(sums[3]))
    }
  }

  private static func job(_ found: Row) throws -> CoordinatorCore.Restored {
    var row = StoredRow(found, of: "job")
    _ = row.number()
    let id = row.job()
    let created = row.number()
    let text = row.text()
    try row.finish()
    do {
      let request = try JSONDecoder().decode(JobRequest.self, from: Data(text.utf8))
      return CoordinatorCore.Restored(
        id: id, request: request, createdNanoseconds: created, state: .queued, reason: "",
        folder: nil, planned: nil)
    } catch {
      throw row.damaged("the request cannot be decoded: \(error)")
    }
  }

  /// Adds what the other tables have on a job.
  private static func complete(
    _ job: inout CoordinatorCore.Restored, _ database: Database
  ) throws {
    guard let found = try row("state", job.id, database) else {
      throw JournalError(corruption: "job \(job.id) has no state")
    }
    var row = StoredRow(found, of: "state")
    _ = row.job()
    let state = JobState(rawValue: row.text())
    job.reason = row.text()
    try row.finish()
    guard let state else { throw row.damaged("unknown state") }
    job.state = state
    if let found = try Self.row("publication", job.id, database) {
      var row = StoredRow(found, of: "publication")
      _ = row.job()
      job.folder = row.text()
      try row.finish()
    }
    job.planned = try planned(job.id, database)
  }

  private static func row(_ table: String, _ job: JobID, _ database: Database) throws -> Row? {
    try Row.fetchOne(
      database, sql: "SELECT * FROM \(table) WHERE job = ?",
      arguments: [Int64(bitPattern: job.rawValue)])
  }

  private static func planned(
    _ job: JobID, _ database: Database
  ) throws -> (plan: Plan, model: PlannedModel)? {
    guard let found = try row("plan", job, database) else { return nil }
    var row = StoredRow(found, of: "plan")
    _ = row.job()
    let blockByteCount = UInt64(bitPattern: row.number())
    let inputCount = row.number()
    let digest = ContentDigest(bytes: row.bytes())
    let modelByteCount = UInt64(bitPattern: row.number())
    try row.finish()
    let inputs = try inputs(of: job, database)
    guard let digest, inputs.count == inputCount else {
      throw row.damaged("\(inputs.count) inputs of \(inputCount)")
    }
    do {
      let plan = try Plan(inputs: inputs, blockByteCount: blockByteCount, allowsNone: true)
      return (plan, PlannedModel(digest: digest, byteCount: modelByteCount))
    } catch {
      throw row.damaged("the plan is refused: \(error)")
    }
  }

  /// The columns that a job was planned with; `nil` where a release before wrote the plan.
  package func columns(of job: JobID) throws(JournalError) -> PlannedColumns? {
    try access("reading the columns of job \(job)") { database in
      guard let found = try Self.row("columns", job, database) else { return nil }
      var row = StoredRow(found, of: "columns")
      _ = row.job()
      let text = row.text()
      try row.finish()
      do {
        return try JSONDecoder().decode(PlannedColumns.self, from: Data(text.utf8))
      } catch {
        throw row.damaged("the columns cannot be decoded: \(error)")
      }
    }
  }

  /// Whether the job's inputs were found unchanged after the last block was scored.
  package func hasCheckedInputs(of job: JobID) throws(JournalError) -> Bool {
    try access("reading whether the inputs of job \(job) were checked") { database in
      guard let found = try Self.row("checked", job, database) else { return false }
      var row = StoredRow(found, of: "checked")
      _ = row.job()
      try row.finish()
      return true
    }
  }

  private static func inputs(of job: JobID, _ database: Database) throws -> [PlannedInput] {
    var inputs: [PlannedInput] = []
    let pins = try pins(of: job, database)
    let rows = try Row.fetchCursor(
      database, sql: "SELECT * FROM input WHERE job = ? ORDER BY place",
      arguments: [Int64(bitPattern: job.rawValue)])
    while let found = try rows.next() {
      var row = StoredRow(found, of: "input")
      _ = row.job()
      let place = row.number()
      let path = row.text()
      let byteCount = UInt64(bitPattern: row.number())
      let modified = row.number()
      let inode = UInt64(bitPattern: row.number())
      let compression = InputCompression(rawValue: row.text())
      try row.finish()
      guard let compression, place == inputs.count else {
        throw row.damaged("out of place, or an unknown compression")
      }
      inputs.append(
        PlannedInput(
          path: path, byteCount: byteCount, modifiedNanoseconds: modified, inode: inode,
          compression: compression, version: pins[inputs.count]?.version ?? "",
          cuts: pins[inputs.count]?.cuts ?? []))
    }
    return inputs
  }

  private static func pins(
    of job: JobID, _ database: Database
  ) throws -> [Int: (version: String, cuts: [InputCut])] {
    var pins: [Int: (version: String, cuts: [InputCut])] = [:]
    let rows = try Row.fetchCursor(
      database, sql: "SELECT * FROM pin WHERE job = ?",
      arguments: [Int64(bitPattern: job.rawValue)])
    while let found = try rows.next() {
      var row = StoredRow(found, of: "pin")
      _ = row.job()
      let place = Int(row.number())
      let version = row.text()
      let bytes = row.bytes()
      try row.finish()
      let numbers = stride(from: 0, to: bytes.count - bytes.count % 8, by: 8).map { start in
        bytes[start..<start + 8].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
      }
      pins[place] = (
        version,
        stride(from: 0, to: numbers.count - 1, by: 2).map {
          InputCut(offset: numbers[$0], place: numbers[$0 + 1])
        }
      )
    }
    return pins
  }

  /// A job's committed blocks by shard and first block.
  package func commits(of job: JobID) throws(JournalError) -> [CommittedBlocks] {
    var commits: [CommittedBlocks] = []
    while true {
      let page = try self.commits(of: job, after: commits.last, limit: Self.pageRowCount)
      commits += page
      if page.count < Self.pageRowCount { return commits }
    }
  }

  /// The next committed blocks of a job by shard and first block, for a walk in bounded memory.
  ///
  /// - Parameters:
  ///   - job: The job; one that is not there has no commits.
  ///   - last: Where the last page ended; `nil` for the first page.
  ///   - limit: Most rows returned.
  /// - Returns: At most `limit` commits; fewer mean that these were the last.
  /// - Throws: `corrupt` names the row whose sum differs.
  package func commits(
    of job: JobID, after last: CommittedBlocks?, limit: Int
  ) throws(JournalError) -> [CommittedBlocks] {
    let shard = last.map { Int64($0.shard.rawValue) } ?? -1
    let block = last.map { Int64($0.blocks.first) } ?? -1
    return try access("reading the commits of job \(job)") { database in
      let statement = try database.cachedStatement(
        sql: """
          SELECT * FROM committed WHERE job = ? AND (shard, first_block) > (?, ?)
          ORDER BY shard, first_block LIMIT ?
          """)
      let rows = try Row.fetchCursor(
        statement, arguments: [Int64(bitPattern: job.rawValue), shard, block, limit])
      var commits: [CommittedBlocks] = []
      while let row = try rows.next() { commits.append(try Self.committed(row)) }
      return commits
    }
  }

  private static func committed(_ found: Row) throws -> CommittedBlocks {
    var row = StoredRow(found, of: "committed")
    _ = row.job()
    let shard = ShardID(UInt32(truncatingIfNeeded: row.number()))
    let first = UInt64(bitPattern: row.number())
    let blocks = BlockRange(checking: first, UInt64(bitPattern: row.number()))
    let incarnation = Incarnation(UInt32(truncatingIfNeeded: row.number()))
    let counter = UInt32(truncatingIfNeeded: row.number())
    let entry = RangeState(code: row.number())
    let exit = RangeState(code: row.number())
    let counts = RecordCounts(
      ok: UInt64(bitPattern: row.number()), error: UInt64(bitPattern: row.number()),
      filtered: UInt64(bitPattern: row.number()))
    let digest = ContentDigest(bytes: row.bytes())
    let byteCount = UInt64(bitPattern: row.number())
    try row.finish()
    guard let blocks, let entry, let exit, let digest else {
      throw row.damaged("values that were never written")
    }
    return CommittedBlocks(
      shard: shard, blocks: blocks, attempt: Attempt(incarnation: incarnation, counter: counter),
      entry: entry, exit: exit, counts: counts,
      partial: PartialName(digest: digest, byteCount: byteCount))
  }

  /// The shards of a job that have charges against them, by shard.
  package func charges(of job: JobID) throws(JournalError) -> [(ShardID, Int)] {
    try access("reading the charges of job \(job)") { database in
      var charges: [(ShardID, Int)] = []
      let rows = try Row.fetchCursor(
        database, sql: "SELECT * FROM charge WHERE job = ? ORDER BY shard",
        arguments: [Int64(bitPattern: job.rawValue)])
      while let found = try rows.next() {
        var row = StoredRow(found, of: "charge")
        _ = row.job()
        let shard = ShardID(UInt32(truncatingIfNeeded: row.number()))
        let count = Int(row.number())
        try row.finish()
        if count > 0 { charges.append((shard, count)) }
      }
      return charges
    }
  }
}

extension StoredRow {
  mutating func job() -> JobID { JobID(UInt64(bitPattern: number())) }
}
