internal import CWire
package import Jobs

/// Some bytes of what a worker has to know about a job, and the model to load.
package struct ConfigurationPart: Hashable, Sendable {
  package let totalByteCount: UInt64
  package let offset: UInt64
  /// At most `WireLimits.configurationPartByteCount`; what they mean is not the wire's business.
  package let bytes: [UInt8]
  package let modelDigest: ContentDigest
  package let modelByteCount: UInt64

  package init(
    totalByteCount: UInt64, offset: UInt64, bytes: [UInt8], modelDigest: ContentDigest,
    modelByteCount: UInt64
  ) {
    self.totalByteCount = totalByteCount
    self.offset = offset
    self.bytes = bytes
    self.modelDigest = modelDigest
    self.modelByteCount = modelByteCount
  }
}

extension ConfigurationPart {
  init(reading message: Wire__Configuration) throws(WireError) {
    let limit = WireLimits.configurationByteCount
    totalByteCount = try unsafe Field.count(
      message.total_byte_count, limit: limit, "configuration.total_byte_count")
    offset = try unsafe Field.count(message.offset, limit: limit, "configuration.offset")
    bytes = try unsafe Field.bytes(
      message.content, limit: WireLimits.configurationPartByteCount, "configuration.content")
    guard offset + UInt64(bytes.count) <= totalByteCount else {
      throw .invalid(
        "configuration.content", "\(bytes.count) bytes at \(offset) of \(totalByteCount)")
    }
    modelDigest = try unsafe Field.digest(message.model_digest, "configuration.model_digest")
    modelByteCount = try unsafe Field.count(
      message.model_byte_count, limit: Limits.modelByteCount, "configuration.model_byte_count")
  }

  func packed(in arena: MessageArena) -> UnsafeMutablePointer<Wire__Configuration> {
    unsafe arena.message(wire__configuration__init) { message in
      unsafe message.total_byte_count = totalByteCount
      unsafe message.offset = offset
      unsafe message.content = arena.bytes(
        bytes, limit: WireLimits.configurationPartByteCount, "configuration.content")
      unsafe message.model_digest = arena.digest(modelDigest)
      unsafe message.model_byte_count = modelByteCount
    }
  }
}
