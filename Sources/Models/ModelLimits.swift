/// The largest model that is read.
///
/// Arrays in a model are checked against the bytes that spell them out before memory is taken, so
/// memory is bounded by a small multiple of the file's size; these limits bound the rest.
package enum ModelLimits {
  /// 1 GiB of text is about 5 million leaves; LightGBM's own readers use 32-bit sizes there.
  package static let byteCount = 1 << 30

  /// Room for hashed text features; a tile then still fits memory with eight rows.
  package static let featureCount = 1 << 20

  /// One output per class; each row's outputs are held as doubles.
  package static let outputCount = 1 << 14

  /// Nodes, words of categorical sets and cells of a tile are addressed with 32 bits.
  package static let indexCount = 1 << 31

  /// How many names of a long list an error shows.
  package static let shownNameCount = 100
}
