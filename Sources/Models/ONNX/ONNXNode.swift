/// One operation of an ONNX graph.
package struct ONNXNode: Sendable {
  /// Its place among the nodes.
  package let index: Int
  package private(set) var name = ""
  /// What it does, such as `Gemm`.
  package private(set) var type = ""
  /// What set of operators that is from; empty for the standard one.
  package private(set) var domain = ""
  /// Names of values; empty where one is left out.
  package private(set) var inputs: [String] = []
  package private(set) var outputs: [String] = []
  package private(set) var attributes: [String: Attribute] = [:]
  /// Where it begins in the file.
  package let offset: Int

  package enum Attribute: Sendable {
    case float(Float)
    case integer(Int64)
    case text(String)
    case tensor(ONNXTensor)
    case floats([Float])
    case integers([Int64])
    case texts([String])
    /// A graph or whatever else is not looked into.
    case other
  }

  /// The most names and attributes that a node may have.
  static let partLimit = 1 << 16

  /// Which node it is, for people.
  package var place: String {
    "node \(index)\(name.isEmpty ? "" : " \(name.prefix(100))") (\(operatorName)), byte \(offset)"
  }

  /// The operator with its domain, unless that is the standard one.
  package var operatorName: String {
    domain.isEmpty ? String(type.prefix(100)) : "\(domain.prefix(100)).\(type.prefix(100))"
  }

  init(_ reader: ProtobufReader, index: Int, offset: Int) throws(ModelError) {
    self.index = index
    self.offset = offset
    var reader = reader
    while let field = try reader.next() {
      switch field.number {
      case 1: inputs.append(try reader.text(field))
      case 2: outputs.append(try reader.text(field))
      case 3: name = try reader.text(field)
      case 4: type = try reader.text(field)
      case 5:
        let place = "node \(index)\(name.isEmpty ? "" : " \(name.prefix(100))"), attribute"
        let (name, attribute) = try Self.attribute(try reader.message(field, place))
        guard attributes.updateValue(attribute, forKey: name) == nil else {
          throw reader.malformed("attribute \(name.prefix(100)) stands there twice")
        }
      case 7: domain = try reader.text(field)
      default: break
      }
      guard inputs.count + outputs.count + attributes.count <= Self.partLimit else {
        throw ModelError(
          code: .limitExceeded, context: "node \(index) has more than \(Self.partLimit) parts")
      }
    }
    if domain == "ai.onnx" { domain = "" }
  }

  private static func attribute(
    _ reader: ProtobufReader
  ) throws(ModelError) -> (String, Attribute) {
    var reader = reader
    var name = ""
    var type: Int64 = 0
    var single: Attribute?
    var floats: [Float] = []
    var integers: [Int64] = []
    var texts: [String] = []
    while let field = try reader.next() {
      switch field.number {
      case 1: name = try reader.text(field)
      case 2: single = .float(try reader.float(field))
      case 3: single = .integer(try reader.integer(field))
      case 4: single = .text(try reader.text(field))
      case 5:
        single = .tensor(
          try ONNXTensor.read(try reader.message(field, "\(reader.place) \(name)")).1)
      case 7: try reader.append(field, to: &floats)
      case 8: try reader.append(field, to: &integers)
      case 9: texts.append(try reader.text(field))
      case 20: type = try reader.integer(field)
      default: break
      }
    }
    switch type {
    // A writer leaves out what is zero or empty.
    case 1: return (name, single ?? .float(0))
    case 2: return (name, single ?? .integer(0))
    case 3: return (name, single ?? .text(""))
    case 6: return (name, .floats(floats))
    case 7: return (name, .integers(integers))
    case 8: return (name, .texts(texts))
    default:
      if let single { return (name, single) }
      if !floats.isEmpty { return (name, .floats(floats)) }
      if !integers.isEmpty { return (name, .integers(integers)) }
      return (name, texts.isEmpty ? .other : .texts(texts))
    }
  }
}
