import Foundation
import Models
import Scoring
import Testing

/// Columns to inputs, and fields to codes.
struct MappingTests {
  private static let inputs = [
    ModelInput(name: "distance", kind: .numeric),
    ModelInput(name: "dest", kind: .categorical(nil)),
    ModelInput(name: "dep_delay", kind: .numeric),
  ]

  @Test func columnsMatchByName() throws {
    let mapping = try ColumnMapping(
      inputs: Self.inputs, columns: ["id", "dep_delay", "dest", "distance", "Dest"])
    #expect(mapping.columnIndices == [3, 2, 1])
  }

  @Test func blanksMatchUnderscores() throws {
    let mapping = try ColumnMapping(
      inputs: Self.inputs, columns: ["dep delay", "dest", "distance"])
    #expect(mapping.columnIndices == [2, 1, 0])
    let exact = try ColumnMapping(
      inputs: Self.inputs, columns: ["dep delay", "dest", "distance", "dep_delay"])
    #expect(exact.columnIndices == [2, 1, 3])
  }

  @Test func missingColumnsAreRefusedWithBothLists() throws {
    let error = try #require(throws: ModelError.self) {
      try ColumnMapping(inputs: Self.inputs, columns: ["Distance", "dest", "dest", "x"])
    }
    #expect(error.code == .columnsDiffer)
    #expect(
      error.context == """
        the table lacks distance, dep_delay; the table has twice dest; \
        the model's inputs are distance, dest (categorical), dep_delay; \
        the table's columns are Distance, dest, dest, x
        """)
  }

  @Test func longListsAreCut() throws {
    let error = try #require(throws: ModelError.self) {
      try ColumnMapping(inputs: Self.inputs, columns: (0..<5_000).map { "c\($0)" })
    }
    #expect(error.context.hasSuffix("c99 and 4900 more"))
  }

  @Test func aModelNamesItsInputs() throws {
    let model = try Model(lightGBM: Fixture.named("pandas").modelBytes())
    #expect(model.inputs.map(\.name) == ["word", "size", "year", "rate", "flag"])
    #expect(
      model.objective == "regression" && model.outputCount == 1
        && model.scorer.summary["trees"] == 8)
    let categories = model.inputs.map { input -> [Category]? in
      if case .categorical(let table?) = input.kind { table.categories } else { nil }
    }
    #expect(
      categories[0]?.map(\.spelling) == [
        "alpha", "beta", "été", "a,b", "say \"so\"", "NA", " spaced ", "日本", "\u{1f6eb}",
        "back\\slash", String(repeating: "z", count: 40),
      ])
    #expect(categories[1] == nil)
    #expect(categories[2] == ["1999", "2001", "-5", "7"].map { .number($0) })
    #expect(categories[3] == ["0.5", "1.0", "2.25"].map { .number($0) })
    #expect(categories[4] == [.boolean(false), .boolean(true)])
  }

  @Test func theFlightsModelIsRead() throws {
    let file = Fixture.folder.appending(path: "../../../bench/models/flights.txt")
    let model = try Model(lightGBM: Array(try Data(contentsOf: file)))
    #expect(
      model.scorer.summary["trees"] == 100 && model.outputCount == 1 && model.objective == "binary")
    #expect(
      model.inputs.map(\.description) == [
        "month", "day", "dep_time", "sched_dep_time", "dep_delay", "sched_arr_time",
        "carrier (categorical)", "flight", "origin (categorical)", "dest (categorical)",
        "distance", "hour", "minute",
      ])
    guard case .categorical(let origins?) = model.inputs[8].kind else {
      Issue.record("origin has no categories")
      return
    }
    #expect(["EWR", "JFK", "LGA"].map { origins.code(for: $0) } == [0, 1, 2])
  }

  @Test func inputsSayWhetherTheyAreUsed() throws {
    let model = try Model(lightGBM: Fixture.named("unused_features").modelBytes())
    #expect(model.inputs.map(\.isUsed) == [true, true, false, false, false, false])
    let coded = try Model(lightGBM: Fixture.named("categories").modelBytes())
    let isCategorical = coded.inputs.map { input -> Bool in
      if case .categorical(nil) = input.kind { true } else { false }
    }
    #expect(isCategorical == [true, true, true, false, true, false])
  }

  /// Ordered categories leave a list that belongs to no categorical feature.
  @Test func categoryColumnsCanBeNamed() throws {
    let bytes = try Fixture.named("pandas").modelBytes()
    let names = ["year", "word", "flag", "rate"]
    let model = try Model(lightGBM: bytes, categoryColumns: names)
    guard case .categorical(let table?) = model.inputs[2].kind else {
      Issue.record("year has no categories")
      return
    }
    #expect(table.code(for: "alpha") == 0)
    for wrong in [
      ["word"], names + ["size"], ["word", "word", "flag", "rate"], ["a", "b", "c", "d"],
    ] {
      #expect(throws: ModelError.self) { try Model(lightGBM: bytes, categoryColumns: wrong) }
    }
  }

  @Test(arguments: [
    ("JFK", 0.0), ("LGA", 1), ("", 2), ("été", 3), ("e\u{301}te\u{301}", .nan), ("jfk", .nan),
    ("JF", .nan), ("JFKX", .nan), (" JFK", .nan), ("NA", .nan),
  ])
  func textMatchesByteForByte(field: String, code: Double) {
    let table = CategoryTable([.text("JFK"), .text("LGA"), .text(""), .text("été"), .text("JFK")])
    #expect(table.code(for: field).bitPattern == code.bitPattern)
  }

  @Test(arguments: [
    ("1", 0.0), ("1.0", 0), ("01", 0), ("+1", 0), ("1e0", 0), ("10e-1", 0), ("2.5", 1), ("2.50", 1),
    ("-3", 2), ("-3.0", 2), ("0", 3), ("-0", 3), ("0.0", 3), ("9007199254740993", 4),
    ("100", 5), ("1e2", 5), ("3", .nan), ("1.", 0), (".5", .nan), ("1 ", .nan), ("0x1", .nan),
    ("", .nan), ("one", .nan), ("nan", .nan), ("inf", .nan), ("1e", .nan), ("--1", .nan),
    ("2.5000000000000000000000000001", 1),
  ])
  func numbersMatchByValue(field: String, code: Double) {
    let table = CategoryTable(
      ["1", "2.5", "-3", "0", "9007199254740993", "100.0"].map { .number($0) })
    #expect(table.code(for: field).bitPattern == code.bitPattern)
  }

  @Test func truthValuesMatchWhatPandasReads() {
    let table = CategoryTable([.boolean(false), .boolean(true)])
    for text in ["True", "TRUE", "true"] { #expect(table.code(for: text) == 1) }
    for text in ["False", "FALSE", "false"] { #expect(table.code(for: text) == 0) }
    for text in ["1", "0", "T", "tRUE", ""] { #expect(table.code(for: text).isNaN) }
  }

  @Test func textGoesBeforeNumbers() {
    let table = CategoryTable([.number("1"), .text("1"), .boolean(true), .text("true")])
    #expect(table.code(for: "1") == 1)
    #expect(table.code(for: "1.0") == 0)
    #expect(table.code(for: "true") == 3)
    #expect(table.code(for: "True") == 2)
  }

  @Test func manyCategoriesAreFound() {
    let names = (0..<20_000).map { "category \($0 &* 7919)" }
    let table = CategoryTable(names.map { .text($0) })
    for (code, name) in names.enumerated() { #expect(table.code(for: name) == Double(code)) }
    #expect(table.code(for: "category").isNaN)
    #expect(CategoryTable([]).code(for: "").isNaN)
  }
}
