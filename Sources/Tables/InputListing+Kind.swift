package import Jobs

extension InputListing {
  /// What the files of an input hold, by their names.
  ///
  /// A name that tells nothing counts as text of CSV, as many programs leave it.
  ///
  /// - Parameter files: As listed.
  /// - Returns: The kind of all of them; nil where there is none.
  /// - Throws: `TableError.unsupported` with one file of each kind where there are several, and for
  ///   images and documents, which are only read where the job says so.
  package static func kind(of files: [InputFile]) throws(TableError) -> InputKind? {
    var examples: [InputKind: String] = [:]
    for file in files {
      let kind = InputKind(path: file.path) ?? .csv
      if examples[kind] == nil { examples[kind] = file.path }
    }
    guard examples.count < 2 else {
      let list = InputKind.allCases.compactMap { kind in
        examples[kind].map { "\($0) (\(kind.rawValue))" }
      }
      throw TableError(
        code: .unsupported,
        context: "the inputs are of several formats: \(list.joined(separator: ", ")); name those "
          + "of one format, by a pattern such as '*.csv', or say instancesFormat (--input-format)")
    }
    guard let (kind, path) = examples.first else { return nil }
    guard kind != .media else {
      throw TableError(
        code: .unsupported,
        context: "\(path): images and documents are read as instancesFormat files "
          + "(--input-format files), each one record")
    }
    return kind
  }
}
