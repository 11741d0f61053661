import CPosix
import CoordinatorCore
import Foundation
import Glibc
import Jobs
import Partials

/// A job's staging folder and final folder, as the order of their publication sees them.
struct PosixFolder: PublicationFolder {
  typealias Failure = FileError

  private let input: MergeInput
  private let usesRename: Bool

  init(_ input: MergeInput, usesRename: Bool) {
    self.input = input
    self.usesRename = usesRename
  }

  private var folder: String { input.folder }
  private var claimPath: String { folder + "/.nightshift-claim" }

  func isPublished() -> Bool {
    guard FileManager.default.fileExists(atPath: folder + "/" + OutputName.success),
      let data = FileManager.default.contents(atPath: folder + "/" + OutputName.receipt),
      // A receipt that cannot be read is not ours.
      let receipt = try? JSONDecoder().decode(ReceiptOwner.self, from: data)
    else { return false }
    return receipt.job == input.job.description
  }

  /// The one key of a receipt that tells whose it is.
  private struct ReceiptOwner: Decodable {
    let job: String
  }

  func synchronizeStaging() throws(FileError) { try Folder.synchronize(input.stagingFolder) }

  func renameWithoutReplacing() throws(FileError) -> Bool {
    usesRename ? try Folder.renameWithoutReplacing(input.stagingFolder, folder) : false
  }

  func renameReplacing() throws(FileError) { try Folder.rename(input.stagingFolder, folder) }

  func claimant() -> String? {
    let found = FileManager.default.contents(atPath: claimPath)
    let words = String(decoding: found ?? Data(), as: UTF8.self).split(separator: " ")
    guard words.first.map(String.init) == input.job.description else { return nil }
    // A name in a file of the output's becomes no path that leads elsewhere.
    guard words.count == 2, !words[1].contains("/"), !words[1].hasPrefix(".") else {
      return input.stager
    }
    return String(words[1])
  }

  /// A folder with this job's claim in it is the rest of an earlier try and is taken up again.
  func claim() throws(FileError) -> String {
    let text = "\(input.job) \(input.stager)"
    do throws(FileError) {
      try Folder.make(folder, mayExist: false)
      let file = try File(claimPath, .create)
      try file.write(Array(text.utf8), at: 0)
      try file.synchronize()
      try Folder.synchronize(folder)
      try Folder.synchronize(input.destination)
      return input.stager
    } catch {
      guard error.code == .exists, let stager = claimant() else { throw error }
      return stager
    }
  }

  private func staging(of stager: String) -> String { "\(input.workFolder)/\(stager)" }

  func moveFiles(of stager: String) throws(FileError) {
    let staging = staging(of: stager)
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: staging) else {
      throw FileError("list", staging)  // an empty list would publish nothing but _SUCCESS
    }
    for name in names.sorted() where name != OutputName.success {
      try move(name, from: staging)
    }
  }

  func moveSuccess(of stager: String) throws(FileError) {
    try Folder.rename(
      staging(of: stager) + "/" + OutputName.success, folder + "/" + OutputName.success)
  }

  /// Moves a file, unless another coordinator with this job was quicker.
  private func move(_ name: String, from staging: String) throws(FileError) {
    do throws(FileError) {
      try Folder.rename(staging + "/" + name, folder + "/" + name)
    } catch {
      guard error.code == .missing else { throw error }
    }
  }

  func synchronizeFinal() throws(FileError) { try Folder.synchronize(folder) }

  func removeClaim() throws(FileError) {
    _ = unsafe unlink(claimPath)  // there is none, usually
  }

  func synchronizeParent() throws(FileError) { try Folder.synchronize(input.destination) }
}
