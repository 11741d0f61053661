import Destinations
import Jobs

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

  /// One record scored again.
  package struct Replay: Encodable, Sendable {
    package var row: UInt64
    package var file: String
    /// The published line, and the one that scoring it again makes.
    package var published: String
    package var rescored: String
  }

  /// Checks a published folder against its receipt, offline; what cannot be read is a problem.
  package static func verify(folder: String, readsInputs: Bool) -> Finding {
    let report = Verification.check(folder: folder, readsInputs: readsInputs)
    return Finding(
      folder: folder, fileCount: report.outputCount, recordCount: report.counts.total,
      inputsChecked: report.inputsChecked, inputsMissing: report.inputsMissing,
      problems: report.findings.map(\.description))
  }

  /// Scores one record of a published folder again; `row` counts from 0 over all inputs.
  ///
  /// - Throws: `CommandError` where the folder, its input or its model cannot be read.
  package static func replay(folder: String, row: UInt64) throws -> Replay {
    throw CommandError("\(folder): this build has no `replay` yet; row \(row) was asked for")
  }
}
