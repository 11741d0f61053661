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
    /// What scoring shards again has shown; absent where nobody asked, or nothing could be scored.
    package var rescored: RescoringReport?
    /// Why not all that is to be scored again could be; absent where it could.
    package var obstacle: String?
  }

  /// A published place as a user names it: a URI of a store, or a path, which is made absolute.
  package static func place(_ text: String) -> String {
    guard Paths.scheme(of: text) == nil || ObjectURI.isURI(text) else { return text }
    guard ObjectURI.isURI(text) else { return Paths.absolute(text, in: Paths.currentFolder) }
    return text.hasSuffix("/") ? String(text.dropLast()) : text
  }

  /// Checks a published folder or prefix against its receipt; what cannot be read is a problem.
  ///
  /// - Parameters:
  ///   - folder: As `place` gives it.
  ///   - readsInputs: Whether inputs are read again to compare their digests.
  ///   - order: What is scored again, if anything.
  /// - Returns: What was looked at, everything that is wrong, and what keeps something from being
  ///   scored again.
  /// - Throws: `CommandError` where there is no room for copies; `ValidationError` for a place that
  ///   is not checked.
  package static func verify(
    folder: String, readsInputs: Bool, rescoring order: RescoringOrder? = nil
  ) async throws -> Finding {
    if Paths.scheme(of: folder) != nil, !ObjectURI.isURI(folder) { throw Self.noFolder(folder) }
    do {
      let copy = ObjectURI.isURI(folder) && order != nil ? try TemporaryFolder() : nil
      defer { withExtendedLifetime(copy) {} }
      let report = Verification.check(place: folder, readsInputs: readsInputs, copy: copy)
      var finding = Finding(
        folder: folder, fileCount: report.outputCount, recordCount: report.counts.total,
        inputsChecked: report.inputsChecked, inputsMissing: report.inputsMissing,
        problems: report.findings.map(\.description))
      if let order { try await rescore(copy?.path ?? folder, order, &finding) }
      return finding
    } catch let error as DestinationError {
      throw CommandError(error.context)
    }
  }

  /// Adds to a finding, which stays whatever is in the way of scoring again.
  private static func rescore(
    _ path: String, _ order: RescoringOrder, _ finding: inout Finding
  ) async throws {
    let published: PublishedFolder
    do {
      published = try PublishedFolder(path: path)
    } catch {
      finding.problems.append("nothing is scored again: \(error.context)")
      return
    }
    do {
      add(try await Rescoring(published, order).run(), to: &finding)
    } catch let error as CommandError {
      finding.obstacle = "nothing is scored again: \(error.context)"
    } catch let error as DestinationError {
      finding.obstacle = "nothing is scored again: \(error.context)"
    } catch let error as WorkerError {
      finding.obstacle = "nothing is scored again: \(error.context)"
    }
  }

  private static func add(_ report: RescoringReport, to finding: inout Finding) {
    // What reading the inputs has shown already is not said twice.
    finding.problems += report.problems.filter { !finding.problems.contains($0) }
    if report.differenceCount > 0 {
      finding.problems.append(
        "\(Figures.counted(report.differenceCount, "record")) of "
          + "\(Figures.grouped(report.recordCount)) that were scored again "
          + (report.differenceCount == 1 ? "differs" : "differ"))
    }
    finding.rescored = report
    finding.obstacle = report.obstacle
  }

  private static func noFolder(_ place: String) -> ValidationError {
    ValidationError(
      "\(Paths.scheme(of: place) ?? place)://… is neither a folder nor a prefix of an object store. "
        + "Of what a job wrote into a database its receipt tells: the column receipt of the table "
        + "nightshift_commits beside the job's tables has the counts (destination.written rows) "
        + "and the digests of its inputs; which row is whose, once the table may have changed, it "
        + "does not tell. To check or score again row by row, run the job to a folder and compare "
        + "the table with that")
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
