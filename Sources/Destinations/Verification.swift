import Digests
import Foundation
package import Jobs
package import ObjectStore
import Partials

/// Checks a published folder from its receipt, its files and, where they are still there, the
/// inputs; needs no coordinator.
package enum Verification {
  /// One thing that is not as the receipt says.
  package struct Finding: Hashable, Sendable, CustomStringConvertible {
    /// Name in the folder, or an input's path.
    package let file: String
    /// Where in the file, for people; empty for the file as a whole.
    package let place: String
    package let problem: String

    package init(_ file: String, place: String = "", _ problem: String) {
      self.file = file
      self.place = place
      self.problem = problem
    }

    package var description: String {
      place.isEmpty ? "\(file): \(problem)" : "\(file), \(place): \(problem)"
    }
  }

  /// What was looked at, and everything found.
  package struct Report: Hashable, Sendable {
    package var findings: [Finding] = []
    package var outputCount = 0
    /// What the receipt says.
    package var counts = RecordCounts()
    package var inputsChecked = 0
    /// Inputs that are not there any more: nothing is said about them.
    package var inputsMissing = 0

    package var isSound: Bool { findings.isEmpty }
  }

  /// Checks a published folder, or a prefix of an object store.
  ///
  /// Objects are copied to a temporary folder first, in pieces: the memory that takes does not grow
  /// with the output.
  ///
  /// - Parameters:
  ///   - place: The published `prediction-…` folder or prefix.
  ///   - readsInputs: Whether inputs are read again to compare their digests.
  ///   - store: The store.
  ///   - copy: Takes the copies of objects, for somebody who reads them too; empty.
  /// - Returns: The report; what cannot be read is a finding too.
  package static func check(
    place: String, readsInputs: Bool = true, store: ObjectStore = .shared,
    copy: TemporaryFolder? = nil
  ) -> Report {
    guard ObjectURI.isURI(place) else {
      return check(folder: place, readsInputs: readsInputs, store: store)
    }
    do throws(DestinationError) {
      let given = copy
      let copy = if let given { given } else { try TemporaryFolder() }
      try PublishedObjects.copy(place, to: copy.path, from: store)
      var report = check(folder: copy.path, readsInputs: readsInputs, store: store)
      report.findings += try PublishedObjects.strangers(below: place, in: store)
      return report
    } catch {
      var report = Report()
      report.findings.append(Finding(place, error.context))
      return report
    }
  }

  /// Checks a folder.
  ///
  /// - Parameters:
  ///   - folder: The published `prediction-…` folder.
  ///   - readsInputs: Whether inputs are read again to compare their digests.
  ///   - store: Where error records may be that went elsewhere.
  /// - Returns: The report; a folder that cannot be read is a finding too.
  package static func check(
    folder: String, readsInputs: Bool = true, store: ObjectStore = .shared
  ) -> Report {
    var report = Report()
    let path = folder + "/" + OutputName.receipt
    guard let data = FileManager.default.contents(atPath: path) else {
      report.findings.append(Finding(OutputName.receipt, "cannot be read"))
      return report
    }
    let receipt: Receipt
    do {
      receipt = try JSONDecoder().decode(Receipt.self, from: data)
    } catch {
      report.findings.append(Finding(OutputName.receipt, "is not a receipt: \(error)"))
      return report
    }
    report.counts = RecordCounts(
      ok: receipt.counts.ok, error: receipt.counts.error, filtered: receipt.counts.filtered)
    report.findings += checkSuccess(folder, SHA256.digest(of: Array(data)).description)
    report.findings += ReceiptCheck(receipt: receipt).findings()
    report.findings += checkNames(folder, receipt)
    for output in receipt.outputs {
      report.outputCount += 1
      guard OutputName.isOfErrors(output.name), let errors = receipt.errorsUri else {
        report.findings += OutputCheck(folder: folder, receipt: receipt, output: output).findings()
        continue
      }
      report.findings += checkErrors(output, in: errors, receipt, store)
    }
    if readsInputs { InputCheck(receipt: receipt).run(&report) }
    return report
  }

  /// Whether `_SUCCESS` names the receipt with this digest.
  static func checkSuccess(_ folder: String, _ digest: String) -> [Finding] {
    guard let text = FileManager.default.contents(atPath: folder + "/" + OutputName.success) else {
      return [Finding(OutputName.success, "is missing: the output may not be complete")]
    }
    guard String(decoding: text, as: UTF8.self) == "\(digest)  \(OutputName.receipt)\n" else {
      return [Finding(OutputName.receipt, "is not the one that \(OutputName.success) names")]
    }
    return []
  }

  /// Checks error records that are not beside the predictions.
  private static func checkErrors(
    _ output: OutputEntry, in place: String, _ receipt: Receipt, _ store: ObjectStore
  ) -> [Finding] {
    guard place.contains("://") else {
      return OutputCheck(folder: place, receipt: receipt, output: output).findings().map {
        Finding("\(place)/\($0.file)", place: $0.place, $0.problem)
      }
    }
    do throws(DestinationError) {
      let copy = try TemporaryFolder()
      try PublishedObjects.copy(output, below: place, to: copy.path, from: store)
      return OutputCheck(folder: copy.path, receipt: receipt, output: output).findings()
    } catch {
      return [Finding(output.name, error.context)]
    }
  }

  private static func checkNames(_ folder: String, _ receipt: Receipt) -> [Finding] {
    // A folder that cannot be listed shows itself by the files that are then missing.
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    var known = Set(receipt.outputs.map(\.name))
    known.formUnion([OutputName.receipt, OutputName.success, OutputName.zero])
    if receipt.errorsUri != nil { known = known.filter { !OutputName.isOfErrors($0) } }
    return names.sorted().filter { !known.contains($0) }.map {
      Finding($0, "is not in the receipt")
    }
  }
}

