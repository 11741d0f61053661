import Compression
import Glibc
import Tables
import Testing

/// A store in memory that notes what it is asked for.
final class MemoryCatalog: ObjectCatalog {
  let keys: [String]
  let listsObjects: Bool
  private(set) var requests: [String] = []

  init(_ keys: [String], listsObjects: Bool = true) {
    self.keys = keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    self.listsObjects = listsObjects
  }

  func visitObjects(
    below prefix: String, stopsAtSlash: Bool, _ visit: (ListedObject) throws -> Void
  ) throws -> [String] {
    var folders: [String] = []
    requests.append(stopsAtSlash ? prefix : prefix + "…")
    for key in keys where key.hasPrefix(prefix) {
      let rest = key.dropFirst(prefix.count)
      if stopsAtSlash, let slash = rest.firstIndex(of: "/") {
        if folders.last != String(key[...slash]) { folders.append(String(key[...slash])) }
      } else {
        try visit(Self.object(key))
      }
    }
    return folders
  }

  func object(at uri: String) throws -> ListedObject? {
    keys.contains(uri) ? Self.object(uri) : nil
  }

  static func object(_ uri: String) -> ListedObject {
    ListedObject(
      uri: uri, byteCount: UInt64(uri.utf8.count), modificationNanoseconds: 7,
      version: "etag=\(uri.utf8.count)")
  }
}

/// As many objects as one likes, which takes no memory, and how many have been visited.
private final class EndlessCatalog: ObjectCatalog {
  let listsObjects = true
  let count: Int
  private(set) var visitCount = 0

  init(count: Int) {
    self.count = count
  }

  func visitObjects(
    below prefix: String, stopsAtSlash: Bool, _ visit: (ListedObject) throws -> Void
  ) throws -> [String] {
    for number in 0..<count {
      visitCount += 1
      try visit(MemoryCatalog.object("\(prefix)part-\(10_000_000 + number).parquet"))
    }
    return []
  }

  func object(at uri: String) throws -> ListedObject? { nil }
}

/// Peak memory of the process, in KiB.
private func peakMemory() -> Int {
  var usage = rusage()
  guard unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 else { return 0 }
  return usage.ru_maxrss
}

