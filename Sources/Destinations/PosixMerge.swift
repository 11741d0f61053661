import Foundation
package import Jobs
import Partials

/// One merge into a staging folder, from its first block to its last.
///
/// Blocks may come as they are committed, long before the last one is.
package final class PosixMerge {
  private let input: MergeInput
  private let staging: String
  /// Where the errors go that do not go beside the predictions.
  private let errorsPlace: ErrorsPlace?
  private var errors: (any OutputPlace)?
  private var merger: Merger?

  /// Begins in a staging folder that is there and empty.
  init(
    _ input: MergeInput, staging: String, errorsIn errorsPlace: ErrorsPlace?
  ) throws(DestinationError) {
    self.staging = staging
    self.errorsPlace = errorsPlace
    self.input = input
    do throws(DestinationError) {
      errors = try errorsPlace?.begin()
      merger = try Merger(input, in: LocalFolder(path: staging), errorsIn: errors)
    } catch {
      abandon()
      throw error
    }
  }

  /// Appends the next blocks of the plan.
  ///
  /// - Throws: What stops the merge; a damaged partial does not, `finish` tells of all of them.
  package func append(_ placed: PlacedBlocks) throws(DestinationError) {
    try merger?.append(placed)
  }

  /// Ends the files, adds the receipt and has the disk keep all of it; the last block is appended.
  ///
  /// - Parameters:
  ///   - counts: What the confirmed blocks add up to.
  ///   - execution: All that may differ between two runs of the same job.
  /// - Returns: The `prediction.*` files by name.
  /// - Throws: `damaged` with every damaged partial's blocks; `diskFull`; `inconsistent`.
  package func finish(
    counts: RecordCounts, execution: JSONValue
  ) throws(DestinationError) -> [OutputEntry] {
    guard let merger = merger.take() else { preconditionFailure("a merge ends once") }
    var input = input
    input.counts = counts
    input.execution = execution
    let (outputs, receipt) = try merger.finishAll(input)
    _ = try LocalFolder(path: staging).write(
      .verbatim(OutputName.successText(receipt)), name: OutputName.success)
    try onDisk { () throws(FileError) in try Folder.synchronize(staging) }
    return outputs
  }

  /// Gives the space back; what remains is removed by the next try.
  package func abandon() {
    merger = nil
    errorsPlace?.abandon(errors)
    try? FileManager.default.removeItem(atPath: staging)
    _ = unsafe rmdir(input.workFolder)  // `run` keeps its state there: it goes only if it is empty
  }
}
