import Foundation
import Jobs
import ObjectStore
import Tables
import TestSupport
import Testing

/// Inputs in stores: listed by the stores' own catalogs, and read as they were planned.
@Suite struct ObjectSourceTests {
  private static let servers = ObjectServers.startForAllTests()

  enum Kind: String, CaseIterable, Sendable {
    case rclone
    case google

    var scheme: String { self == .google ? "gs" : "s3" }

    var store: ObjectStore {
      let variables =
        self == .google
        ? ["STORAGE_EMULATOR_HOST": "127.0.0.1:\(servers.google)"]
        : ObjectServers.s3Variables(servers.rclone)
      return ObjectStore(environment: StoreEnvironment(variables: variables))
    }
  }

  private func list(_ patterns: String..., store: ObjectStore, tree: Bool = false) throws
    -> [InputFile]
  {
    var options = InputListing.Options()
    options.entersFolders = tree
    options.catalog = { StoreCatalog(scheme: $0, in: store) }
    return try InputListing.files(of: patterns, options: options)
  }

  @Test(arguments: Kind.allCases) func objectsAreListedLikeFiles(kind: Kind) throws {
    let store = kind.store
    let base = "\(kind.scheme)://bucket/listed"
    for name in ["a.csv", "b 1.csv", "_SUCCESS", ".hidden", "sub/c.csv", "notes.txt"] {
      try store.put(Array(name.utf8), to: try ObjectURI("\(base)/\(name)"))
    }
    func names(_ pattern: String, tree: Bool = false) throws -> [String] {
      try list("\(base)\(pattern)", store: store, tree: tree).map {
        String($0.path.dropFirst(base.count + 1))
      }
    }
    #expect(try names("/") == ["a.csv", "b 1.csv", "notes.txt"])
    #expect(try names("/*.csv") == ["a.csv", "b 1.csv"])
    #expect(try names("/**/*.csv") == ["a.csv", "b 1.csv", "sub/c.csv"])
    #expect(try names("/a.csv") == ["a.csv"])
    #expect(try names("", tree: true) == ["a.csv", "b 1.csv", "notes.txt", "sub/c.csv"])
    let file = try #require(try list("\(base)/a.csv", store: store).first)
    #expect(file.byteCount == 5)
    #expect(!file.version.isEmpty)
    #expect(file == (try list("\(base)/*a.csv", store: store).first))
    #expect(throws: TableError.self) { try list("\(base)/none*", store: store) }
  }

  @Test(arguments: Kind.allCases) func anInputIsReadAsItWasPlanned(kind: Kind) throws {
    let store = kind.store
    let text = Array((0..<200_000).map { "row,\($0)\n" }.joined().utf8)
    let path = "\(kind.scheme)://bucket/planned/rows.csv"
    try store.put(text, to: try ObjectURI(path))
    let file = try #require(try list(path, store: store).first)
    let access = InputAccess(store: store)
    let source = try access.open(
      file.path, byteCount: file.byteCount, version: file.version, expectedEnd: 1_000_000)
    #expect(try read(source, from: 500_000, 600_000) == Array(text[500_000..<1_100_000]))

    try store.put([1] + text.dropFirst(), to: try ObjectURI(path))
    guard kind == .rclone else { return }  // the emulator does not look at generations
    do {
      let again = try access.open(file.path, byteCount: file.byteCount, version: file.version)
      _ = try read(again, from: 0, 1_000)
      Issue.record("another content was read")
    } catch let error as TableError {
      #expect(error.code == .inputChanged, "\(error)")
    }
  }

  private func read(
    _ source: any ByteSource, from offset: UInt64, _ count: Int
  ) throws -> [UInt8] {
    var source = source
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    while bytes.count < count {
      let wanted = min(buffer.count, count - bytes.count)
      let filled = try unsafe buffer.withUnsafeMutableBytes {
        try unsafe source.read(
          at: offset + UInt64(bytes.count),
          into: UnsafeMutableRawBufferPointer(rebasing: $0[..<wanted]))
      }
      guard filled > 0 else { break }
      bytes += buffer[..<filled]
    }
    return bytes
  }

  @Test func anURLIsOneInput() throws {
    let store = ObjectStore(environment: StoreEnvironment(variables: [:]))
    let url = "http://127.0.0.1:\(Self.servers.files)/plain/input.csv"
    let post = Process()
    post.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    post.arguments = ["curl", "-s", "-d", "a,b\n1,2\n", url]
    try post.run()
    post.waitUntilExit()
    let file = try #require(try list(url, store: store).first)
    #expect(file.version.hasPrefix("etag="))
    let source = try InputAccess(store: store).open(
      file.path, byteCount: file.byteCount, version: file.version)
    #expect(try read(source, from: 0, 100) == Array("a,b\n1,2\n".utf8.filter { $0 != 10 || true }))
    #expect(throws: TableError.self) { try list(url + "-none", store: store) }
    #expect(throws: TableError.self) {
      try InputAccess(store: store).open(url, byteCount: 8, version: "")
    }
  }

  @Test func aReaderThatIsToldToStopDoes() throws {
    let store = Kind.rclone.store
    let path = "s3://bucket/stopped/rows.csv"
    try store.put([UInt8](repeating: 65, count: 1_000), to: try ObjectURI(path))
    let file = try #require(try list(path, store: store).first)
    let source = try InputAccess(store: store).open(
      path, byteCount: file.byteCount, version: file.version, isOver: { true })
    do {
      _ = try read(source, from: 0, 10)
      Issue.record("the read went on")
    } catch let error as TableError {
      #expect(error.code == .cancelled)
    }
  }
}
