internal import CKernels
internal import Models
internal import Scoring

/// One text of all inputs, joined by `separator`, `_` unless said: a cross of categories.
///
/// Numbers are spelled as short as can be, whole ones without a point. Missing if one of them is.
struct Cross: Operation {
  private let separator: [UInt8]

  init(_ fields: inout StepFields) throws(ModelError) {
    separator = try Array(fields.optional("separator")?.string().utf8 ?? "_".utf8)
  }

  var rawKind: ColumnKind { .text }

  func emit(_ step: StepNames, into builder: inout ProgramBuilder) throws(ModelError) {
    var parts: [CrossInstruction.Part] = []
    for name in step.inputs {
      switch try builder.column(name, rawKind: .text) {
      case .text(let id): parts.append(.init(id: id, isText: true))
      case .number(let chain):
        parts.append(.init(id: try builder.compute(chain), isText: false))
      }
    }
    let target = try builder.makeValues(1, isText: true)
    builder.append(CrossInstruction(parts: parts, separator: separator, target: target))
    builder.define(step.outputs[0], .text(target))
  }
}

private struct CrossInstruction: Instruction {
  struct Part {
    var id: ValueID
    let isText: Bool
  }

  private var parts: [Part]
  private let separator: [UInt8]
  private var target: ValueID

  init(parts: [Part], separator: [UInt8], target: ValueID) {
    self.parts = parts
    self.separator = separator
    self.target = target
  }

  var sources: [ValueID] { parts.map(\.id) }
  var targets: [ValueID] { [target] }

  mutating func place(_ places: [Int32]) {
    for index in parts.indices { parts[index].id = places[Int(parts[index].id)] }
    target = places[Int(target)]
  }

  func run(_ frame: Frame, scratch: inout ScoringScratch) {
    let output = unsafe frame.textTarget(target)
    for row in 0..<(unsafe frame.rowCount) {
      unsafe output[row] = .missing
      guard let byteCount = unsafe byteCount(frame, row) else { continue }
      let text = unsafe scratch.reserve(UInt8.self, count: byteCount)
      unsafe output[row] = TextSpan(start: text, count: write(frame, row, to: text))
    }
  }

  /// Room for a row's text; nil if a part is missing.
  private func byteCount(_ frame: Frame, _ row: Int) -> Int? {
    var count = parts.count * separator.count
    for part in parts {
      if part.isText {
        let text = unsafe frame.text(part.id)[row]
        guard unsafe text.start != nil else { return nil }
        count += unsafe text.count
      } else {
        guard unsafe !frame.number(part.id)[row].isNaN else { return nil }
        count += Int(NS_DOUBLE_TEXT_LIMIT)
      }
    }
    return count
  }

  private func write(
    _ frame: Frame, _ row: Int, to text: UnsafeMutablePointer<UInt8>
  ) -> Int {
    var count = 0
    for (index, part) in parts.enumerated() {
      if index > 0 {
        for byte in separator {
          unsafe text[count] = byte
          count += 1
        }
      }
      if part.isText {
        let span = unsafe frame.text(part.id)[row]
        guard let start = unsafe span.start else { continue }
        unsafe (text + count).update(from: start, count: span.count)
        count += unsafe span.count
      } else {
        for byte in shortName(unsafe frame.number(part.id)[row]).utf8 {
          unsafe text[count] = byte
          count += 1
        }
      }
    }
    return count
  }
}

/// Text in lower case, character by character (Unicode's simple mappings, and U+0130 as `i̇`): a
/// capital sigma always becomes σ.
struct Lowercase: Operation {
  var rawKind: ColumnKind { .text }

  func emit(_ step: StepNames, into builder: inout ProgramBuilder) throws(ModelError) {
    var made: [ValueID] = []
    for name in step.inputs {
      let source = try builder.text(name, step)
      let target = try builder.makeValues(1, isText: true)
      builder.append(LowercaseInstruction(source: source, target: target))
      made.append(target)
    }
    for (name, id) in zip(step.outputs, made) { builder.define(name, .text(id)) }
  }
}

private struct LowercaseInstruction: Instruction {
  private var source: ValueID
  private var target: ValueID

  init(source: ValueID, target: ValueID) {
    self.source = source
    self.target = target
  }

  var sources: [ValueID] { [source] }
  var targets: [ValueID] { [target] }

  mutating func place(_ places: [Int32]) {
    source = places[Int(source)]
    target = places[Int(target)]
  }

  func run(_ frame: Frame, scratch: inout ScoringScratch) {
    let (texts, output) = unsafe (frame.text(source), frame.textTarget(target))
    unsafe CharacterTables.shared.withTables { tables in
      for row in 0..<(unsafe frame.rowCount) {
        guard let start = unsafe texts[row].start else {
          unsafe output[row] = .missing
          continue
        }
        let count = unsafe texts[row].count
        let lower = unsafe scratch.reserve(UInt8.self, count: 2 * count)
        unsafe output[row] = TextSpan(
          start: lower, count: ns_text_lower(tables, start, count, lower))
      }
    }
  }
}
