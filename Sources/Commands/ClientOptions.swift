import ArgumentParser
import Coordinator
import Foundation
import Transport

/// Where the coordinator is and how to be let in; shared by every command that asks it something.
struct ClientOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The coordinator's address (or NIGHTSHIFT_COORDINATOR).", valueName: "address"))
  var coordinator = environment("NIGHTSHIFT_COORDINATOR") ?? "tcp://127.0.0.1:7070"

  @Option(
    help: ArgumentHelp(
      "The folder with client.token (or NIGHTSHIFT_STATE).", valueName: "folder"))
  var state = StateFolder.standard

  @Option(help: ArgumentHelp("The client token, if not in the state folder.", valueName: "file"))
  var tokenFile: String?

  @OptionGroup var tls: TLSOptions

  func validate() throws {
    _ = try parsedAddress(coordinator)
    try tls.check(for: coordinator)
  }

  /// A connection under which each request is tried again for about ten seconds.
  func connect() throws -> CoordinatorClient {
    let address = try parsedAddress(coordinator)
    let file = tokenFile ?? "\(state)/\(Tokens.clientFile)"
    let token: [UInt8]
    do {
      token = try Tokens.read(Paths.absolute(file, in: Paths.currentFolder))
    } catch {
      throw CommandError(
        "\(error.context); the coordinator makes it in its --state folder: name that folder with "
          + "--state, or a copy of the file with --token-file")
    }
    return try CoordinatorClient(
      address: address, token: token, tls: tls.identity, insecure: tls.insecure)
  }
}

extension ClientOptions {
  /// Says on standard error what somebody has to see to, here or at the coordinator.
  func warn(_ coordinator: CoordinatorClient) async {
    // Without an answer the command itself has already failed, or is done.
    let theirs = (try? await coordinator.warnings()) ?? []
    for text in tls.identity?.warnings() ?? [] {
      Terminal.standardError.write("warning: \(text)\n")
    }
    for text in theirs {
      Terminal.standardError.write("warning: at the coordinator, \(printable(text))\n")
    }
  }
}

/// Certificates for mutual TLS.
struct TLSOptions: ParsableArguments {
  @Option(
    name: .customLong("tls-ca"),
    help: ArgumentHelp("The authority that signed all certificates, PEM.", valueName: "file"))
  var authorityFile: String?

  @Option(
    name: .customLong("tls-cert"), help: ArgumentHelp("Our certificate, PEM.", valueName: "file"))
  var certificateFile: String?

  @Option(name: .customLong("tls-key"), help: ArgumentHelp("Its key, PEM.", valueName: "file"))
  var keyFile: String?

  @Option(
    name: .customLong("tls-server-name"),
    help: ArgumentHelp(
      "The name in the coordinator's certificate, if not the host.", valueName: "name"))
  var serverName: String?

  @Flag(help: "Allow a plain address that other machines can reach.")
  var insecure = false

  /// Who we are, or `nil` without certificates.
  var identity: TLSIdentity? {
    guard let authorityFile, let certificateFile, let keyFile else { return nil }
    return TLSIdentity(
      caFile: authorityFile, certificateFile: certificateFile, keyFile: keyFile,
      serverName: serverName)
  }

  func validate() throws {
    let count = [authorityFile, certificateFile, keyFile].count { $0 != nil }
    guard count == 0 || count == 3 else {
      throw ValidationError("--tls-ca, --tls-cert and --tls-key go together: give all three")
    }
  }

  /// Refuses certificates for a plain address and a TLS address without them.
  func check(for address: String) throws {
    let usesTLS = try parsedAddress(address).usesTLS
    if usesTLS, identity == nil {
      throw ValidationError("\(address) needs --tls-ca, --tls-cert and --tls-key")
    }
    if !usesTLS, identity != nil {
      throw ValidationError("\(address) is a plain address: write tls+tcp:// to use certificates")
    }
  }
}

/// Where tokens are looked for.
enum StateFolder {
  /// `NIGHTSHIFT_STATE`, or `.nightshift` in the home folder.
  static var standard: String {
    environment("NIGHTSHIFT_STATE") ?? NSHomeDirectory() + "/.nightshift"
  }
}

/// Reads an address from an argument; a mistake in it is one of usage.
func parsedAddress(_ text: String) throws -> Address {
  do {
    return try Address(text)
  } catch {
    throw ValidationError("\(error.context) (for example tcp://127.0.0.1:7070)")
  }
}
