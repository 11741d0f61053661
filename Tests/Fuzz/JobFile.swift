import Commands

extension FuzzTarget {
  /// A job file, to the finished request.
  static let jobFile = FuzzTarget(name: "job-file") { bytes in
    guard let text = String(validating: bytes, as: UTF8.self) else { return }
    do throws(CommandError) {
      let draft = try JobFile.parse(text, name: "job.yaml", folder: "/folder")
      _ = try draft.finished(from: "job.yaml")
    } catch {
      require(!"\(error)".isEmpty, "an error without words")
    }
  }
}
