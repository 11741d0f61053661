import CCurl
import Synchronization

/// Tells a request that is on its way, and the pauses between its tries, that nobody waits for it.
package final class Cancellation: Sendable {
  private let flag = Atomic(false)
  private let isOver: (@Sendable () -> Bool)?

  /// Makes one.
  ///
  /// - Parameter isOver: Asked now and then by any thread; true ends the requests too.
  package init(when isOver: (@Sendable () -> Bool)? = nil) {
    self.isOver = isOver
  }

  /// Whether `cancel()` has been called, or what was given says that it is over.
  package var isCancelled: Bool { flag.load(ordering: .relaxed) || isOver?() == true }

  /// Ends the requests that carry this, within about a second.
  package func cancel() { flag.store(true, ordering: .relaxed) }
}

/// What libcurl's callbacks fill while one request runs.
@safe final class HTTPTransfer {
  private(set) var status = 0
  private(set) var headers: [HTTPHeader] = []
  private(set) var body: [UInt8] = []
  private(set) var filledCount = 0
  private(set) var isTooLarge = false
  /// All that was asked for is there; the connection may be dropped.
  private(set) var isSatisfied = false
  private let sink: HTTPSink
  private let cancellation: Cancellation?
  private var headerByteCount = 0
  private var skipped: UInt64 = 0

  private static let headerByteLimit = 256 << 10
  private static let errorByteLimit = 64 << 10

  init(sink: HTTPSink, cancellation: Cancellation?) {
    self.sink = sink
    self.cancellation = cancellation
  }

  var isCancelled: Bool { cancellation?.isCancelled ?? false }

  /// Takes one header line; an answer that follows on another (100, redirects) begins anew.
  func takeHeader(_ bytes: UnsafeRawBufferPointer) -> Bool {
    headerByteCount += bytes.count
    guard headerByteCount <= Self.headerByteLimit else { return false }
    let line = unsafe String(decoding: bytes, as: UTF8.self)
    if line.hasPrefix("HTTP/") {
      headers = []
      let parts = line.split(whereSeparator: { $0 == " " || $0.isNewline })
      status = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
    } else if let colon = line.firstIndex(of: ":") {
      let value = line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
      let end = value.lastIndex { !$0.isWhitespace }.map { value.index(after: $0) }
      headers.append(
        HTTPHeader(line[..<colon].lowercased(), String(value[..<(end ?? value.startIndex)])))
    }
    return true
  }

  /// Takes the next bytes of the body; false ends the request.
  func takeBody(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard (200..<300).contains(status) else {
      unsafe body += bytes.prefix(max(0, Self.errorByteLimit - body.count))
      return true
    }
    switch sink {
    case .memory(let limit):
      guard body.count + bytes.count <= limit else {
        isTooLarge = true
        return false
      }
      unsafe body += bytes
      return true
    case .buffer(let buffer, let offset):
      return unsafe fill(buffer, from: bytes, offset: isRanged ? 0 : offset)
    }
  }

  /// Some stores send a range with status 200.
  private var isRanged: Bool { status == 206 || headers.contains { $0.name == "content-range" } }

  private func fill(
    _ buffer: UnsafeMutableRawBufferPointer, from bytes: UnsafeRawBufferPointer, offset: UInt64
  ) -> Bool {
    let skippedNow = Int(min(UInt64(bytes.count), offset - skipped))
    skipped += UInt64(skippedNow)
    let count = min(bytes.count - skippedNow, buffer.count - filledCount)
    if count > 0 {
      let target = unsafe UnsafeMutableRawBufferPointer(
        rebasing: buffer[filledCount..<(filledCount + count)])
      unsafe target.copyMemory(
        from: UnsafeRawBufferPointer(rebasing: bytes[skippedNow..<(skippedNow + count)]))
      filledCount += count
    }
    guard count < bytes.count - skippedNow else { return true }
    if isRanged { isTooLarge = true } else { isSatisfied = true }
    return false
  }

  /// Gives libcurl the callbacks and this as their context; it must live until the request ends.
  func attach(to handle: UnsafeMutableRawPointer) {
    let context = unsafe Unmanaged.passUnretained(self).toOpaque()
    _ = unsafe ns_curl_set_data_function(handle, CURLOPT_HEADERFUNCTION) {
      bytes, size, count, context in
      unsafe HTTPTransfer.of(context, bytes, size * count) { unsafe $0.takeHeader($1) }
    }
    _ = unsafe ns_curl_set_pointer(handle, CURLOPT_HEADERDATA, context)
    _ = unsafe ns_curl_set_data_function(handle, CURLOPT_WRITEFUNCTION) {
      bytes, size, count, context in
      unsafe HTTPTransfer.of(context, bytes, size * count) { unsafe $0.takeBody($1) }
    }
    _ = unsafe ns_curl_set_pointer(handle, CURLOPT_WRITEDATA, context)
    _ = unsafe ns_curl_set_progress_function(handle) { context, _, _, _, _ in
      guard let context = unsafe context else { return 0 }
      let transfer = unsafe Unmanaged<HTTPTransfer>.fromOpaque(context).takeUnretainedValue()
      return transfer.isCancelled ? 1 : 0
    }
    _ = unsafe ns_curl_set_pointer(handle, CURLOPT_XFERINFODATA, context)
    _ = unsafe ns_curl_set_long(handle, CURLOPT_NOPROGRESS, 0)
  }

  private static func of(
    _ context: UnsafeMutableRawPointer?, _ bytes: UnsafePointer<CChar>?, _ count: Int,
    _ body: (HTTPTransfer, UnsafeRawBufferPointer) -> Bool
  ) -> Int {
    guard let context = unsafe context else { return 0 }
    let transfer = unsafe Unmanaged<HTTPTransfer>.fromOpaque(context).takeUnretainedValue()
    let taken = unsafe body(transfer, UnsafeRawBufferPointer(start: bytes, count: count))
    return taken ? count : (count == 0 ? 1 : 0)
  }
}
