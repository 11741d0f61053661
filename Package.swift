// swift-tools-version: 6.2

import PackageDescription

/// What every Swift target is compiled with; the reasons are in the style pages of the documentation.
///
/// Not `NonisolatedNonsendingByDefault`: in Swift 6.3.1 an error thrown through such a function goes
/// on outside of its caller's actor, and two threads then change what one actor owns.
let settings: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .treatAllWarnings(as: .error),
]

/// For targets that touch C pointers: each use then says `unsafe` and can be searched for.
let unsafeSettings = settings + [.strictMemorySafety()]

let log: Target.Dependency = .product(name: "Logging", package: "swift-log")

/// The fuzzer of the parsers: only where `Tests/fuzz` asks for it, for it needs libFuzzer's runtime.
let fuzzTargets: [Target] =
  Context.environment["NIGHTSHIFT_FUZZ"] == nil
  ? []
  : [
    .executableTarget(
      name: "nightshift-fuzz",
      dependencies: [
        "Columnar", "Commands", "Compression", "CoordinatorCore", "Destinations", "Digests",
        "Features", "Fleet", "Jobs", "Journal", "Leasing", "Models", "ObjectStore", "Partials",
        "Scoring", "Simulation", "Tables", "Wire",
      ],
      path: "Tests/Fuzz", exclude: ["Corpus", "Dictionaries"], swiftSettings: unsafeSettings,
      // libFuzzer brings a `main` too.
      linkerSettings: [.unsafeFlags(["-Xlinker", "--allow-multiple-definition"])])
  ]

