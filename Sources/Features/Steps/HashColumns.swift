internal import CKernels
internal import Models
internal import Scoring

/// Feature hashing of all inputs together into `buckets` columns, named `<output>_0` and so on.
///
/// Equal to scikit-learn's `FeatureHasher(input_type="dict")`: a text counts 1 under
/// `<input>=<text>`, a number its value under `<input>`; the column is |h| mod `buckets`, h being
/// MurmurHash3_x86_32 with seed 0 as a signed number, and unless `signed` is false the value is
/// negated where h is negative. What is missing counts nothing. With `as` `index` there is one
/// column instead for one input of text, which holds the place of the bucket; NaN if missing.
struct HashColumns: Operation {
  private let bucketCount: Int
  private let isSigned: Bool
  private let form: Form

  enum Form: String, CaseIterable {
    case columns, index
  }

  init(_ fields: inout StepFields) throws(ModelError) {
    let buckets = try fields.required("buckets")
    bucketCount = try buckets.integer(in: 1...PlanLimits.featureCount)
    isSigned = try fields.flag("signed", default: true)
    form = try fields.word("as", default: .columns)
  }

  var rawKind: ColumnKind { .text }

  func emit(_ step: StepNames, into builder: inout ProgramBuilder) throws(ModelError) {
    var sources: [HashInstruction.Source] = []
    for name in step.inputs {
      switch try builder.column(name, rawKind: .text) {
      case .text(let id): sources.append(.init(id: id, key: Array("\(name)=".utf8), isText: true))
      case .number(let chain):
        let key = Array(name.utf8)
        sources.append(.init(id: try builder.compute(chain), key: key, isText: false))
      }
    }
    if form == .index, sources.count != 1 || !sources[0].isText {
      throw step.error("an index is made of one input of text")
    }
    let width = form == .columns ? bucketCount : 1
    let first = try builder.makeValues(width)
    builder.append(
      HashInstruction(
        inputs: sources, columns: (0..<width).map { first + ValueID($0) },
        bucketCount: UInt32(bucketCount), isSigned: isSigned, isIndex: form == .index))
    if form == .index {
      builder.define(step.outputs[0], .number(Chain(first)))
    } else {
      builder.define(
        ProgramBuilder.Block(prefix: step.outputs[0], first: first, count: width) { Int($0) })
    }
  }
}

private struct HashInstruction: Instruction {
  struct Source {
    var id: ValueID
    let key: [UInt8]
    let isText: Bool
  }

  private var inputs: [Source]
  private var columns: [ValueID]
  private let bucketCount: UInt32
  private let isSigned: Bool
  private let isIndex: Bool

  init(
    inputs: [Source], columns: [ValueID], bucketCount: UInt32, isSigned: Bool, isIndex: Bool
  ) {
    self.inputs = inputs
    self.columns = columns
    self.bucketCount = bucketCount
    self.isSigned = isSigned
    self.isIndex = isIndex
  }

  var sources: [ValueID] { inputs.map(\.id) }
  var targets: [ValueID] { columns }

  mutating func place(_ places: [Int32]) {
    for index in inputs.indices { inputs[index].id = places[Int(inputs[index].id)] }
    columns.place(places)
  }

  func run(_ frame: Frame, scratch: inout ScoringScratch) {
    unsafe frame.clear(columns)
    for input in inputs {
      if input.isText {
        unsafe addTexts(input, frame, scratch: &scratch)
      } else {
        unsafe addNumbers(input, frame)
      }
    }
  }

  private func addTexts(_ input: Source, _ frame: Frame, scratch: inout ScoringScratch) {
    let texts = unsafe frame.text(input.id)
    let keyCount = isIndex ? 0 : input.key.count
    for row in 0..<(unsafe frame.rowCount) {
      let text = unsafe texts[row]
      guard let start = unsafe text.start else {
        if isIndex, columns[0] >= 0 { unsafe frame.target(columns[0])[row] = .nan }
        continue
      }
      let mark = scratch.mark
      let token = unsafe scratch.reserve(UInt8.self, count: keyCount + text.count)
      for index in 0..<keyCount { unsafe token[index] = input.key[index] }
      unsafe (token + keyCount).update(from: start, count: text.count)
      let hash = unsafe ns_murmur3(token, keyCount + text.count, 0)
      scratch.release(to: mark)
      if isIndex {
        if columns[0] >= 0 { unsafe frame.target(columns[0])[row] = Double(bucket(hash)) }
      } else {
        unsafe add(1, hash, frame, row)
      }
    }
  }

  private func addNumbers(_ input: Source, _ frame: Frame) {
    let values = unsafe frame.number(input.id)
    let hash = unsafe input.key.withUnsafeBufferPointer { key in
      unsafe withStart(of: key) { unsafe ns_murmur3($0, key.count, 0) }
    }
    for row in 0..<(unsafe frame.rowCount) where unsafe !values[row].isNaN {
      unsafe add(values[row], hash, frame, row)
    }
  }

  private func bucket(_ hash: UInt32) -> UInt32 {
    Int32(bitPattern: hash).magnitude % bucketCount
  }

  private func add(_ value: Double, _ hash: UInt32, _ frame: Frame, _ row: Int) {
    let column = columns[Int(bucket(hash))]
    guard column >= 0 else { return }
    let isNegated = isSigned && Int32(bitPattern: hash) < 0
    unsafe frame.target(column)[row] += isNegated ? -value : value
  }
}
