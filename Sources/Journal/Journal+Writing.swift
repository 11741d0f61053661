import CoordinatorCore
import Foundation
import GRDB
import Jobs
import Leasing

/// Entries to rows. The column order is that of `Schema.tables`, the sum's as well.
extension Journal {
  static func write(_ entry: JournalEntry, _ database: Database) throws {
    switch entry {
    case .submitted(let job, let request, let createdNanoseconds):
      try writeJob(job, request, createdNanoseconds, database)
      try writeState(job, .queued, reason: "", database)
    case .planned(let job, let plan, let model): try writePlan(job, plan, model, database)
    case .columns(let job, let columns): try writeColumns(job, columns, database)
    case .inputsChecked(let job):
      var row = try NewRow(database, into: "checked")
      row.add(job)
      try row.insert()
    case .state(let job, let state, let reason):
      try writeState(job, state, reason: reason, database)
    case .commit(let job, let committed): try writeCommit(job, committed, database)
    case .refute(let job, let committed):
      var row = try NewRow(
        database, "DELETE FROM committed WHERE job = ? AND shard = ? AND first_block = ?")
      row.add(job)
      row.add(Int64(committed.shard.rawValue))
      row.add(Int64(committed.blocks.first))
      try row.execute()
      // The blocks are read again, and the inputs checked again after that.
      var mark = try NewRow(database, "DELETE FROM checked WHERE job = ?")
      mark.add(job)
      try mark.execute()
    case .charge(let job, let shard, let charges):
      var row = try NewRow(database, into: "charge")
      row.add(job)
      row.add(Int64(shard.rawValue))
      row.add(Int64(charges))
      try row.insert()
    case .published(let job, let folder):
      var row = try NewRow(database, into: "publication")
      row.add(job)
      row.add(folder)
      try row.insert()
    case .deleted(let job):
      for table in Schema.tables where table.name != "meta" {
        var row = try NewRow(database, "DELETE FROM \(table.name) WHERE job = ?")
        row.add(job)
        try row.execute()
      }
    }
  }

  private static func writeJob(
    _ job: JobID, _ request: JobRequest, _ createdNanoseconds: Int64, _ database: Database
  ) throws {
    let last = try Int64.fetchOne(database, sql: "SELECT max(place) FROM job") ?? 0
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    var row = try NewRow(database, into: "job")
    row.add(last + 1)
    row.add(job)
    row.add(createdNanoseconds)
    row.add(String(decoding: try encoder.encode(request), as: UTF8.self))
    try row.insert()
  }

  private static func writeState(
    _ job: JobID, _ state: JobState, reason: String, _ database: Database
  ) throws {
    var row = try NewRow(database, into: "state")
    row.add(job)
    row.add(state.rawValue)
    row.add(reason)
    try row.insert()
  }

  private static func writePlan(
    _ job: JobID, _ plan: Plan, _ model: PlannedModel, _ database: Database
  ) throws {
    var row = try NewRow(database, into: "plan")
    row.add(job)
    row.add(Int64(bitPattern: plan.blockByteCount))
    row.add(Int64(plan.inputs.count))
    row.add(model.digest.bytes)
    row.add(Int64(bitPattern: model.byteCount))
    try row.insert()
    for (place, input) in plan.inputs.enumerated() {
      var row = try NewRow(database, into: "input")
      row.add(job)
      row.add(Int64(place))
      row.add(input.path)
      row.add(Int64(bitPattern: input.byteCount))
      row.add(input.modifiedNanoseconds)
      row.add(Int64(bitPattern: input.inode))
      row.add(input.compression.rawValue)
      try row.insert()
      if !input.version.isEmpty || !input.cuts.isEmpty {
        try writePin(job, place, input, database)
      }
    }
  }

  private static func writeColumns(
    _ job: JobID, _ columns: PlannedColumns, _ database: Database
  ) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    var row = try NewRow(database, into: "columns")
    row.add(job)
    row.add(String(decoding: try encoder.encode(columns), as: UTF8.self))
    try row.insert()
  }

  /// Writes what an input has beyond a plain file: 16 bytes a cut, the highest byte first.
  private static func writePin(
    _ job: JobID, _ place: Int, _ input: PlannedInput, _ database: Database
  ) throws {
    var row = try NewRow(database, into: "pin")
    row.add(job)
    row.add(Int64(place))
    row.add(input.version)
    row.add(
      input.cuts.flatMap { cut in
        [cut.offset, cut.place].flatMap { number in
          (0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - 8 * UInt64($0))) }
        }
      })
    try row.insert()
  }

  private static func writeCommit(
    _ job: JobID, _ committed: CommittedBlocks, _ database: Database
  ) throws {
    var row = try NewRow(database, into: "committed")
    row.add(job)
    row.add(Int64(committed.shard.rawValue))
    row.add(Int64(committed.blocks.first))
    row.add(Int64(committed.blocks.end))
    row.add(Int64(committed.attempt.incarnation.rawValue))
    row.add(Int64(committed.attempt.counter))
    row.add(committed.entry.code)
    row.add(committed.exit.code)
    row.add(Int64(bitPattern: committed.counts.ok))
    row.add(Int64(bitPattern: committed.counts.error))
    row.add(Int64(bitPattern: committed.counts.filtered))
    row.add(committed.partial.digest.bytes)
    row.add(Int64(bitPattern: committed.partial.byteCount))
    try row.insert()
  }
}
