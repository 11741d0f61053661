import ArgumentParser
import Destinations
import Foundation
import ObjectStore

/// `nightshift sweep`.
struct SweepCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sweep", abstract: "Find and remove what dead jobs left in an object store.",
    discussion: """
      Jobs clean up themselves, also after a crash, when their coordinator starts again. This is \
      for jobs whose coordinator is gone for good with its state: uploads, partials and prediction-… \
      prefixes without a manifest. Nothing that was published is touched. Without --yes it only \
      lists.

      Examples:
        nightshift sweep s3://bucket/predictions/
        nightshift sweep s3://bucket/predictions/ --older-than 14 --yes
      """)

  @Argument(help: "The s3:// or gs:// prefix that outputs were written below.") var uri: String

  @Option(
    help: ArgumentHelp("Pass over what is younger than this many days.", valueName: "days"))
  var olderThan = 7

  @Flag(help: "Remove what is found.")
  var yes = false

  @OptionGroup var output: OutputOptions

  private struct Finding: Encodable {
    let leftovers: [String]
    let isRemoved: Bool
  }

  func validate() throws {
    guard (0...36_500).contains(olderThan) else {
      throw ValidationError("--older-than: from 0 to 36500 days, not \(olderThan)")
    }
    guard ObjectURI.isURI(uri) else {
      throw ValidationError("\(printable(uri)) is not the URI of an object store")
    }
  }

  func run() async throws {
    let prefix = try ObjectURI(uri)
    let age = Double(olderThan) * 86_400
    let moment = Int64((Date().timeIntervalSince1970 - age) * 1e9)
    let found = try ObjectSweep.leftovers(below: prefix, in: .shared, before: moment)
    if yes {
      for leftover in found { try ObjectSweep.remove(leftover, from: .shared) }
    }
    switch output.format {
    case .json:
      printLine(
        try jsonText(Finding(leftovers: found.map(\.description), isRemoved: yes)))
    case .text:
      for leftover in found { printLine((yes ? "removed " : "") + printable(leftover.description)) }
      let end = yes || found.isEmpty ? "" : "; --yes removes them"
      printLine("\(Figures.counted(UInt64(found.count), "leftover"))\(end)")
    }
  }
}