let package = Package(
  name: "nightshift",
  products: [.executable(name: "nightshift", targets: ["nightshift"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
    .package(url: "https://github.com/groue/GRDB.swift", exact: "7.10.0"),
    .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
  ],
  targets: [
    // C libraries.
    .systemLibrary(name: "CNNG", providers: [.apt(["libnng-dev"])]),
    .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"])]),
    .systemLibrary(
      name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
    .systemLibrary(name: "CPQ", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
    .systemLibrary(
      name: "CSQLite3", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
    // Arrow and Parquet, from `cluster/arrow`.
    .systemLibrary(name: "CArrow", pkgConfig: "parquet"),
    // Its calls into CKernels are plain C: as a dependency that would be a module, which C++20
    // would want compiled first.
    .target(
      name: "CColumnar", dependencies: ["CArrow", "CZstd"],
      cxxSettings: [.headerSearchPath("../CKernels/include")]),
    .target(name: "CWire", linkerSettings: [.linkedLibrary("protobuf-c")]),
    .target(name: "CKernels"),
    .target(name: "CPosix"),

    // Pure cores: the standard library alone.
    .target(name: "Jobs", swiftSettings: settings),
    .target(name: "Leasing", dependencies: ["Jobs"], swiftSettings: settings),
    .target(name: "CoordinatorCore", dependencies: ["Jobs", "Leasing"], swiftSettings: settings),
    .target(name: "WorkerCore", dependencies: ["Jobs", "Leasing"], swiftSettings: settings),

    // A thread of its own for whoever calls blocking C.
    .target(name: "Executors", dependencies: ["CPosix"], swiftSettings: unsafeSettings),
    // Workers through Slurm, Kubernetes and as processes of this machine.
    .target(
      name: "Fleet", dependencies: ["CPosix", "CoordinatorCore", "Executors"],
      swiftSettings: unsafeSettings),
    // Places at which a test can kill the process.
    .target(name: "Failpoints", swiftSettings: unsafeSettings),

    // One wrapper for each C library.
    .target(name: "Digests", dependencies: ["CCrypto", "CXXHash"], swiftSettings: unsafeSettings),
    .target(name: "Compression", dependencies: ["CZstd", "CZlib"], swiftSettings: unsafeSettings),
    .target(
      name: "Columnar", dependencies: ["CColumnar", "CKernels", "Jobs"],
      swiftSettings: unsafeSettings),
    .target(
      name: "ObjectStore", dependencies: ["CCurl", "Digests"], swiftSettings: unsafeSettings),
    .target(
      name: "Database", dependencies: ["CPQ", "CSQLite3"], swiftSettings: unsafeSettings),
    .target(name: "Transport", dependencies: ["CNNG"], swiftSettings: unsafeSettings),
    .target(
      name: "Wire", dependencies: ["CWire", "Digests", "Jobs", "Leasing"],
      swiftSettings: unsafeSettings),
    .target(
      name: "Journal",
      dependencies: [
        "CoordinatorCore", "Jobs", "Leasing", .product(name: "GRDB", package: "GRDB.swift"),
        .product(name: "GRDBSQLite", package: "GRDB.swift"),
      ],
      swiftSettings: settings),

    // Data: bytes to columns, columns to scores, scores to partials, partials to output.
    .target(
      name: "Tables",
      dependencies: [
        "CKernels", "Columnar", "Compression", "Database", "Digests", "Jobs", "Models",
        "ObjectStore",
      ],
      swiftSettings: unsafeSettings),
    .target(name: "Models", dependencies: ["CKernels"], swiftSettings: unsafeSettings),
    .target(name: "Scoring", dependencies: ["CKernels", "Models"], swiftSettings: unsafeSettings),
    .target(
      name: "Features", dependencies: ["CKernels", "Models", "Scoring"],
      swiftSettings: unsafeSettings),
    .target(
      name: "Partials", dependencies: ["Compression", "Digests", "Jobs", "ObjectStore"],
      swiftSettings: unsafeSettings),
    .target(
      name: "Destinations",
      dependencies: [
        "CPosix", "Columnar", "Compression", "CoordinatorCore", "Database", "Digests", "Jobs",
        "Leasing", "ObjectStore", "Partials", "Tables",
      ],
      swiftSettings: unsafeSettings),

    // Shells.
    .target(
      name: "Coordinator",
      dependencies: [
        "CPosix", "Compression", "CoordinatorCore", "Database", "Destinations", "Digests",
        "Executors",
        "Failpoints", "Features", "Fleet", "Jobs", "Journal", "Leasing", "Models", "ObjectStore",
        "Partials", "Scoring", "Tables", "Transport", "Wire", log,
      ],
      swiftSettings: unsafeSettings),
    .target(
      name: "Worker",
      dependencies: [
        "CPosix", "Compression", "Digests", "Executors", "Failpoints", "Features", "Jobs",
        "Leasing",
        "Models", "ObjectStore", "Partials", "Scoring", "Tables", "Transport", "Wire",
        "WorkerCore", log,
      ],
      swiftSettings: unsafeSettings),
    .target(
      name: "Simulation", dependencies: ["CoordinatorCore", "Jobs", "Leasing", "WorkerCore"],
      swiftSettings: settings),
    .target(
      name: "Commands",
      dependencies: [
        "Coordinator", "CoordinatorCore", "Destinations", "Digests", "Executors", "Features",
        "Fleet", "Jobs", "Models", "ObjectStore", "Scoring", "Transport", "Wire", "Worker",
        "WorkerCore", "Yams", log,
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: unsafeSettings),
    .executableTarget(
      name: "nightshift",
      dependencies: [
        "Commands", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: settings),

    .executableTarget(
      name: "nightshift-sim", dependencies: ["Jobs", "Simulation"], swiftSettings: settings),
    .executableTarget(
      name: "nightshift-bench",
      dependencies: [
        "Coordinator", "CoordinatorCore", "Jobs", "Journal", "Leasing", "Models", "Scoring",
        "Simulation", "Tables", "Transport", "Wire", log,
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      path: "bench/program", swiftSettings: unsafeSettings),

    // Tests.
    .target(name: "TestSupport", path: "Tests/Support", swiftSettings: settings),
    .testTarget(
      name: "CommandTests",
      dependencies: [
        "Commands", "Coordinator", "CoordinatorCore", "Fleet", "Jobs", "Transport", "Wire", log,
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      path: "Tests/CommandTests",
      swiftSettings: settings),
    .testTarget(
      name: "ColumnarTests",
      dependencies: [
        "CKernels", "Columnar", "Digests", "Jobs", "Tables",
      ],
      path: "Tests/ColumnarTests", exclude: ["Fixtures", "read_columnar.py"],
      swiftSettings: unsafeSettings),
    .testTarget(
      name: "DatabaseTests",
      dependencies: [
        "CoordinatorCore", "Database", "Destinations", "Digests", "Jobs", "Leasing",
        "Partials", "Tables",
      ],
      path: "Tests/DatabaseTests", swiftSettings: unsafeSettings),
    .testTarget(
      name: "ObjectStoreTests",
      dependencies: [
        "Digests", "ObjectStore", "TestSupport",
      ],
      path: "Tests/ObjectStoreTests", swiftSettings: unsafeSettings),
    .testTarget(
      name: "CompressionTests",
      dependencies: ["CZlib", "Compression"],
      path: "Tests/CompressionTests",
      swiftSettings: unsafeSettings),
    .testTarget(
      name: "CoordinatorCoreTests",
      dependencies: ["CoordinatorCore", "Jobs", "Leasing", "WorkerCore"],
      path: "Tests/CoordinatorCoreTests",
      swiftSettings: settings),
    .testTarget(
      name: "DestinationsTests",
      dependencies: [
        "Columnar", "Compression", "Coordinator", "CoordinatorCore", "Destinations", "Digests",
        "Jobs", "Leasing", "ObjectStore", "Partials", "TestSupport",
      ],
      path: "Tests/DestinationsTests", swiftSettings: unsafeSettings),
    .testTarget(
      name: "DigestsTests",
      dependencies: ["Digests"],
      path: "Tests/DigestsTests",
      swiftSettings: unsafeSettings),
    .testTarget(
      name: "FleetTests",
      dependencies: ["CoordinatorCore", "Fleet"],
      path: "Tests/FleetTests",
      swiftSettings: settings),
    .testTarget(
      name: "JobsTests",
      dependencies: ["Jobs"],
      path: "Tests/JobsTests",
      swiftSettings: settings),
    .testTarget(
      name: "JournalTests",
      dependencies: ["CoordinatorCore", "Jobs", "Journal", "Leasing"],
      path: "Tests/JournalTests",
      swiftSettings: settings),
    .testTarget(
      name: "LeasingTests",
      dependencies: ["Jobs", "Leasing"],
      path: "Tests/LeasingTests",
      swiftSettings: settings),
    .testTarget(
      name: "ModelsTests",
      dependencies: ["Models"],
      path: "Tests/ModelsTests",
      swiftSettings: unsafeSettings),
    .testTarget(
      name: "PartialsTests",
      dependencies: ["Compression", "Digests", "Jobs", "Partials"],
      path: "Tests/PartialsTests",
      swiftSettings: unsafeSettings),
    .testTarget(
      name: "ProcessTests",
      dependencies: [
        "Digests", "Fleet", "Jobs", "Leasing", "TestSupport", "Transport", "Wire", "nightshift",
      ],
      path: "Tests/ProcessTests",
      swiftSettings: settings),
    .testTarget(
      name: "ScoringTests",
      dependencies: ["CKernels", "Models", "Scoring"],
      path: "Tests/ScoringTests",
      exclude: ["Fixtures"], swiftSettings: unsafeSettings),
    .testTarget(
      name: "ExecutorsTests",
      dependencies: ["Executors"],
      path: "Tests/ExecutorsTests",
      swiftSettings: settings),
    .testTarget(
      name: "FeaturesTests",
      dependencies: ["Features", "Models", "Scoring"],
      path: "Tests/FeaturesTests",
      exclude: ["Fixtures"], swiftSettings: unsafeSettings),
    .testTarget(
      name: "SimulationTests",
      dependencies: ["CoordinatorCore", "Jobs", "Simulation"],
      path: "Tests/SimulationTests",
      swiftSettings: settings),
    .testTarget(
      name: "TablesTests",
      dependencies: [
        "CKernels", "Columnar", "Compression", "Jobs", "Models",
        "ObjectStore", "Tables", "TestSupport",
      ],
      path: "Tests/TablesTests", exclude: ["Fixtures"], swiftSettings: unsafeSettings),
    .testTarget(
      name: "TidyTests",
      dependencies: [],
      path: "Tests/TidyTests",
      swiftSettings: settings),
    .testTarget(
      name: "TransportTests",
      dependencies: ["CPosix", "Transport"],
      path: "Tests/TransportTests",
      swiftSettings: unsafeSettings),
    .testTarget(
      name: "WireTests",
      dependencies: ["CWire", "Jobs", "Leasing", "Wire"],
      path: "Tests/WireTests",
      swiftSettings: unsafeSettings),
  ] + fuzzTargets,
  cxxLanguageStandard: .cxx20
)
