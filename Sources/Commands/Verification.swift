import ArgumentParser
import Destinations
import Jobs
import ObjectStore
import Worker

/// The one place that calls the checks of published folders; `Destinations` has the work.
package enum Publication {
  /// What checking a published folder found, as `--output json` prints it.
  package struct Finding: Encodable, Sendable {
    package var folder: String
    /// Output files that were read.
    package var fileCount: Int
    package var recordCount: UInt64
    package var inputsChecked: Int
    /// Inputs that are not there any more.
    package var inputsMissing: Int
    /// Empty where the folder is what its receipt says.
    package var problems: [String]
  }

  /// A published place as a user names it: a URI of a store, or a path, which is made absolute.
  package static func place(_ text: String) -> String {
    guard ObjectURI.isURI(text) else { return Paths.absolute(text, in: Paths.currentFolder) }
    return text.hasSuffix("/") ? String(text.dropLast()) : text
  }

  /// Checks a published folder or prefix against its receipt; what cannot be read is a problem.
  package static func verify(folder: String, readsInputs: Bool) -> Finding {
    let report = Verification.check(place: folder, readsInputs: readsInputs)
    return Finding(
      folder: folder, fileCount: report.outputCount, recordCount: report.counts.total,
      inputsChecked: report.inputsChecked, inputsMissing: report.inputsMissing,
      problems: report.findings.map(\.description))
  }

  /// Scores one record of a published folder again; `row` counts from 0 over all inputs.
  ///
  /// - Throws: `CommandError` where the folder, its input or its model cannot be read, or are not
  ///   what the receipt says; `ValidationError` where no model is named.
  package static func replay(folder: String, row: UInt64, model: String?) throws -> Replay {
    do {
      var copy: TemporaryFolder?
      if ObjectURI.isURI(folder) {
        let place = try TemporaryFolder()
        try PublishedObjects.copy(folder, to: place.path)
        copy = place
      }
      defer { withExtendedLifetime(copy) {} }
      let published = try PublishedFolder(path: copy?.path ?? folder)
      guard let model else {
        throw ValidationError(
          "--model is missing: name a file with the model \"\(published.modelName)\", whose "
            + "SHA-256 is \(published.modelDigest)")
      }
      return try Replay(folder: published, row: row, model: model)
    } catch let error as DestinationError {
      throw CommandError(error.context)
    } catch let error as WorkerError {
      throw CommandError(error.context)
    }
  }
}
