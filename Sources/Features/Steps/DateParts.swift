internal import CKernels
internal import Models
internal import Scoring

/// Parts of dates and times, each a column `<output>_<part>`.
///
/// `parts`: any of year, month, day, weekday (0 is Monday), hour, minute, second, day_of_year,
/// is_weekend, epoch. Text is ISO 8601; its parts are those of the time as it stands there, only
/// `epoch` counts a time zone's offset in. Numbers are seconds since 1970 in UTC, or with `unit`
/// `ms` milliseconds. What is no date has NaN for all parts.
struct DateParts: Operation {
  private let parts: [Part]
  private let unit: Unit

  enum Part: String, CaseIterable {
    case year, month, day, weekday, hour, minute, second
    case dayOfYear = "day_of_year"
    case isWeekend = "is_weekend"
    case unixSeconds = "epoch"

    /// Where it stands among the numbers that the kernel gives.
    fileprivate var place: Int {
      switch self {
      case .year: Int(ns_date_year.rawValue)
      case .month: Int(ns_date_month.rawValue)
      case .day: Int(ns_date_day.rawValue)
      case .weekday: Int(ns_date_weekday.rawValue)
      case .hour: Int(ns_date_hour.rawValue)
      case .minute: Int(ns_date_minute.rawValue)
      case .second: Int(ns_date_second.rawValue)
      case .dayOfYear: Int(ns_date_day_of_year.rawValue)
      case .isWeekend: Int(ns_date_is_weekend.rawValue)
      case .unixSeconds: Int(ns_date_unix_seconds.rawValue)
      }
    }
  }

  enum Unit: String, CaseIterable {
    case seconds = "s"
    case milliseconds = "ms"
  }

  init(_ fields: inout StepFields) throws(ModelError) {
    unit = try fields.word("unit", default: .seconds)
    let list = try fields.required("parts")
    var parts: [Part] = []
    for name in try list.strings() {
      guard let part = Part(rawValue: name), !parts.contains(part) else {
        let known = Part.allCases.map(\.rawValue).joined(separator: ", ")
        throw list.error("expected some of \(known), each once")
      }
      parts.append(part)
    }
    guard !parts.isEmpty else { throw list.error("there are no parts") }
    self.parts = parts
  }

  var rawKind: ColumnKind { .text }

  func emit(_ step: StepNames, into builder: inout ProgramBuilder) throws(ModelError) {
    var made: [ProgramBuilder.Block] = []
    for (index, name) in step.inputs.enumerated() {
      let column = try builder.column(name, rawKind: .text)
      let first = try builder.makeValues(parts.count)
      let columns = (0..<parts.count).map { first + ValueID($0) }
      let places = parts.map(\.place)
      switch column {
      case .text(let id):
        builder.append(
          DateInstruction(source: id, isText: true, divisor: 1, columns: columns, places: places))
      case .number(let chain):
        let id = try builder.compute(chain)
        let divisor = unit == .seconds ? 1.0 : 1_000
        builder.append(
          DateInstruction(
            source: id, isText: false, divisor: divisor, columns: columns, places: places))
      }
      let parts = parts
      made.append(
        ProgramBuilder.Block(prefix: step.outputs[index], first: first, count: parts.count) {
          name in Part(rawValue: String(name)).flatMap(parts.firstIndex)
        })
    }
    for block in made { builder.define(block) }
  }
}

private struct DateInstruction: Instruction {
  private var source: ValueID
  private let isText: Bool
  private let divisor: Double
  private var columns: [ValueID]
  private let places: [Int]

  init(source: ValueID, isText: Bool, divisor: Double, columns: [ValueID], places: [Int]) {
    self.source = source
    self.isText = isText
    self.divisor = divisor
    self.columns = columns
    self.places = places
  }

  var sources: [ValueID] { [source] }
  var targets: [ValueID] { columns }

  mutating func place(_ places: [Int32]) {
    source = places[Int(source)]
    columns.place(places)
  }

  func run(_ frame: Frame, scratch: inout ScoringScratch) {
    let mark = scratch.mark
    defer { scratch.release(to: mark) }
    let parts = unsafe scratch.reserve(Double.self, count: Int(NS_DATE_PART_COUNT))
    for row in 0..<(unsafe frame.rowCount) {
      if isText {
        let text = unsafe frame.text(source)[row]
        if let start = unsafe text.start {
          unsafe _ = ns_date_read(start, text.count, parts)
        } else {
          unsafe ns_date_of_unix_seconds(.nan, parts)
        }
      } else {
        unsafe ns_date_of_unix_seconds(frame.number(source)[row] / divisor, parts)
      }
      for (index, column) in columns.enumerated() where column >= 0 {
        unsafe frame.target(column)[row] = parts[places[index]]
      }
    }
  }
}
