import Foundation

/// The files of AWS's command-line client: sections with names and values.
///
/// Reads `~/.aws/credentials` and `~/.aws/config`, or what `AWS_SHARED_CREDENTIALS_FILE` and
/// `AWS_CONFIG_FILE` name. Nested values and comments behind values are as the client has them.
package struct AWSProfiles {
  private var sections: [String: [String: String]] = [:]

  /// Reads both files; one that is not there has no sections.
  init(_ environment: StoreEnvironment) {
    let config = environment.variable("AWS_CONFIG_FILE") ?? environment.homePath(".aws/config")
    let credentials =
      environment.variable("AWS_SHARED_CREDENTIALS_FILE")
      ?? environment.homePath(".aws/credentials")
    for path in [config, credentials] {
      guard let path, let bytes = FileManager.default.contents(atPath: path) else { continue }
      read(String(decoding: bytes, as: UTF8.self))
    }
  }

  /// Reads one file's text.
  package init(text: String) {
    read(text)
  }

  /// The values of a profile; nil where there is none of that name.
  package subscript(profile: String) -> [String: String]? { sections[profile] }

  private mutating func read(_ text: String) {
    var name: String?
    for line in text.split(whereSeparator: \.isNewline) {
      let trimmed = line.trimmingCharacters(in: .whitespaces)
      if trimmed.isEmpty || trimmed.hasPrefix("#") || trimmed.hasPrefix(";") { continue }
      if trimmed.hasPrefix("["), let end = trimmed.firstIndex(of: "]") {
        name = Self.profileName(trimmed[trimmed.index(after: trimmed.startIndex)..<end])
        if let name { sections[name, default: [:]] = sections[name] ?? [:] }
        continue
      }
      guard let name, line.first?.isWhitespace != true, let mark = trimmed.firstIndex(of: "=")
      else { continue }
      let key = trimmed[..<mark].trimmingCharacters(in: .whitespaces).lowercased()
      let value = trimmed[trimmed.index(after: mark)...].trimmingCharacters(in: .whitespaces)
      sections[name, default: [:]][key] = value
    }
  }

  /// `profile batch` of the configuration and `batch` of the credentials are one; others are nil.
  private static func profileName(_ header: Substring) -> String? {
    let words = header.split(whereSeparator: \.isWhitespace).map(String.init)
    if words.count == 2, words[0] == "profile" {
      return words[1].trimmingCharacters(in: CharacterSet(charactersIn: "\"'"))
    }
    return words.count == 1 ? words[0] : nil
  }
}
