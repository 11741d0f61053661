import ArgumentParser
import Destinations

/// `nightshift sweep`.
struct SweepCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sweep", abstract: "Remove what lost jobs left in an object store.",
    discussion: """
      Jobs clean up after themselves, also after a crash, as soon as their coordinator runs again. \
      What a coordinator that is gone for good left, such as unfinished uploads, which cost money \
      and are in no listing, is found here by its names and its age. Nothing is removed without \
      --yes, and nothing that is not Nightshift's.

      Examples:
        nightshift sweep s3://bucket/predictions
        nightshift sweep s3://bucket/predictions --older-than-hours 24 --yes
      """)

  @Argument(help: "Where jobs publish: their output URI, or less of it.") var uri: String

  @Option(help: "Only what has not changed for so long; younger things may belong to a job.")
  var olderThanHours: UInt32 = 7 * 24

  @Flag(help: "Remove what is found.") var yes = false

  @OptionGroup var output: OutputOptions

  /// One thing found, as `--output json` prints it.
  struct Document: Encodable {
    let what: String
    let isRemoved: Bool
  }

  func run() async throws {
    let found: [String]
    do throws(DestinationError) {
      found = try ObjectSweep.run(
        below: uri, olderThan: .seconds(Int64(olderThanHours) * 3_600), removes: yes)
    } catch {
      throw CommandError(error.context)
    }
    switch output.format {
    case .json:
      printLine(try jsonText(["leftovers": found.map { Document(what: $0, isRemoved: yes) }]))
    case .text:
      let lines = found.map { (yes ? "removed " : "") + printable($0) }
      let hint = yes || found.isEmpty ? [] : ["--yes removes them"]
      printLine(found.isEmpty ? "nothing is left over" : (lines + hint).joined(separator: "\n"))
    }
  }
}
