package import ObjectStore

/// An object of a store or a web server, as it was when it was planned.
///
/// Reads go on ahead of the reader, and every one of them names the planned version: an object
/// that was replaced is an error, never a mixture.
package final class ObjectSource: ByteSource {
  private let reader: ObjectReader

  /// Opens an object; nothing is asked of the store yet.
  ///
  /// - Parameters:
  ///   - uri: Its URI.
  ///   - byteCount: Its planned size.
  ///   - version: Its planned version, as `ObjectVersion` writes it.
  ///   - store: What to read from.
  ///   - isOver: Asked now and then whether to give up.
  /// - Throws: `TableError`: `unsupported` for a scheme that is not read, or without a version.
  package init(
    _ uri: String, byteCount: UInt64, version: String, in store: ObjectStore,
    isOver: (@Sendable () -> Bool)? = nil
  ) throws(TableError) {
    let address: ObjectURI
    do throws(ObjectError) { address = try ObjectURI(uri) } catch { throw TableError(error) }
    guard let pin = ObjectVersion(version) else {
      throw TableError(
        code: .unsupported,
        context: "\(address.nameForMessages): its server gives neither ETag nor Last-Modified, so "
          + "that a change could not be noticed: copy it to a file or a bucket first")
    }
    reader = ObjectReader(
      address, version: pin, byteCount: byteCount, in: store,
      cancellation: isOver.map { Cancellation(when: $0) })
  }

  /// Size of the object.
  package var byteCount: UInt64? { reader.byteCount }

  /// Where the caller will stop: nothing is read ahead beyond it.
  package var expectedEnd: UInt64 {
    get { reader.expectedEnd }
    set { reader.expectedEnd = newValue }
  }

  /// Reads some of the bytes from `offset` on.
  ///
  /// - Parameters:
  ///   - offset: Where to start.
  ///   - buffer: What to fill; not empty.
  /// - Returns: How many bytes were filled, 0 only at the end of the object.
  /// - Throws: `TableError`: `inputChanged`, `unavailable`, `cancelled`.
  package func read(
    at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer
  ) throws -> Int {
    do throws(ObjectError) {
      return try unsafe reader.read(at: offset, into: buffer)
    } catch {
      throw TableError(error)
    }
  }
}

/// What a store has, for listings of inputs.
package struct StoreCatalog: ObjectCatalog {
  private let store: ObjectStore
  private let scheme: ObjectURI.Scheme

  /// Makes the catalog of the stores with a scheme; nil for a scheme that is not read.
  package init?(scheme: String, in store: ObjectStore = .shared) {
    // These stand for themselves in what is listed, so that a URI comes back as it was written.
    guard let scheme = ObjectURI.Scheme(rawValue: scheme) else { return nil }
    self.scheme = scheme
    self.store = store
  }

  /// Whether objects can be listed; of a plain web server nobody knows what it has.
  package var listsObjects: Bool { !scheme.isPlainHTTP }

  /// Visits the objects whose URIs begin with a prefix, page by page.
  ///
  /// - Parameters:
  ///   - prefix: The begin of a URI, at least scheme and bucket.
  ///   - stopsAtSlash: Whether objects with a slash after the prefix are left out.
  ///   - visit: Called for each object.
  /// - Returns: Where it stops at slashes, what the objects left out begin with, up to that slash,
  ///   each once.
  /// - Throws: `TableError`, or what `visit` throws.
  package func visitObjects(
    below prefix: String, stopsAtSlash: Bool, _ visit: (ListedObject) throws -> Void
  ) throws -> [String] {
    let uri = try address(prefix)
    var folders: [String] = []
    var pages = store.pages(of: uri, stoppingAtSlash: stopsAtSlash)
    while let page = try next(&pages) {
      for entry in page.entries { try visit(Self.listed(entry.uri, entry.status)) }
      folders += page.folders.map { uri.with(key: $0).description }
    }
    return folders
  }

  /// The object with exactly this URI, or nil.
  ///
  /// - Throws: `TableError`.
  package func object(at text: String) throws -> ListedObject? {
    let uri = try address(text)
    guard !uri.key.isEmpty || scheme.isPlainHTTP else { return nil }
    do throws(ObjectError) {
      return Self.listed(uri, try store.status(of: uri))
    } catch {
      guard error.code != .missing else { return nil }
      throw TableError(error)
    }
  }

  private func address(_ text: String) throws(TableError) -> ObjectURI {
    do throws(ObjectError) { return try ObjectURI(text) } catch { throw TableError(error) }
  }

  private func next(_ pages: inout ObjectPages) throws(TableError) -> ObjectPage? {
    do throws(ObjectError) { return try pages.next() } catch { throw TableError(error) }
  }

  private static func listed(_ uri: ObjectURI, _ status: ObjectStatus) -> ListedObject {
    ListedObject(
      uri: uri.description, byteCount: status.byteCount,
      modificationNanoseconds: status.modificationNanoseconds,
      version: status.version?.description ?? "")
  }
}

extension InputListing.Options {
  /// Lists files, and objects of the stores that this process's environment leads to.
  package static var withStores: InputListing.Options {
    var options = InputListing.Options()
    options.catalog = { StoreCatalog(scheme: $0) }
    return options
  }
}

extension TableError {
  /// What a store's error means for an input.
  init(_ error: ObjectError) {
    let code: Code =
      switch error.code {
      case .changed: .inputChanged
      case .missing: .noInput
      case .unsupported, .malformed: .unsupported
      case .cancelled: .cancelled
      case .unavailable, .denied, .conflict, .damaged, .full, .refusedByCondition: .unavailable
      }
    self.init(code: code, context: error.context)
  }
}
