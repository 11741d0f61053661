import Columnar
import Foundation
import Jobs
import Testing

/// Result files read by pyarrow, Polars and DuckDB, all values compared.
struct PeerWriteTests {
  @Test func otherReadersReadTheSameValues() throws {
    let table = WriteTable.random(rowCount: 2_000, seed: 21)
    let blocks = try table.blocks(of: [400, 350, 0, 250, 1_000], batchRowCount: 128)
    let folder = try Folder()
    for (format, ending) in [(ColumnarFileFormat.parquet, "parquet"), (.arrow, "arrow")] {
      let files = [Array(blocks[..<4]), [], Array(blocks[4...])]
      for (index, blocks) in files.enumerated() {
        let bytes = try writeFile(format, blocks, columns: table.columns)
        try folder.write(bytes, "prediction.results-0000\(index)-of-00003.\(ending)")
      }
    }
    try folder.write(Array(Self.expected(table).utf8), "expected.jsonl")
    let script = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "read_columnar.py").path()
    let run = try ReaderRun("python3", script, folder.path)
    #expect(run.exitCode == 0, "\(run.output)")
  }

  /// A line for each row as the script wants it.
  private static func expected(_ table: WriteTable) -> String {
    var lines = ""
    for row in table.rows {
      let members = zip(table.columns, row).map { "\"\($0.name)\":\(json($1))" }
      lines += "{\(members.joined(separator: ","))}\n"
    }
    return lines
  }

  private static func json(_ value: ColumnarValue) -> String {
    switch value {
    case .null: "null"
    case .boolean(let flag): "\(flag)"
    case .integer(let number), .timestamp(let number): "\(number)"
    case .date(let days): "\(days)"
    case .number(let number): "\"\(hexadecimal(number))\""
    case .float(let number): "\"\(hexadecimal(Double(number)))\""
    case .text(let text): quoted(text)
    case .binary(let bytes):
      "\"" + bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined() + "\""
    }
  }

  /// As Python's `float.hex` writes it.
  private static func hexadecimal(_ number: Double) -> String {
    guard number.isFinite else { return number > 0 ? "inf" : "-inf" }
    let sign = number.sign == .minus ? "-" : ""
    guard number != 0 else { return "\(sign)0x0.0p+0" }
    let digits = String(number.significandBitPattern, radix: 16)
    let padded = String(repeating: "0", count: 13 - digits.utf8.count) + digits
    let lead = number.isNormal ? "1" : "0"
    let exponent = number.isNormal ? Int(number.exponent) : -1_022
    return "\(sign)0x\(lead).\(padded)p\(exponent < 0 ? "" : "+")\(exponent)"
  }

  private static func quoted(_ text: [UInt8]) -> String {
    let scalars = String(decoding: text, as: UTF8.self).unicodeScalars
    return "\""
      + scalars.map { scalar in
        switch scalar {
        case "\"": "\\\""
        case "\\": "\\\\"
        case "\n": "\\n"
        case "\u{0}": "\\u0000"
        default: String(scalar)
        }
      }.joined() + "\""
  }
}

/// A folder for one test, removed with this object.
final class Folder {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory
      .appending(path: "nightshift-\(UUID().uuidString)").path()
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func write(_ bytes: [UInt8], _ name: String) throws {
    try Data(bytes).write(to: URL(filePath: "\(path)/\(name)"))
  }
}

/// A program that was run to its end.
struct ReaderRun {
  let exitCode: Int32
  /// Standard output and standard error together.
  let output: String

  init(_ arguments: String...) throws {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let bytes = try pipe.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    exitCode = process.terminationStatus
    output = String(decoding: bytes, as: UTF8.self)
  }
}
