import CoordinatorCore
import Foundation
import ObjectStore
import Partials

/// A prefix of an object store; what is begun there and not finished can be ended.
final class ObjectPlace: OutputPlace {
  let prefix: ObjectURI
  private let store: ObjectStore
  private var open: [ObjectUpload] = []
  /// The objects that are finished, by name.
  private(set) var versions: [String: ObjectVersion] = [:]
  /// Whose claim has to stand while objects are written; `nil` where the prefix is the job's alone.
  private let order: ObjectPublication?
  /// Whether the store heeds conditions.
  private let isConditional: Bool

  init(_ prefix: ObjectURI, in store: ObjectStore) {
    self.prefix = prefix
    self.store = store
    order = nil
    isConditional = false
  }

  /// A prefix that is written while a claim stands.
  init(_ objects: PrefixObjects, _ order: ObjectPublication) {
    prefix = objects.prefix
    store = objects.store
    self.order = order
    isConditional = objects.isConditional
  }

  func makeTarget(_ name: String) throws(FileError) -> any OutputTarget {
    let upload = ObjectUpload(to: prefix.appending(name), in: store)
    open.append(upload)
    return ObjectTarget(upload) { [self] () throws(ObjectError) in
      let status = try finish(upload, name)
      open.removeAll { $0 === upload }
      versions[name] = status.version
    }
  }

  /// How often a refused object is tried on a new condition.
  private static let tryLimit = 8

  /// Makes an object, on the condition that nobody has taken the claim over.
  private func finish(_ upload: ObjectUpload, _ name: String) throws(ObjectError) -> ObjectStatus {
    guard let order else { return try upload.finish() }
    var objects = PrefixObjects(prefix, in: store, isConditional: isConditional)
    for _ in 0..<Self.tryLimit {
      guard let condition = try order.condition(of: name, in: &objects) else { break }
      guard isConditional else { return try upload.finish() }
      do throws(ObjectError) {
        return try upload.finish(condition: WriteCondition(condition))
      } catch {
        guard error.code == .refusedByCondition else { throw error }
      }
    }
    throw ObjectError(
      code: .refusedByCondition,
      context: "\(prefix): another coordinator took it; is a second one running with this job?")
  }

  /// Ends the uploads that are not finished; what cannot be ended now a sweep ends later.
  func abandon() {
    for upload in open { try? upload.abort() }
    open = []
  }
}

/// One object that is uploaded in parts.
private final class ObjectTarget: OutputTarget {
  private let upload: ObjectUpload
  private let finishing: () throws(ObjectError) -> Void

  init(_ upload: ObjectUpload, finishing: @escaping () throws(ObjectError) -> Void) {
    self.upload = upload
    self.finishing = finishing
  }

  func append(_ bytes: [UInt8]) throws(FileError) {
    do throws(ObjectError) { try upload.append(bytes) } catch { throw FileError(error) }
  }

  func finish() throws(FileError) {
    do throws(ObjectError) { try finishing() } catch { throw FileError(error) }
  }
}

extension FileError {
  /// What a store's error means for an output.
  init(_ error: ObjectError) {
    let code: Code =
      switch error.code {
      case .full: .diskFull
      case .refusedByCondition: .exists
      case .missing: .missing
      case .damaged, .changed: .unreadable
      case .denied: .other(EACCES)
      case .unavailable: .other(ETIMEDOUT)
      case .conflict: .other(EAGAIN)
      case .unsupported: .other(ENOTSUP)
      case .malformed: .other(EPROTO)
      case .cancelled: .other(ECANCELED)
      }
    self.init(code: code, context: error.context)
  }
}

/// Calls a store and gives its failures this module's type.
func inStore<Result>(
  _ body: () throws(ObjectError) -> Result
) throws(DestinationError) -> Result {
  do throws(ObjectError) { return try body() } catch { throw DestinationError(FileError(error)) }
}
