internal import Models

/// What a graph knows of one of its values while it is compiled.
enum GraphValue {
  /// The same for all rows.
  case constant(ONNXTensor)
  /// Numbers or texts of each row.
  case rows(RowValue)
  /// The shape of a value of rows; nil where the number of rows stands.
  case shape([Int?])
  /// Numbers of each row under names.
  case named(RowValue, [String])
}

/// A tensor one of whose axes counts the rows, as a list of columns.
///
/// The columns are the elements of one row, the last axis fastest. What only moves elements about
/// (slices, concatenations, reshaping) makes another list of the same columns and costs nothing when
/// rows are scored.
struct RowValue {
  var type: GraphType
  /// How long each axis is.
  ///
  /// `batch` stands for the rows; without an axis of rows it is a constant.
  var shape: [Int]
  var columns: [GraphColumn]

  /// The length that stands for the number of rows.
  static let batch = -1

  init(type: GraphType, shape: [Int], columns: [GraphColumn]) {
    precondition(columns.count == Self.width(shape))
    self.type = type
    self.shape = shape
    self.columns = columns
  }

  /// Which axis counts the rows.
  var batchAxis: Int? { shape.firstIndex(of: Self.batch) }

  /// How many elements a row has.
  static func width(_ shape: [Int]) -> Int { shape.reduce(1) { $0 * ($1 == batch ? 1 : $1) } }
}

/// What the elements of a value are.
enum GraphType: Equatable {
  case float32
  case float64
  /// Whole numbers of some width, held as 64 bits.
  case integer(ONNXTensor.ElementType)
  case flag
  /// Text from the rows.
  case text
  /// One of these texts, by its place.
  case label([String])

  /// What its cells hold.
  var storage: CellStorage {
    switch self {
    case .float32: .float
    case .float64: .double
    case .integer, .flag, .label: .integer
    case .text: .text
    }
  }

  var isNumber: Bool {
    switch self {
    case .float32, .float64, .integer: true
    case .flag, .text, .label: false
    }
  }

  init(_ type: ONNXTensor.ElementType) {
    self =
      switch type {
      case .float32: .float32
      case .float64: .float64
      case .flag: .flag
      case .text: .text
      default: .integer(type)
      }
  }

  /// The type as the format calls it.
  var name: String {
    switch self {
    case .float32: "float"
    case .float64: "double"
    case .integer(let type): type.name
    case .flag: "bool"
    case .text, .label: "string"
    }
  }
}

/// One element of each row.
enum GraphColumn: Hashable {
  /// Computed by a step.
  case cell(Cell)
  /// The same number in every row, of a type with a fraction.
  case number(Double)
  /// The same whole number in every row.
  case integer(Int64)
  /// 1 in the rows whose code is this one, 0 in the others: a category of a one-hot encoding.
  case indicator(Cell, code: Int32)

  var cell: Cell? {
    if case .cell(let cell) = self { cell } else { nil }
  }

  var isConstant: Bool {
    switch self {
    case .number, .integer: true
    case .cell, .indicator: false
    }
  }
}

/// A place for one number or text of each row of a tile.
struct Cell: Hashable {
  let index: Int32

  init(_ index: Int) {
    self.index = Int32(index)
  }
}

/// What a cell holds for a row.
enum CellStorage: Equatable {
  case float
  case double
  case integer
  case text
  /// A place in a list of categories, or a negative number: see `LookupStep`.
  case code

  /// Its size in units of four bytes.
  var unitCount: Int {
    switch self {
    case .float, .code: 1
    case .double, .integer: 2
    case .text: 4
    }
  }
}
