import Foundation
import Glibc

extension File {
  /// Writes a file that is whole and durable, or not there: under another name first, then renamed
  /// over what may be there.
  ///
  /// Not by Foundation: after a write that takes only some of the bytes, that of Swift 6.3 writes
  /// the same ones again, and it has the disk keep nothing.
  package static func replace(_ path: String, with bytes: [UInt8]) throws(FileError) {
    let temporary = "\(path).\(UUID().uuidString)"
    defer { unsafe unlink(temporary) }  // where it was not renamed; a full disk needs the space
    let file = try File(temporary, .create)
    try file.write(bytes, at: 0)
    try file.synchronize()
    guard unsafe rename(temporary, path) == 0 else { throw FileError("rename", temporary) }
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    try File(folder, .read).synchronize()
  }
}
