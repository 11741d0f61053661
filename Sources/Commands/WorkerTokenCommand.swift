import ArgumentParser
import Coordinator
import Foundation

/// `nightshift workers token`: tokens of single workers, each revocable alone.
struct WorkerTokenCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "token", abstract: "Give single workers tokens of their own, and revoke them.",
    discussion: """
      Works on the coordinator's state folder, whether or not it runs. A worker starts with \
      --token-file and a copy of what `add` prints. Revoked, it is sent away within a heartbeat, \
      and its leases go to others at once. The fleet.token goes on to let in any worker that has it.

      Examples:
        nightshift workers token add node7 --out node7.token
        nightshift workers token list
        nightshift workers token revoke node7
      """,
    subcommands: [
      AddWorkerTokenCommand.self, ListWorkerTokensCommand.self, RevokeWorkerTokenCommand.self,
    ])
}

/// The coordinator's state folder, where its tokens are.
struct TokenFolderOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The coordinator's state folder (or NIGHTSHIFT_STATE).", valueName: "folder"))
  var state = StateFolder.standard

  func tokens() throws -> WorkerTokens {
    let folder = Paths.absolute(state, in: Paths.currentFolder)
    guard FileManager.default.fileExists(atPath: folder) else {
      throw CommandError(
        "there is no folder \(folder): name the coordinator's state folder with --state")
    }
    return try WorkerTokens(stateFolder: folder)
  }
}

/// `nightshift workers token add`.
struct AddWorkerTokenCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "add", abstract: "Make a worker's token, and print it.",
    discussion: """
      The token is printed this once, or written to a new file that its owner alone can read; a lost \
      one is revoked, and another one made.

      Examples:
        nightshift workers token add node7 --out node7.token
        nightshift worker --join tls+tcp://head:7070 --token-file node7.token --tls-ca ca.pem …
      """)

  @Argument(help: "The worker's name.") var name: String
  @Option(help: ArgumentHelp("Write the token to a new file.", valueName: "file"))
  var out: String?
  @OptionGroup var folder: TokenFolderOptions

  func run() async throws {
    let tokens = try folder.tokens()
    guard let out else { return Terminal.standardOutput.write(try tokens.add(name).text) }
    let path = Paths.absolute(out, in: Paths.currentFolder)
    guard !FileManager.default.fileExists(atPath: path) else {
      throw CommandError("\(path) is there already: a token goes into a new file")
    }
    let token = try tokens.add(name)
    do throws(CoordinatorError) {
      try token.write(to: path)
    } catch {
      // Nobody has seen it.
      try? tokens.revoke(name)
      throw error
    }
  }
}

/// `nightshift workers token list`.
struct ListWorkerTokensCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List the workers that have tokens of their own.",
    discussion: """
      Examples:
        nightshift workers token list
        nightshift workers token list --output json
      """)

  @OptionGroup var folder: TokenFolderOptions
  @OptionGroup var output: OutputOptions

  /// A token as `--output json` prints it.
  struct Document: Encodable {
    let name: String
    let added: String
  }

  func run() async throws {
    let documents = try folder.tokens().entries().map { entry in
      let added = Date(timeIntervalSince1970: Double(entry.added))
      return Document(name: entry.name, added: added.formatted(.iso8601))
    }
    switch output.format {
    case .json: printLine(try jsonText(["tokens": documents]))
    case .text:
      guard !documents.isEmpty else { return printLine("no worker has a token of its own") }
      var table = TextTable(header: ["NAME", "ADDED"])
      for document in documents { table.append([document.name, document.added]) }
      printLine(table.text)
    }
  }
}

/// `nightshift workers token revoke`.
struct RevokeWorkerTokenCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "revoke", abstract: "End a worker's token.",
    discussion: """
      A coordinator that runs sends the worker away within a heartbeat; its leases go to others.

      Examples:
        nightshift workers token revoke node7
      """)

  @Argument(help: "The worker's name.") var name: String
  @OptionGroup var folder: TokenFolderOptions

  func run() async throws {
    try folder.tokens().revoke(name)
    printLine("revoked the token of \(name)")
  }
}