/// Whether a receipt agrees with itself.
struct ReceiptCheck {
  let receipt: Receipt

  func findings() -> [Verification.Finding] {
    var problems: [(place: String, problem: String)] = []
    let counts = receipt.counts
    if receipt.formatVersion != Receipt.formatVersion {
      problems.append(
        ("formatVersion", "is \(receipt.formatVersion), not \(Receipt.formatVersion)"))
    }
    if sum([counts.ok, counts.error, counts.filtered]) != counts.read {
      problems.append(("counts", "\(counts.conservation) does not hold"))
    }
    if receipt.conservation != counts.conservation {
      problems.append(("conservation", "differs from counts"))
    }
    let shards = receipt.shards
    let lists = [
      ("ok", shards.ok, counts.ok), ("error", shards.error, counts.error),
      ("filtered", shards.filtered, counts.filtered),
    ]
    for (name, list, total) in lists {
      if list.count != receipt.plan.shardCount {
        problems.append(
          ("shards.\(name)", "has \(list.count) of \(receipt.plan.shardCount) shards"))
      } else if sum(list) != total {
        problems.append(("shards.\(name)", "does not add up to \(total)"))
      }
    }
    if receipt.configuration.digest != receipt.configurationDigest {
      problems.append(("configurationDigest", "differs from the configuration's"))
    }
    problems += inputProblems()
    return problems.map {
      Verification.Finding(OutputName.receipt, place: $0.place, $0.problem)
    }
  }

  private func inputProblems() -> [(place: String, problem: String)] {
    let digests = receipt.shards.inputDigests.map { $0.flatMap { Digest128(hex: $0) } }
    var problems: [(place: String, problem: String)] = []
    var next = 0
    for (index, input) in receipt.inputs.enumerated() {
      guard input.firstShard == next, input.shardCount > 0,
        input.shardCount <= digests.count - next
      else { return problems + [("inputs[\(index)]", "has other shards than the plan")] }
      let range = next..<next + input.shardCount
      next = range.upperBound
      if Receipt.digest(over: digests[range])?.description != input.digest {
        problems.append(("inputs[\(index)].digest", "differs from that of its shards' digests"))
      }
    }
    if next != receipt.plan.shardCount {
      problems.append(("inputs", "have \(next) of \(receipt.plan.shardCount) shards"))
    }
    return problems
  }
}

/// The sum, or `nil` where it does not fit: the numbers are someone else's.
func sum(_ numbers: [UInt64]) -> UInt64? {
  var total: UInt64 = 0
  for number in numbers {
    let (next, overflows) = total.addingReportingOverflow(number)
    guard !overflows else { return nil }
    total = next
  }
  return total
}
