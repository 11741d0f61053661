import Foundation
import Yams

/// Files of YAML, or of JSON, which is YAML too.
enum YAMLFile {
  /// Larger files are none that people write.
  static let byteLimit = 1 << 20

  /// What a file says.
  ///
  /// - Parameters:
  ///   - file: its path, absolute.
  ///   - kind: "job file" and the like, for errors.
  /// - Returns: its text.
  /// - Throws: `CommandError` where it cannot be read, is too large or is no UTF-8.
  static func text(of file: String, kind: String) throws(CommandError) -> String {
    guard let content = FileManager.default.contents(atPath: file) else {
      throw CommandError("cannot read the \(kind) \(file): check that it is there and readable")
    }
    guard content.count <= byteLimit else {
      throw CommandError("\(file) has \(content.count) bytes, a \(kind) at most \(byteLimit)")
    }
    guard let text = String(data: content, encoding: .utf8) else {
      throw CommandError("\(file) is not UTF-8 text: save it as UTF-8")
    }
    return text
  }

  /// The keys at the top.
  ///
  /// - Parameters:
  ///   - text: of the file.
  ///   - name: the file's, for errors.
  ///   - example: a line that such a file may begin with.
  /// - Returns: the mapping of the keys.
  /// - Throws: `CommandError` where it is neither YAML nor JSON, or holds no keys.
  static func compose(_ text: String, name: String, example: String) throws(CommandError) -> Node {
    let root: Node?
    do {
      root = try Yams.compose(yaml: text)
    } catch {
      throw CommandError("\(name) is neither YAML nor JSON: \(explain(error))")
    }
    guard let root, root.mapping != nil else {
      throw CommandError("\(name) holds no keys: begin with `\(example)`")
    }
    return root
  }

  private static func explain(_ error: any Error) -> String {
    guard let error = error as? YamlError else { return String(describing: error) }
    switch error {
    case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
      .composer(_, let problem, let mark, _):
      return "line \(mark.line), column \(mark.column): \(problem)"
    case .reader(let problem, let offset, _, _):
      return "character \(offset ?? 0): \(problem)"
    case .duplicatedKeysInMapping(let duplicates, let context):
      return "line \(context.mark.line): the key \(duplicates.joined(separator: ", ")) stands twice"
    case .no, .memory, .writer, .emitter, .representer, .dataCouldNotBeDecoded:
      return String(describing: error)
    }
  }
}
