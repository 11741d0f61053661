internal import Models

/// A program under construction: which columns there are by now, and how they are made.
struct ProgramBuilder {
  /// A column as steps see it.
  enum Column {
    case number(Chain)
    case text(ValueID)
  }

  /// Columns that one step made side by side, each with a name that follows from its place.
  struct Block {
    let prefix: String
    let first: ValueID
    let count: Int
    /// The place for what stands behind the prefix and `_`.
    let place: @Sendable (Substring) -> Int?
  }

  /// A column of the table.
  struct RawColumn {
    let name: String
    let kind: ModelInput.Kind
    let id: ValueID
  }

  private(set) var rawColumns: [RawColumn] = []
  private(set) var instructions: [any Instruction] = []
  private(set) var isText: [Bool] = []
  /// How many counters the instructions on n-grams have together.
  private(set) var cellCount = 0
  private var columns: [String: Column] = [:]
  private var blocks: [String: Block] = [:]
  private var computed: [Chain: ValueID] = [:]
  private let kinds: [String: ColumnKind]

  init(kinds: [String: ColumnKind]) {
    self.kinds = kinds
  }

  // MARK: What is there

  /// The column of a name as it is by now; `rawKind` says how it is read if it comes from the table
  /// and no kind is declared.
  mutating func column(_ name: String, rawKind: ColumnKind) throws(ModelError) -> Column {
    if let column = known(name) { return column }
    switch kinds[name] ?? rawKind {
    case .number: return .number(Chain(try raw(name, .numeric)))
    case .text: return .text(try raw(name, .text))
    }
  }

  /// A column that some step made; nil if none did.
  func known(_ name: String) -> Column? {
    if let column = columns[name] { return column }
    // The longest prefix goes first: `a_b_3` may be of `a_b` or of `a`.
    for end in name.indices.reversed() where name[end] == "_" {
      guard let block = blocks[String(name[..<end])] else { continue }
      let rest = name[name.index(after: end)...]
      guard let place = block.place(rest), place < block.count else { continue }
      return .number(Chain(block.first + ValueID(place)))
    }
    return nil
  }

  /// All columns of a name: one, or those of a block in their order.
  mutating func features(_ name: String) throws(ModelError) -> [Column] {
    if columns[name] == nil, let block = blocks[name] {
      return (0..<block.count).map { .number(Chain(block.first + ValueID($0))) }
    }
    return [try column(name, rawKind: .number)]
  }

  mutating func numbers(_ name: String, _ step: StepNames) throws(ModelError) -> Chain {
    guard case .number(let chain) = try column(name, rawKind: .number) else {
      throw step.error("the input \(name) is text, but has to be numbers")
    }
    return chain
  }

  mutating func text(_ name: String, _ step: StepNames) throws(ModelError) -> ValueID {
    guard case .text(let id) = try column(name, rawKind: .text) else {
      throw step.error("the input \(name) is numbers, but has to be text")
    }
    return id
  }

  /// A column of the table, the same one whenever it is asked for.
  mutating func raw(_ name: String, _ kind: ModelInput.Kind) throws(ModelError) -> ValueID {
    for column in rawColumns where column.name == name && column.kind.isLike(kind) {
      return column.id
    }
    let id = try makeValues(1, isText: kind.isText)
    rawColumns.append(RawColumn(name: name, kind: kind, id: id))
    return id
  }

  // MARK: What is made

  /// Makes room for columns that an instruction fills.
  mutating func makeValues(_ count: Int, isText: Bool = false) throws(ModelError) -> ValueID {
    let first = self.isText.count
    guard count <= 2 * PlanLimits.featureCount - first else {
      throw ModelError(
        code: .limitExceeded,
        context: "the steps make more than \(PlanLimits.featureCount) columns")
    }
    self.isText.append(contentsOf: repeatElement(isText, count: count))
    return ValueID(first)
  }

  mutating func append(_ instruction: some Instruction) { instructions.append(instruction) }

  /// Makes counters for n-grams and gives the place of the first.
  mutating func makeCells(_ count: Int) -> Int {
    defer { cellCount += count }
    return cellCount
  }

  mutating func define(_ name: String, _ column: Column) {
    blocks[name] = nil
    columns[name] = column
  }

  mutating func define(_ block: Block) {
    columns[block.prefix] = nil
    blocks[block.prefix] = block
  }

  /// The column with a chain's values, which is computed once.
  mutating func compute(_ chain: Chain) throws(ModelError) -> ValueID {
    if chain.steps.isEmpty { return chain.source }
    if let id = computed[chain] { return id }
    let id = try makeValues(1)
    instructions.append(ChainInstruction(chain, target: id))
    computed[chain] = id
    return id
  }

  /// Whether a chain has been computed for a step in between.
  func computedColumn(_ chain: Chain) -> Chain { computed[chain].map { Chain($0) } ?? chain }
}

extension ModelInput.Kind {
  var isText: Bool {
    if case .text = self { true } else { false }
  }

  /// Whether a column read as one may stand for the other: not with tables of categories, which
  /// may differ.
  fileprivate func isLike(_ other: ModelInput.Kind) -> Bool {
    switch (self, other) {
    case (.numeric, .numeric), (.text, .text), (.categorical(nil), .categorical(nil)): true
    default: false
    }
  }
}
