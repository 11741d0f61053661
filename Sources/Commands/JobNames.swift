package import Jobs

/// Finds the job that a user means by the beginning of its name.
package enum JobNames {
  /// The one job whose name begins with a prefix.
  ///
  /// - Throws: `CommandError` where none or several do, or where the text is no prefix.
  package static func resolve(
    _ prefix: String, among jobs: [JobID]
  ) throws(CommandError) -> JobID {
    let wanted = try check(prefix)
    let matches = jobs.filter { $0.description.hasPrefix(wanted) }
    guard let match = matches.first else {
      throw CommandError("no job's id begins with \(wanted): see `nightshift list`")
    }
    guard matches.count == 1 else {
      let shown = matches.prefix(5).map(\.description).joined(separator: ", ")
      let more = matches.count > 5 ? " and \(matches.count - 5) more" : ""
      throw CommandError(
        "\(matches.count) jobs' ids begin with \(wanted): \(shown)\(more); write more of the id")
    }
    return match
  }

  /// The prefix in lower case, if it can be one.
  package static func check(_ prefix: String) throws(CommandError) -> String {
    let wanted = prefix.lowercased()
    let isHexadecimal = wanted.utf8.allSatisfy {
      (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
        || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
    }
    guard (1...16).contains(wanted.utf8.count), isHexadecimal else {
      throw CommandError(
        "\"\(printable(prefix))\" is no job id: ids are 16 hex digits, or the first few of them")
    }
    return wanted
  }
}
