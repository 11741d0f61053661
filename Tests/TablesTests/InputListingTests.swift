import Compression
import Foundation
import Tables
import Testing

struct InputListingTests {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    for name in [
      "b.csv", "a.csv", "Z.csv", "é.csv", "c.csv.gz", "d.csv.zst", "_SUCCESS", ".hidden.csv",
      "x[1].csv",
      "sub/one.csv", "sub/_two.csv", "sub/deep/three.csv", "_tmp/four.csv", "e.txt",
    ] {
      try folder.write(Array(name.utf8), name)
    }
  }

  func names(_ patterns: String...) throws -> [String] {
    let prefix = folder.url.path + "/"
    return try InputListing.files(of: patterns.map { prefix + $0 }).map {
      String($0.path.dropFirst(prefix.count))
    }
  }

  @Test func patternsStandForSortedNames() throws {
    #expect(
      try names("*.csv") == ["Z.csv", "a.csv", "b.csv", "x[1].csv", "é.csv"])
    #expect(try names("?.txt", "[!a-z].csv") == ["e.txt", "Z.csv"])
    #expect(try names("[ab].*") == ["a.csv", "b.csv"])
    #expect(try names("sub/*.csv", "a.csv") == ["sub/one.csv", "a.csv"])
    #expect(try names("s*/o*.csv") == ["sub/one.csv"])
    #expect(try names("*/*.csv") == ["sub/one.csv"])
    #expect(
      try names("**/*.csv") == [
        "Z.csv", "a.csv", "b.csv", "sub/deep/three.csv", "sub/one.csv", "x[1].csv", "é.csv",
      ])
  }

  @Test func foldersStandForTheirVisibleFiles() throws {
    #expect(
      try names("") == [
        "Z.csv", "a.csv", "b.csv", "c.csv.gz", "d.csv.zst", "e.txt", "x[1].csv", "é.csv",
      ])
    #expect(try names("sub") == ["sub/one.csv"])
    #expect(try names("su?") == ["sub/one.csv"])
  }

  @Test func namesWithMarksAreMetWhenTheyAreMeant() throws {
    #expect(try names("_SUCCESS") == ["_SUCCESS"])
    #expect(try names("_*/*.csv") == ["_tmp/four.csv"])
    #expect(try names("x[1].csv") == ["x[1].csv"])
  }

  @Test func nothingIsAnErrorThatNamesThePattern() throws {
    for pattern in ["*.parquet", "nowhere.csv", "nowhere/*.csv", "sub/_*.txt", "a.csv/*"] {
      let error = #expect(throws: TableError.self) { try names(pattern) }
      #expect(error?.code == .noInput)
      #expect(error?.context.contains(pattern) == true, "\(error?.context ?? "")")
    }
    try FileManager.default.createDirectory(
      at: folder.url.appending(path: "empty"), withIntermediateDirectories: true)
    #expect(throws: TableError.self) { try names("empty") }
  }

  @Test func aFileListedTwiceIsAnError() {
    let error = #expect(throws: TableError.self) { try names("a.csv", "?.csv") }
    #expect(error?.context.contains("listed twice") == true)
  }

  @Test func filesAreDescribed() throws {
    let path = folder.url.appending(path: "c.csv.gz").path
    let file = try #require(try InputListing.files(of: ["file://\(path)"]).first)
    var status = stat()
    #expect(unsafe stat(path, &status) == 0)
    #expect(file.path == path)
    #expect(file.byteCount == 8)
    #expect(file.inode == status.st_ino)
    #expect(file.modificationNanoseconds / 1_000_000_000 == status.st_mtim.tv_sec)
    #expect(file.modificationNanoseconds % 1_000_000_000 == status.st_mtim.tv_nsec)
    #expect(file.compression == .gzip)
    #expect(try InputListing.files(of: ["file://\(path.dropLast(7))%2Ecsv.gz"]).count == 1)
  }

  @Test(arguments: ["s3://bucket/a.csv", "http://x/y", "file:///a%zz", "/dev/null"])
  func whatCannotBeReadIsRefused(pattern: String) {
    let error = #expect(throws: TableError.self) { try InputListing.files(of: [pattern]) }
    #expect(error?.code == .unsupported)
  }

  @Test func foldersOfPartitionsAreEntered() throws {
    var options = InputListing.Options()
    options.entersFolders = true
    let prefix = folder.url.path + "/"
    let listed = try InputListing.files(of: [prefix + "sub"], options: options)
    #expect(
      listed.map { $0.path.dropFirst(prefix.count) } == ["sub/deep/three.csv", "sub/one.csv"])
  }

  @Test func aFolderOfSparkIsItsParts() throws {
    let parts = (0..<3).map { "t/part-0000\($0)-9a.c000.snappy.parquet" }
    for name in parts + parts.map({ "t/.\($0.dropFirst(2)).crc" }) + ["t/_SUCCESS", "t/_metadata"] {
      try folder.write([1], name)
    }
    #expect(try names("t") == parts)
  }

  @Test func aLinkToNothingIsAnError() throws {
    try FileManager.default.createSymbolicLink(
      atPath: folder.url.appending(path: "sub/gone.csv").path, withDestinationPath: "nowhere")
    #expect(throws: TableError.self) { try names("sub") }
  }
}
