/// CityHash64 as it was in version 1.0, which CatBoost's categories are hashed with.
///
/// The functions and constants are those of G. Pike and J. Alakuijala, CityHash 1.0, 2011
/// (https://github.com/google/cityhash); later versions hash long texts differently.
package enum CityHash {
  private static let k0: UInt64 = 0xc3a5_c85c_97cb_3127
  private static let k1: UInt64 = 0xb492_b66f_be98_f273
  private static let k2: UInt64 = 0x9ae1_6a3b_2f90_404f
  private static let k3: UInt64 = 0xc949_d7c7_509e_6557

  /// The hash of a text; of no bytes, `start` may be nil.
  package static func hash64(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    switch bytes.count {
    case 0...16: unsafe short(bytes)
    case 17...32: unsafe middle(bytes)
    case 33...64: unsafe long(bytes)
    default: unsafe blocks(bytes)
    }
  }

  private static func short(_ text: UnsafeRawBufferPointer) -> UInt64 {
    let count = text.count
    if count > 8 {
      let a = unsafe word(text, 0)
      let b = unsafe word(text, count - 8)
      return mix(a, rotated(b &+ UInt64(count), count)) ^ b
    }
    if count >= 4 {
      let a = unsafe UInt64(half(text, 0))
      return unsafe mix(UInt64(count) &+ a << 3, UInt64(half(text, count - 4)))
    }
    guard count > 0 else { return k2 }
    let (a, b, c) = unsafe (UInt64(text[0]), UInt64(text[count >> 1]), UInt64(text[count - 1]))
    let y = a &+ b << 8
    let z = UInt64(count) &+ c << 2
    return shifted(y &* k2 ^ z &* k3) &* k2
  }

  private static func middle(_ text: UnsafeRawBufferPointer) -> UInt64 {
    let count = text.count
    let a = unsafe word(text, 0) &* k1
    let b = unsafe word(text, 8)
    let c = unsafe word(text, count - 8) &* k2
    let d = unsafe word(text, count - 16) &* k0
    return mix(
      rotated(a &- b, 43) &+ rotated(c, 30) &+ d,
      a &+ rotated(b ^ k3, 20) &- c &+ UInt64(count))
  }

  private static func long(_ text: UnsafeRawBufferPointer) -> UInt64 {
    let count = text.count
    let first = unsafe word(text, 0) &+ (UInt64(count) &+ word(text, count - 16)) &* k0
    let head = unsafe ends(first, word(text, 8), word(text, 16), word(text, 24))
    let last = unsafe word(text, 16) &+ word(text, count - 32)
    let tail = unsafe ends(
      last, word(text, count - 24), word(text, count - 16), word(text, count - 8))
    let r = shifted((head.0 &+ tail.1) &* k2 &+ (tail.0 &+ head.1) &* k0)
    return shifted(r &* k0 &+ head.1) &* k2
  }

  /// Two sums over four words, the first of which may be any number.
  private static func ends(
    _ first: UInt64, _ second: UInt64, _ third: UInt64, _ fourth: UInt64
  ) -> (UInt64, UInt64) {
    var a = first
    let b = rotated(a &+ fourth, 52)
    var c = rotated(a, 37)
    a = a &+ second
    c = c &+ rotated(a, 7)
    a = a &+ third
    return (a &+ fourth, b &+ rotated(a, 31) &+ c)
  }

  private static func blocks(_ text: UnsafeRawBufferPointer) -> UInt64 {
    let count = text.count
    var x = unsafe word(text, 0)
    var y = unsafe word(text, count - 16) ^ k1
    var z = unsafe word(text, count - 56) ^ k0
    var v = unsafe weak(text, count - 64, UInt64(count), y)
    var w = unsafe weak(text, count - 32, UInt64(count) &* k1, k0)
    z = z &+ shifted(v.1) &* k1
    x = rotated(z &+ x, 39) &* k1
    y = rotated(y, 33) &* k1
    for start in stride(from: 0, to: (count - 1) & ~63, by: 64) {
      x = unsafe rotated(x &+ y &+ v.0 &+ word(text, start + 16), 37) &* k1
      y = unsafe rotated(y &+ v.1 &+ word(text, start + 48), 42) &* k1
      x ^= w.1
      y ^= v.0
      z = rotated(z ^ w.0, 33)
      v = unsafe weak(text, start, v.1 &* k1, x &+ w.0)
      w = unsafe weak(text, start + 32, z &+ w.1, y)
      swap(&z, &x)
    }
    return mix(mix(v.0, w.0) &+ shifted(y) &* k1 &+ z, mix(v.1, w.1) &+ x)
  }

  /// Four words and two seeds.
  private static func weak(
    _ text: UnsafeRawBufferPointer, _ start: Int, _ seed: UInt64, _ other: UInt64
  ) -> (UInt64, UInt64) {
    let z = unsafe word(text, start + 24)
    var a = unsafe seed &+ word(text, start)
    var b = rotated(other &+ a &+ z, 21)
    let c = a
    a = unsafe a &+ word(text, start + 8) &+ word(text, start + 16)
    b = b &+ rotated(a, 44)
    return (a &+ z, b &+ c)
  }

  private static func mix(_ low: UInt64, _ high: UInt64) -> UInt64 {
    let factor: UInt64 = 0x9ddf_ea08_eb38_2d69
    let a = shifted((low ^ high) &* factor)
    return shifted((high ^ a) &* factor) &* factor
  }

  private static func shifted(_ value: UInt64) -> UInt64 { value ^ value >> 47 }

  private static func rotated(_ value: UInt64, _ count: Int) -> UInt64 {
    value >> UInt64(count) | value << UInt64(64 - count)
  }

  private static func word(_ text: UnsafeRawBufferPointer, _ place: Int) -> UInt64 {
    unsafe UInt64(littleEndian: text.loadUnaligned(fromByteOffset: place, as: UInt64.self))
  }

  private static func half(_ text: UnsafeRawBufferPointer, _ place: Int) -> UInt32 {
    unsafe UInt32(littleEndian: text.loadUnaligned(fromByteOffset: place, as: UInt32.self))
  }
}
