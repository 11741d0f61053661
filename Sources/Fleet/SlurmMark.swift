/// What is in the comment of each of our jobs: the fleet, the pool and its workers' names.
///
/// Slurm keeps the comment and shows it in `squeue`, so that the workers are found after any
/// restart. A task of an array has the name at its index. As text:
/// `nightshift FLEET POOL ns-ab12-17..116 ns-ab12-120`, where two dots stand between the first and
/// the last of names that differ only in a number at their end.
package struct SlurmMark: Hashable, Sendable, CustomStringConvertible {
  /// Bytes of a comment: Slurm 22.05 takes 1,024 (`MAX_COMMENT_LEN`) with the end mark.
  static let byteLimit = 1_000
  static let wordByteLimit = 200
  private static let start = "nightshift"
  /// Digits that make a number; longer ones are text.
  private static let digitLimit = 15

  package let fleet: String
  package let pool: String
  private let runs: [Run]

  /// Names that differ in a number at the end; a single one has none.
  private struct Run: Hashable, CustomStringConvertible {
    var text: String
    var first: Int?
    var count = 1

    var description: String {
      guard let first else { return text }
      return "\(text)\(first)" + (count > 1 ? "..\(first + count - 1)" : "")
    }

    /// Of a word that is nothing but a number.
    var number: Int? { text.isEmpty ? first : nil }

    func name(_ place: Int) -> String { first.map { "\(text)\($0 + place)" } ?? text }

    /// A name, and the number at its end.
    init(_ name: some StringProtocol) {
      let digits = name.reversed().prefix { $0.isASCII && $0.isNumber }.count
      let number = name.suffix(digits)
      let isNumber =
        (1...SlurmMark.digitLimit).contains(digits) && (digits == 1 || !number.hasPrefix("0"))
      text = String(isNumber ? name.dropLast(digits) : name[...])
      first = isNumber ? Int(number) : nil
    }
  }

  package init(_ launch: WorkerLaunch, _ names: [String]) {
    fleet = launch.fleet
    pool = launch.pool
    var runs: [Run] = []
    for run in names.map({ Run($0) }) {
      if let last = runs.last, let end = last.first.map({ $0 + last.count }), end == run.first,
        last.text == run.text
      {
        runs[runs.count - 1].count += 1
      } else {
        runs.append(run)
      }
    }
    self.runs = runs
  }

  /// Reads a comment; nil where it is none of ours.
  package init?(_ comment: some StringProtocol) {
    let words = comment.split(separator: " ")
    guard words.count > 3, words[0] == Self.start else { return nil }
    fleet = String(words[1])
    pool = String(words[2])
    var runs: [Run] = []
    for word in words[3...] {
      let ends = word.split(separator: "..", omittingEmptySubsequences: false)
      var run = Run(ends[0])
      if ends.count > 1 {
        guard ends.count == 2, let first = run.first, let last = Run(ends[1]).number, last > first
        else { return nil }
        run.count = last - first + 1
      }
      runs.append(run)
    }
    self.runs = runs
  }

  package var description: String {
    ([Self.start, fleet, pool] + runs.map(\.description)).joined(separator: " ")
  }

  package var count: Int { runs.reduce(0) { $0 + $1.count } }

  /// The name of an array's task; of a job without array it is the first.
  package func name(ofTask task: Int) -> String? {
    var place = task
    guard place >= 0 else { return nil }
    for run in runs {
      guard place >= run.count else { return run.name(place) }
      place -= run.count
    }
    return nil
  }

  /// Whether a fleet, a pool or a worker can be called so: nothing that a shell, a path or a comment
  /// reads as anything else.
  package static func takes(_ word: String) -> Bool {
    let isPlain = word.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"),
        UInt8(ascii: "."):
        true
      default: false
      }
    }
    return isPlain && (1...wordByteLimit).contains(word.utf8.count) && !word.contains("..")
      && !word.hasPrefix("-")
  }

  /// Puts names into jobs, such that each has few enough tasks and a short enough comment.
  package static func jobs(
    _ launch: WorkerLaunch, _ names: [String], taskCountLimit: Int
  ) -> [[String]] {
    guard !names.isEmpty else { return [] }
    let isShort = SlurmMark(launch, names).description.utf8.count <= byteLimit
    guard names.count > taskCountLimit || (!isShort && names.count > 1) else { return [names] }
    let count = min(taskCountLimit, isShort ? names.count : (names.count + 1) / 2)
    return jobs(launch, Array(names.prefix(count)), taskCountLimit: taskCountLimit)
      + jobs(launch, Array(names.dropFirst(count)), taskCountLimit: taskCountLimit)
  }
}
