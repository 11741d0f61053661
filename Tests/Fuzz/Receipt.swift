import Destinations
import Digests
import Glibc

extension FuzzTarget {
  /// A receipt, with the `_SUCCESS` that names it and no other file, as `verify` and `replay` read
  /// it.
  static let receipt = FuzzTarget(name: "receipt") { bytes in
    let folder = "\(Scratch.folder)/prediction"
    guard unsafe mkdir(folder, 0o700) == 0 || errno == EEXIST else { fatalError("mkdir \(errno)") }
    Scratch.write(bytes, "\(folder)/receipt.json")
    let digest = SHA256.digest(of: bytes)
    Scratch.write(Array("\(digest)  receipt.json\n".utf8), "\(folder)/_SUCCESS")
    let report = Verification.check(
      folder: folder, readsInputs: false, store: AnsweringServer.shared.store)
    require(!report.isSound || report.outputCount == 0, "a receipt without its files is sound")
    do throws(DestinationError) {
      let published = try PublishedFolder(path: folder)
      _ = published.request
      guard published.recordCount > 0 else { return }
      for row in [0, published.recordCount / 2, published.recordCount - 1] {
        _ = try published.place(ofRow: row)
      }
    } catch {
      require(!error.context.isEmpty, "an error without words")
    }
  }
}
