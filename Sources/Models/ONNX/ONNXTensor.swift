/// An array of constants in an ONNX file.
package struct ONNXTensor: Sendable {
  package let type: ElementType
  /// How long each axis is; none for a single value.
  package let shape: [Int]
  package let values: Values

  /// What its elements are.
  package enum ElementType: Int, Sendable {
    case float32 = 1
    case uint8 = 2
    case int8 = 3
    case uint16 = 4
    case int16 = 5
    case int32 = 6
    case int64 = 7
    case text = 8
    case flag = 9
    case float64 = 11
    case uint32 = 12
    case uint64 = 13

    /// As the format calls it.
    package var name: String {
      switch self {
      case .text: "string"
      case .flag: "bool"
      case .float32: "float"
      case .float64: "double"
      default: "\(self)"
      }
    }
  }

  /// The elements, the last axis fastest.
  package enum Values: Sendable {
    case floats([Float])
    case doubles([Double])
    /// Whole numbers of any size, and truth values.
    case integers([Int64])
    case texts([String])

    package var count: Int {
      switch self {
      case .floats(let values): values.count
      case .doubles(let values): values.count
      case .integers(let values): values.count
      case .texts(let values): values.count
      }
    }
  }

  package init(type: ElementType, shape: [Int], values: Values) {
    precondition(values.count == shape.reduce(1, *))
    self.type = type
    self.shape = shape
    self.values = values
  }

  package var count: Int { values.count }

  /// Its elements as doubles, nil if it holds text.
  package var numbers: [Double]? {
    switch values {
    case .floats(let values): values.map(Double.init)
    case .doubles(let values): values
    case .integers(let values): values.map(Double.init)
    case .texts: nil
    }
  }

  /// Its elements as floats, nil if it holds text.
  package var floats: [Float]? {
    switch values {
    case .floats(let values): values
    case .doubles(let values): values.map { Float($0) }
    case .integers(let values): values.map { Float($0) }
    case .texts: nil
    }
  }

  /// Its elements as whole numbers, nil if they are not.
  package var integers: [Int64]? {
    if case .integers(let values) = values { values } else { nil }
  }

  package var texts: [String]? {
    if case .texts(let values) = values { values } else { nil }
  }
}

extension ONNXTensor {
  /// The most axes that a tensor may have.
  static let axisLimit = 8

  /// Reads a TensorProto.
  ///
  /// - Returns: Its name and itself.
  static func read(_ reader: ProtobufReader) throws(ModelError) -> (String, ONNXTensor) {
    var parts = TensorParts(place: reader.place)
    var reader = reader
    while let field = try reader.next() { try parts.take(field, reader) }
    return (parts.name, try parts.tensor(reader))
  }
}

/// The fields of a TensorProto before they are put together.
private struct TensorParts {
  let place: String
  var name = ""
  var typeNumber: Int64 = 0
  var shape: [Int64] = []
  var floats: [Float] = []
  var doubles: [Double] = []
  var integers: [Int64] = []
  var texts: [String] = []
  var raw: Range<Int>?

  init(place: String) {
    self.place = place
  }

  mutating func take(
    _ field: ProtobufReader.Field, _ reader: ProtobufReader
  ) throws(ModelError) {
    switch field.number {
    case 1: try reader.append(field, to: &shape)
    case 2: typeNumber = try reader.integer(field)
    case 3: throw problem(.unsupported, "the tensor is one segment of several")
    case 4: try reader.append(field, to: &floats)
    case 5, 7, 11: try reader.append(field, to: &integers)
    case 6: texts.append(try reader.text(field))
    case 8: name = try reader.text(field)
    case 9: raw = try reader.range(field)
    case 10: try reader.append(field, to: &doubles)
    case 13:
      throw problem(.unsupported, "its values are in another file (external data)")
    case 14:
      guard try reader.integer(field) == 0 else {
        throw problem(.unsupported, "its values are in another file (external data)")
      }
    default: break
    }
  }

  func tensor(_ reader: ProtobufReader) throws(ModelError) -> ONNXTensor {
    guard let type = ONNXTensor.ElementType(rawValue: Int(typeNumber)) else {
      throw problem(.unsupported, "its element type is number \(typeNumber)")
    }
    guard shape.count <= ONNXTensor.axisLimit else {
      throw problem(.unsupported, "it has \(shape.count) axes")
    }
    var count = 1
    var size = 1
    for length in shape {
      // Axes of length 0 count as 1 for the limit, so that nothing has no huge axes.
      let (product, isTooLarge) = size.multipliedReportingOverflow(by: max(1, Int(length)))
      guard length >= 0, !isTooLarge, product < ModelLimits.indexCount else {
        throw problem(.malformed, "its shape is \(shape)")
      }
      size = product
      count *= Int(length)
    }
    guard count > 0 || size <= 1 << 16 else { throw problem(.malformed, "its shape is \(shape)") }
    let values = try values(type, reader)
    guard values.count == count else {
      throw problem(.malformed, "it has \(values.count) elements, its shape is \(shape)")
    }
    return ONNXTensor(type: type, shape: shape.map { Int($0) }, values: values)
  }

  private func values(
    _ type: ONNXTensor.ElementType, _ reader: ProtobufReader
  ) throws(ModelError) -> ONNXTensor.Values {
    if let raw { return try values(type, raw: raw, reader) }
    switch type {
    case .float32: return .floats(floats)
    case .float64: return .doubles(doubles)
    case .text: return .texts(texts)
    default: return .integers(integers)
    }
  }

  private func values(
    _ type: ONNXTensor.ElementType, raw: Range<Int>, _ reader: ProtobufReader
  ) throws(ModelError) -> ONNXTensor.Values {
    func words<Word: FixedWidthInteger & BitwiseCopyable>(
      _ word: Word.Type
    ) throws(ModelError) -> [Word] {
      guard raw.count % MemoryLayout<Word>.size == 0 else {
        throw problem(.malformed, "it has \(raw.count) raw bytes of \(type.name)")
      }
      return reader.littleEndian(word, raw)
    }
    switch type {
    case .float32: return .floats(try words(UInt32.self).map { Float(bitPattern: $0) })
    case .float64: return .doubles(try words(UInt64.self).map { Double(bitPattern: $0) })
    case .int64, .uint64: return .integers(try words(Int64.self))
    case .int32: return .integers(try words(Int32.self).map { Int64($0) })
    case .uint32: return .integers(try words(UInt32.self).map { Int64($0) })
    case .int16: return .integers(try words(Int16.self).map { Int64($0) })
    case .uint16: return .integers(try words(UInt16.self).map { Int64($0) })
    case .int8: return .integers(try words(Int8.self).map { Int64($0) })
    case .uint8: return .integers(try words(UInt8.self).map { Int64($0) })
    case .flag: return .integers(try words(UInt8.self).map { $0 == 0 ? 0 : 1 })
    case .text: throw problem(.malformed, "its strings are raw bytes")
    }
  }

  private func problem(_ code: ModelError.Code, _ text: String) -> ModelError {
    ModelError(
      code: code, context: "\(place)\(name.isEmpty ? "" : " \(name.prefix(100))"): \(text)")
  }
}
