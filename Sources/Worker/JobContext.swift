import Foundation
import Jobs
import Scoring
import Tables

/// What scoring a job's shards needs, made once for each job and shared by all threads.
final class JobContext: Sendable {
  let id: JobID
  let request: JobRequest
  let columns: [String]
  let model: Model
  let mapping: ColumnMapping
  let csv: CSVOptions
  let output: RowFormat

  init(
    id: JobID, configuration: JobConfiguration, model: Model
  ) throws {
    self.id = id
    self.model = model
    request = configuration.request
    columns = configuration.columns
    mapping = try ColumnMapping(inputs: model.inputs, columns: columns)
    csv = try CSVOptions(request: request)
    output = try RowFormat(request: request, columns: columns, outputCount: model.outputCount)
  }
}

/// Jobs that this worker knows, and models by digest: bounded, the one used longest ago goes.
actor JobCache {
  /// Jobs and models kept; a worker rarely has leases of more jobs at once.
  private static let limit = 4

  private let link: CoordinatorLink
  private var contexts: [(id: JobID, task: Task<JobContext, any Error>)] = []
  private var models: [(digest: ContentDigest, task: Task<Model, any Error>)] = []

  init(link: CoordinatorLink) {
    self.link = link
  }

  /// The job's context; fetched once although several threads ask.
  func context(of id: JobID) async throws -> JobContext {
    if let index = contexts.firstIndex(where: { $0.id == id }) {
      let known = contexts.remove(at: index)
      contexts.append(known)
      return try await known.task.value
    }
    let task = Task { try await self.make(id) }
    contexts.append((id, task))
    if contexts.count > Self.limit { contexts.removeFirst() }
    do {
      return try await task.value
    } catch {
      contexts.removeAll { $0.id == id }
      throw error
    }
  }

  private func make(_ id: JobID) async throws -> JobContext {
    let fetched = try await link.configuration(of: id)
    let configuration = try JSONDecoder().decode(
      JobConfiguration.self, from: Data(fetched.content))
    let model = try await model(fetched.modelDigest, byteCount: fetched.modelByteCount)
    return try JobContext(id: id, configuration: configuration, model: model)
  }

  private func model(_ digest: ContentDigest, byteCount: UInt64) async throws -> Model {
    if let known = models.first(where: { $0.digest == digest }) {
      return try await known.task.value
    }
    let task = Task { [link] in
      try Model(lightGBM: try await link.model(digest, byteCount: byteCount))
    }
    models.append((digest, task))
    if models.count > Self.limit { models.removeFirst() }
    do {
      return try await task.value
    } catch {
      models.removeAll { $0.digest == digest }
      throw error
    }
  }
}
