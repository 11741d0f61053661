/// An ONNX file as it stands: nodes, constants, inputs and outputs, none of them understood yet.
package struct ONNXModel: Sendable {
  /// What wrote it, such as `skl2onnx`.
  package private(set) var producer = ""
  /// The version of each set of operators; the standard one has an empty name.
  package private(set) var versions: [String: Int] = [:]
  /// In an order in which each node stands after what it reads.
  package private(set) var nodes: [ONNXNode] = []
  package private(set) var constants: [String: ONNXTensor] = [:]
  /// What has to be given: the inputs without those that are constants.
  package private(set) var inputs: [Port] = []
  package private(set) var outputs: [Port] = []

  /// An input or output of the graph.
  package struct Port: Sendable {
    package let name: String
    package let kind: Kind
  }

  package enum Kind: Sendable {
    /// The type of its elements, and its axes: nil where the length is not fixed; nil for all of
    /// them if nothing is said.
    case tensor(ONNXTensor.ElementType, [Int?]?)
    case other(String)
  }

  /// More nodes, constants or ports than this are refused.
  package static let nodeLimit = 1 << 17

  /// Reads the bytes of a file.
  ///
  /// - Throws: `ModelError` naming the place and the byte.
  package init(_ bytes: [UInt8]) throws(ModelError) {
    guard bytes.count <= ModelLimits.byteCount else {
      throw ModelError(
        code: .limitExceeded, context: "ONNX: more than \(ModelLimits.byteCount) bytes")
    }
    var reader = ProtobufReader(bytes, range: 0..<bytes.count, place: "ONNX model")
    var graph: ProtobufReader?
    while let field = try reader.next() {
      switch field.number {
      case 2: producer = try reader.text(field)
      case 7:
        guard graph == nil else { throw reader.malformed("a second graph") }
        graph = try reader.message(field, "ONNX graph")
      case 8: try takeVersion(try reader.message(field, "ONNX opset_import"))
      case 25:
        throw ModelError(code: .unsupported, context: "the model defines operators of its own")
      default: break
      }
    }
    guard let graph else { throw ModelError(code: .notAModel, context: "ONNX: no graph") }
    try readGraph(graph)
    inputs.removeAll { constants[$0.name] != nil }
  }

  /// Whether the bytes may be an ONNX file: a message that begins with the version of the format.
  package static func isLikely(_ bytes: [UInt8]) -> Bool {
    bytes.count > 2 && bytes[0] == 0x08 && bytes[1] > 0 && bytes[1] < 0x40
  }

  private mutating func takeVersion(_ reader: ProtobufReader) throws(ModelError) {
    var reader = reader
    var domain = ""
    var version: Int64 = 0
    while let field = try reader.next() {
      switch field.number {
      case 1: domain = try reader.text(field)
      case 2: version = try reader.integer(field)
      default: break
      }
    }
    guard version > 0, version < 1 << 20 else {
      throw reader.malformed("version \(version) of the operators of \(domain.prefix(100))")
    }
    if domain == "ai.onnx" { domain = "" }
    let known = versions.updateValue(Int(version), forKey: domain)
    guard known == nil || known == Int(version) else {
      throw reader.malformed("two versions of the operators of \(domain.prefix(100))")
    }
  }

  private mutating func readGraph(_ reader: ProtobufReader) throws(ModelError) {
    var reader = reader
    while let field = try reader.next() {
      switch field.number {
      case 1:
        let place = "node \(nodes.count)"
        nodes.append(
          try ONNXNode(
            try reader.message(field, place), index: nodes.count, offset: field.offset))
      case 5:
        let (name, tensor) = try ONNXTensor.read(try reader.message(field, "constant"))
        guard constants.updateValue(tensor, forKey: name) == nil else {
          throw reader.malformed("two constants are called \(name.prefix(100))")
        }
      case 11: inputs.append(try Self.port(try reader.message(field, "graph input")))
      case 12: outputs.append(try Self.port(try reader.message(field, "graph output")))
      case 15:
        throw ModelError(code: .unsupported, context: "the graph has sparse constants")
      default: break
      }
      let count = max(nodes.count, constants.count, inputs.count, outputs.count)
      guard count <= Self.nodeLimit else {
        throw ModelError(
          code: .limitExceeded, context: "more than \(Self.nodeLimit) nodes, constants or inputs")
      }
    }
  }

  // MARK: Types of inputs and outputs

  private static func port(_ reader: ProtobufReader) throws(ModelError) -> Port {
    var reader = reader
    var name = ""
    var kind = Kind.other("of no known type")
    while let field = try reader.next() {
      switch field.number {
      case 1: name = try reader.text(field)
      case 2: kind = try Self.kind(try reader.message(field, "type of \(name.prefix(100))"))
      default: break
      }
    }
    return Port(name: name, kind: kind)
  }

  private static func kind(_ reader: ProtobufReader) throws(ModelError) -> Kind {
    var reader = reader
    var kind = Kind.other("of no known type")
    while let field = try reader.next() {
      switch field.number {
      case 1: kind = try tensor(try reader.message(field, reader.place))
      case 4: kind = .other("a sequence")
      case 5: kind = .other("a map")
      case 8: kind = .other("a sparse tensor")
      case 9: kind = .other("optional")
      default: break
      }
    }
    return kind
  }

  private static func tensor(_ reader: ProtobufReader) throws(ModelError) -> Kind {
    var reader = reader
    var typeNumber: Int64 = 0
    var shape: [Int?]?
    while let field = try reader.next() {
      switch field.number {
      case 1: typeNumber = try reader.integer(field)
      case 2:
        var axes: [Int?] = []
        var dimensions = try reader.message(field, reader.place)
        while let field = try dimensions.next() {
          guard field.number == 1 else { continue }
          guard axes.count < ONNXTensor.axisLimit else {
            throw dimensions.malformed("too many axes")
          }
          axes.append(try length(try dimensions.message(field, reader.place)))
        }
        shape = axes
      default: break
      }
    }
    guard let type = ONNXTensor.ElementType(rawValue: Int(typeNumber)) else {
      return .other("a tensor of element type \(typeNumber)")
    }
    return .tensor(type, shape)
  }

  private static func length(_ reader: ProtobufReader) throws(ModelError) -> Int? {
    var reader = reader
    var length: Int?
    while let field = try reader.next() {
      guard field.number == 1 else { continue }
      let value = try reader.integer(field)
      // Some writers say 0 or -1 for a length that is not fixed.
      length = value > 0 ? Int(value) : nil
    }
    return length
  }
}