struct ObjectListingTests {
  /// In a process of its own, whose memory no other test takes.
  @Test func aMillionObjectsAreListedAndNoMore() async {
    await #expect(processExitsWith: .success) {
      let before = peakMemory()
      for count in [1_000_000, 30_000_000] {
        let catalog = EndlessCatalog(count: count)
        var options = InputListing.Options()
        options.catalog = { _ in catalog }
        let found = Result {
          try InputListing.files(of: ["s3://bkt/logs/"], options: options).count
        }
        if count == 1_000_000 {
          #expect((try? found.get()) == 1_000_000)
        } else {
          #expect(throws: TableError.self) { try found.get() }
          #expect(catalog.visitCount == 1_000_001)
        }
      }
      let used = peakMemory() - before
      #expect(used < 512 << 10, "\(used) KiB")
    }
  }

  let catalog = MemoryCatalog(
    [
      "a.csv", "b.csv.gz", "data/", "data/1.csv", "data/2.csv", "data/_SUCCESS", "data/.x.crc",
      "data/sub/3.csv", "data/sub/deep/4.csv", "data/_tmp/5.csv", "data[1].csv", "data/é ü.csv",
      "spark/_SUCCESS", "spark/_metadata", "spark/_common_metadata",
      "spark/part-00000-ab.c000.snappy.parquet", "spark/.part-00000-ab.c000.snappy.parquet.crc",
      "spark/part-00001-ab.c000.snappy.parquet", "spark/_delta_log/0.json",
      "hive/y=1/m=2/a.csv", "hive/y=1/m=3/b.csv", "hive/y=2/m=2/_x.csv", "hive/_y=3/m=1/c.csv",
    ].map { "s3://bkt/\($0)" })

  func names(_ patterns: String..., entersFolders: Bool = false) throws -> [String] {
    var options = InputListing.Options()
    options.entersFolders = entersFolders
    options.catalog = { scheme in
      #expect(scheme == "s3")
      return catalog
    }
    return try InputListing.files(of: patterns.map { "s3://bkt/\($0)" }, options: options).map {
      String($0.path.dropFirst("s3://bkt/".count))
    }
  }

  @Test func keysAndPrefixesStandForObjects() throws {
    #expect(try names("a.csv") == ["a.csv"])
    #expect(try names("data/") == ["data/1.csv", "data/2.csv", "data/é ü.csv"])
    #expect(try names("data") == ["data/1.csv", "data/2.csv", "data/é ü.csv"])
    #expect(try names("data/_SUCCESS") == ["data/_SUCCESS"])
    #expect(try names("") == ["a.csv", "b.csv.gz", "data[1].csv"])
    #expect(
      try names("spark/") == [
        "spark/part-00000-ab.c000.snappy.parquet", "spark/part-00001-ab.c000.snappy.parquet",
      ])
    #expect(!catalog.requests.contains { $0.hasSuffix("…") })
  }

  @Test func patternsAskForTheirPrefixAlone() throws {
    #expect(try names("data/*.csv") == ["data/1.csv", "data/2.csv", "data/é ü.csv"])
    #expect(try names("data/?.csv") == ["data/1.csv", "data/2.csv"])
    #expect(try names("data[1].csv") == ["data[1].csv"])
    #expect(catalog.requests.last == "s3://bkt/")
    #expect(try names("data/*/*.csv") == ["data/sub/3.csv"])
    #expect(catalog.requests.last == "s3://bkt/data/…")
    #expect(
      try names("data/**/[0-9].csv")
        == ["data/1.csv", "data/2.csv", "data/sub/3.csv", "data/sub/deep/4.csv"])
    #expect(try names("d*/_t*/*") == ["data/_tmp/5.csv"])
    #expect(try names("data/s*") == ["data/sub/3.csv"])
  }

  @Test func partitionsAreEntered() throws {
    #expect(
      try names("hive/", entersFolders: true) == ["hive/y=1/m=2/a.csv", "hive/y=1/m=3/b.csv"])
    #expect(try names("hive/y=*", entersFolders: true).count == 2)
    #expect(throws: TableError.self) { try names("hive/") }
  }

  @Test func objectsAreDescribed() throws {
    var options = InputListing.Options()
    options.catalog = { _ in catalog }
    let file = try #require(
      try InputListing.files(of: ["s3://bkt/b.csv.gz"], options: options).first)
    #expect(
      file
        == InputFile(
          path: "s3://bkt/b.csv.gz", byteCount: 17, modificationNanoseconds: 7,
          compression: .gzip, version: "etag=17"))
    #expect(throws: TableError.self) {
      try InputListing.files(of: ["s3://b*/x"], options: options)
    }
    #expect(throws: TableError.self) { try InputListing.files(of: ["s3://bkt/a.csv"]) }
    let web = MemoryCatalog(["https://h/a.csv?x=[1]"], listsObjects: false)
    options.catalog = { _ in web }
    let files = try InputListing.files(of: ["https://h/a.csv?x=[1]"], options: options)
    #expect(files.map(\.path) == ["https://h/a.csv?x=[1]"] && web.requests.isEmpty)
  }

  @Test func nothingMayBeAllowed() throws {
    var options = InputListing.Options()
    options.catalog = { _ in catalog }
    #expect(throws: TableError.self) {
      try InputListing.files(of: ["s3://bkt/no*"], options: options)
    }
    options.allowsNothing = true
    let patterns = ["s3://bkt/no*", "/nowhere/at/all.csv", "/nowhere/*.csv", "s3://bkt/a.csv"]
    #expect(try InputListing.files(of: patterns, options: options).count == 1)
    options.fileLimit = 2
    let error = #expect(throws: TableError.self) {
      try InputListing.files(of: ["s3://bkt/data/*.csv"], options: options)
    }
    #expect(error?.context.contains("more than 2 files") == true)
  }

  @Test func filesNamedByTwoPatternsAreFound() {
    let error = #expect(throws: TableError.self) { try names("a.csv", "data/", "data/1*") }
    #expect(
      error?.context.contains("by \"s3://bkt/data/\" and \"s3://bkt/data/1*\"") == true,
      "\(error?.context ?? "")")
  }

  // MARK: Partitions

  @Test func foldersAreColumns() throws {
    let partitions = try HivePartitions(
      path:
        "s3://b/t/year=2024/city=S%C3%A3o%20Paulo%2FX/k%3D=100%/z=__HIVE_DEFAULT_PARTITION__/a=b.csv"
    )
    #expect(partitions.names == ["year", "city", "k=", "z"])
    #expect(partitions.columns.map(\.value) == ["2024", "São Paulo/X", "100%", nil])
    #expect(try HivePartitions(path: "/a/=x/y=/f.csv").columns.map(\.value) == [""])
    #expect(try HivePartitions(path: "a=1.csv").names == [])
    #expect(throws: TableError.self) { try HivePartitions(path: "/a=1/a=2/f") }
    #expect(throws: TableError.self) { try HivePartitions(path: "/a=%FF/f") }
  }

  @Test func allFilesHaveTheSamePartitions() throws {
    let paths = ["/t/a=1/b=2/x", "/t/a=3/b=4/y"]
    #expect(try HivePartitions.names(of: paths, beside: ["c"]) == ["a", "b"])
    #expect(try HivePartitions.names(of: ["/t/x"], beside: ["c"]) == [])
    for (bad, beside) in [
      (paths + ["/t/a=1/x"], ["c"]), (paths + ["/t/b=1/a=2/x"], ["c"]), (paths, ["x", "b"]),
    ] {
      let error = #expect(throws: TableError.self) {
        try HivePartitions.names(of: bad, beside: beside)
      }
      #expect(error?.code == .headerMismatch)
    }
  }
}
