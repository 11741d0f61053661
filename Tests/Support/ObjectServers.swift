package import Foundation
import Synchronization

/// The stores, proxies and authorities of `Tests/Fixtures/object_servers.py`, by their ports.
package struct ObjectServers: Decodable, Sendable {
  package let moto: Int
  package let rclone: Int
  package let google: Int
  package let files: Int
  package let authorities: Int
  package let motoProxy: Int
  package let rcloneProxy: Int
  package let googleProxy: Int
  package let filesProxy: Int

  /// What every store here takes as key and secret; moto looks at no more than the key.
  package static let keyID = "AKIDEXAMPLE"
  package static let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

  /// The header that moto wants to see.
  package static let authorization =
    "AWS4-HMAC-SHA256 Credential=\(keyID)/20260101/us-east-1/s3/aws4_request, "
    + "SignedHeaders=host, Signature=0"

  /// Starts them; they end when `input`, or this process, does.
  ///
  /// - Parameters:
  ///   - input: What keeps them open.
  ///   - folder: What rclone's bucket has, which nobody else can put there.
  /// - Returns: Their ports.
  /// - Throws: What the script printed in place of its ports.
  package static func start(
    until input: Pipe, holding folder: String? = nil
  ) throws -> ObjectServers {
    let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../Fixtures/object_servers.py").standardized.path
    let process = Process()
    let output = Pipe()
    let python = ProcessInfo.processInfo.environment["NIGHTSHIFT_TEST_PYTHON"] ?? "python3"
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [python, script] + [folder].compactMap(\.self)
    process.standardInput = input
    process.standardOutput = output
    try process.run()
    var line = Data()
    while let byte = try output.fileHandleForReading.read(upToCount: 1), !byte.isEmpty,
      byte != Data("\n".utf8)
    {
      line += byte
    }
    return try JSONDecoder().decode(ObjectServers.self, from: line)
  }

  /// Starts servers that stay until this process ends: a target's tests share them.
  package static func startForAllTests() -> ObjectServers {
    let input = Pipe()
    inputs.withLock { $0.append(input) }
    do { return try start(until: input) } catch {
      fatalError("object_servers.py does not start (\(error)); are its Python packages installed?")
    }
  }

  /// Open until the process ends; each is for one start of the script, which has its other end.
  private static let inputs = Mutex<[Pipe]>([])

  /// The variables for S3 at a port.
  package static func s3Variables(_ port: Int) -> [String: String] {
    [
      "AWS_ENDPOINT_URL": "http://127.0.0.1:\(port)", "AWS_ACCESS_KEY_ID": keyID,
      "AWS_SECRET_ACCESS_KEY": secret, "AWS_REGION": "us-east-1",
    ]
  }
}
