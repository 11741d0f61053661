package import Jobs

/// A request that is being put together from a job file, or from options, or from both.
///
/// Collects every mistake, so that a user corrects them in one go.
package struct JobDraft: Sendable {
  package var displayName: String?
  package var model: String?
  package var uris: [String]?
  package var outputFolder: String?
  /// Where errors go, as it is written, the folder in which relative paths begin, and where it
  /// stands: what it means follows from the output.
  package var errors: (text: String, folder: String, place: String)?
  /// `nil` where the inputs' names tell.
  package var instancesFormat: JobRequest.InstancesFormat?
  /// The rest of the request; its paths and name are not yet meaningful.
  package var request: JobRequest
  /// What is wrong so far, each a sentence that says where.
  package private(set) var problems: [String] = []

  package init() {
    request = JobRequest(
      displayName: "", model: "", inputConfig: .init(uris: []), outputConfig: .init(uri: ""))
  }

  /// Notes a mistake.
  package mutating func refuse(_ problem: String) {
    problems.append(problem)
  }

  /// Takes a local path, made absolute; anything with a scheme but `file://` is refused.
  package mutating func path(_ text: String, in folder: String, _ place: String) -> String? {
    guard !text.isEmpty else {
      refuse("\(place): an empty path")
      return nil
    }
    guard let scheme = Paths.scheme(of: text) else { return Paths.absolute(text, in: folder) }
    if scheme == "file" { return Paths.absolute(String(text.dropFirst(7)), in: "/") }
    refuse("\(place): \(scheme):// is not supported here; name a local file or folder")
    return nil
  }

  /// Takes an input: a local path, made absolute, or a URI as it is.
  package mutating func input(_ text: String, in folder: String, _ place: String) -> String? {
    uri(text, in: folder, place, schemes: ["s3", "gs", "http", "https", "postgresql", "postgres"])
  }

  /// Takes an output: a local folder, made absolute, or a URI as it is.
  package mutating func output(_ text: String, in folder: String, _ place: String) -> String? {
    uri(text, in: folder, place, schemes: ["s3", "gs", "postgresql", "postgres", "sqlite"])
  }

  private mutating func uri(
    _ text: String, in folder: String, _ place: String, schemes: [String]
  ) -> String? {
    guard let scheme = Paths.scheme(of: text), scheme != "file" else {
      return path(text, in: folder, place)
    }
    if schemes.contains(scheme) { return text }
    refuse(
      "\(place): \(printable(scheme)):// is not supported; use a local path or "
        + schemes.map { "\($0)://" }.joined(separator: ", "))
    return nil
  }

  /// Takes how many of the best classes are written.
  package mutating func topK(_ value: Int64, _ place: String) {
    guard (1...1_000_000).contains(value) else {
      return refuse("\(place): from 1 to 1000000 classes, not \(value)")
    }
    request.outputConfig.topK = Int(value)
  }

  /// Takes the byte between two fields; `\t` and `tab` are a tab.
  package mutating func delimiter(_ text: String, _ place: String) {
    let value = text == "\\t" || text == "tab" ? "\t" : text
    guard value.utf8.count == 1, !["\"", "\n", "\r", "\0"].contains(value) else {
      return refuse(
        "\(place): the delimiter has to be one byte that is no quote and no line end, "
          + "not \"\(printable(value))\"")
    }
    request.inputConfig.delimiter = value
  }

  /// Takes the number of error records that a job tolerates; -1 is no limit.
  package mutating func errorThreshold(_ value: Int64, _ place: String) {
    guard value >= -1 else {
      return refuse("\(place): \(value) error records; use 0 or more, or -1 for no limit")
    }
    request.errorThreshold = value
  }

  /// Takes the bytes of text in one block.
  package mutating func blockByteCount(_ value: Int64, _ place: String) {
    let (least, most) = (Limits.smallestBlockByteCount, Limits.largestBlockByteCount)
    guard value >= 0, (least...most).contains(UInt64(value)) else {
      return refuse("\(place): a block has from \(least) to \(most) bytes, not \(value)")
    }
    request.blockByteCount = UInt64(value)
  }

  /// Takes when the job has to have ended: so long after its submission, or a time of day.
  package mutating func deadline(_ text: String, _ place: String) {
    if let seconds = TimeText.seconds(text), seconds > 0, seconds <= Deadline.longestSeconds {
      request.dedicatedResources.deadline = .after(seconds: seconds)
    } else if let deadline = Deadline(text), case .at = deadline {
      request.dedicatedResources.deadline = deadline
    } else if let seconds = TimeText.unixSeconds(text), seconds > 0 {
      request.dedicatedResources.deadline = .at(unixSeconds: seconds)
    } else {
      refuse(
        "\(place): a time such as 90m, 2h or 2026-03-01T06:00:00Z is expected, not "
          + "\"\(printable(text))\"")
    }
  }

  /// Takes the money that a job may cost.
  package mutating func budget(_ value: Double, _ place: String) {
    guard value > 0, value < 1e12 else {
      return refuse("\(place): a positive amount of money is expected, not \(value)")
    }
    request.dedicatedResources.budget = value
  }

  /// The finished request.
  ///
  /// For errors, `source` is what the request was made from (a file, or "the command line") and
  /// `name` says what a key of a job file is called there.
  ///
  /// - Throws: `CommandError` that lists every mistake.
  package consuming func finished(
    from source: String, named name: (String) -> String = { $0 }
  ) throws(CommandError) -> JobRequest {
    checkFields(name)
    placeErrors()
    var missing: [String] = []
    if model == nil { missing.append(name("model")) }
    if uris?.isEmpty ?? true { missing.append(name("inputConfig.uris")) }
    if outputFolder == nil { missing.append(name("outputConfig.uri")) }
    // A refused value is not missing as well.
    if !missing.isEmpty, problems.isEmpty || missing.count == 3 {
      refuse("missing: \(missing.joined(separator: ", "))")
    }
    guard problems.isEmpty, let model, let uris, let outputFolder else {
      let lines = problems.map { "\n  " + $0 }.joined()
      throw CommandError("\(source) does not describe a job:\(lines)")
    }
    request.displayName = displayName ?? Paths.stem(of: model)
    request.model = model
    request.inputConfig.uris = uris
    chooseFormat(for: uris)
    request.outputConfig.uri = outputFolder
    return request
  }

  /// Takes where errors go: for a database the name of a table, otherwise a folder or a prefix.
  private mutating func placeErrors() {
    guard let errors else { return }
    let scheme = outputFolder.flatMap(Paths.scheme) ?? ""
    if ["postgresql", "postgres", "sqlite"].contains(scheme) {
      guard !errors.text.isEmpty, !errors.text.contains("/") else {
        return refuse(
          "\(errors.place): error records of a database go to one of its tables: name it")
      }
      request.outputConfig.errorsUri = errors.text
    } else {
      request.outputConfig.errorsUri = uri(
        errors.text, in: errors.folder, errors.place, schemes: ["s3", "gs"])
    }
  }

  /// Takes the format that is asked for, or that all inputs' names tell; where they do not, as
  /// those of folders, whoever lists the inputs finds out.
  private mutating func chooseFormat(for uris: [String]) {
    if let instancesFormat {
      request.inputConfig.instancesFormat = instancesFormat
    } else if uris[0].hasPrefix("postgresql://") || uris[0].hasPrefix("postgres://") {
      request.inputConfig.instancesFormat = .postgresql
    } else {
      let kinds = Set(uris.map { InputKind(path: $0) })
      if kinds.count == 1, let kind = kinds.first ?? nil, kind != .media {
        request.inputConfig.take(kind)
      } else {
        request.inputConfig.infersFormat = true
      }
    }
  }

  /// The rules that bind several fields.
  private mutating func checkFields(_ name: (String) -> String) {
    let fields = request.instanceConfig
    let (key, included, excluded) = (
      name("instanceConfig.keyField"), name("instanceConfig.includedFields"),
      name("instanceConfig.excludedFields")
    )
    if !fields.includedFields.isEmpty, !fields.excludedFields.isEmpty {
      refuse("\(included) and \(excluded) exclude each other: keep one of them")
    }
    if fields.keyField != nil, !fields.includedFields.isEmpty || !fields.excludedFields.isEmpty {
      refuse("\(key) writes the key alone: remove \(included) and \(excluded), or \(key)")
    }
    for (list, place) in [
      (fields.includedFields, included), (fields.excludedFields, excluded),
    ] {
      if Set(list).count != list.count { refuse("\(place) names a column twice") }
    }
    if request.inputConfig.query != nil || request.inputConfig.splitColumn != nil,
      let uri = uris?.first, !uri.hasPrefix("postgres")
    {
      refuse("\(name("inputConfig.query")) is asked of a postgresql:// input, not of \(uri)")
    }
    if fields.keyField == "" { refuse("\(key): an empty column name") }
  }
}

/// The text with control characters replaced, so that it cannot steer a terminal.
package func printable(_ text: String) -> String {
  String(
    String.UnicodeScalarView(
      text.unicodeScalars.map { scalar in
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate: "\u{FFFD}"
        default: scalar
        }
      }))
}
