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

  init(_ prefix: ObjectURI, in store: ObjectStore) {
    self.prefix = prefix
    self.store = store
  }

  func makeTarget(_ name: String) throws(FileError) -> any OutputTarget {
    let upload = ObjectUpload(to: prefix.appending(name), in: store)
    open.append(upload)
    return ObjectTarget(upload) { [self] status in
      open.removeAll { $0 === upload }
      versions[name] = status.version
    }
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
  private let onFinish: (ObjectStatus) -> Void

  init(_ upload: ObjectUpload, onFinish: @escaping (ObjectStatus) -> Void) {
    self.upload = upload
    self.onFinish = onFinish
  }

  func append(_ bytes: [UInt8]) throws(FileError) {
    do throws(ObjectError) { try upload.append(bytes) } catch { throw FileError(error) }
  }

  func finish() throws(FileError) {
    do throws(ObjectError) { onFinish(try upload.finish()) } catch { throw FileError(error) }
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
