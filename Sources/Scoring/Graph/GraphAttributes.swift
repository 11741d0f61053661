internal import Models

extension ONNXNode {
  /// An error at this node.
  func error(_ code: ModelError.Code, _ problem: String) -> ModelError {
    ModelError(code: code, context: "\(place): \(problem)")
  }

  /// A whole number, or what it is where it is left out.
  func integer(_ name: String, _ standard: Int) throws(ModelError) -> Int {
    switch attributes[name] {
    case nil: return standard
    case .integer(let value)?: return Int(value)
    default: throw error(.malformed, "attribute \(name) is not a whole number")
    }
  }

  func float(_ name: String, _ standard: Float) throws(ModelError) -> Float {
    switch attributes[name] {
    case nil: return standard
    case .float(let value)?: return value
    default: throw error(.malformed, "attribute \(name) is not a float")
    }
  }

  func text(_ name: String, _ standard: String) throws(ModelError) -> String {
    switch attributes[name] {
    case nil: return standard
    case .text(let value)?: return value
    default: throw error(.malformed, "attribute \(name) is not a text")
    }
  }

  func optionalIntegers(_ name: String) throws(ModelError) -> [Int]? {
    switch attributes[name] {
    case nil: return nil
    case .integers(let values)?: return values.map { Int($0) }
    case .tensor(let tensor)?:
      guard let values = tensor.integers else {
        throw error(.malformed, "attribute \(name) does not hold whole numbers")
      }
      return values.map { Int($0) }
    default: throw error(.malformed, "attribute \(name) is not a list of whole numbers")
    }
  }

  func integers(_ name: String) throws(ModelError) -> [Int] {
    try optionalIntegers(name) ?? []
  }

  /// Numbers: floats, or a tensor of floats or doubles.
  func optionalNumbers(_ name: String) throws(ModelError) -> [Double]? {
    switch attributes[name] {
    case nil: return nil
    case .floats(let values)?: return values.map(Double.init)
    case .tensor(let tensor)?:
      guard let values = tensor.numbers else {
        throw error(.malformed, "attribute \(name) does not hold numbers")
      }
      return values
    default: throw error(.malformed, "attribute \(name) is not a list of numbers")
    }
  }

  func numbers(_ name: String) throws(ModelError) -> [Double] {
    try optionalNumbers(name) ?? []
  }

  /// Numbers of a list, or of a tensor that takes its place.
  func numbers(_ name: String, orTensor tensor: String) throws(ModelError) -> [Double] {
    try numbers(attributes[tensor] == nil ? name : tensor)
  }

  func floats(_ name: String) throws(ModelError) -> [Float] {
    switch attributes[name] {
    case nil: return []
    case .floats(let values)?: return values
    default: throw error(.malformed, "attribute \(name) is not a list of floats")
    }
  }

  func texts(_ name: String) throws(ModelError) -> [String] {
    switch attributes[name] {
    case nil: return []
    case .texts(let values)?: return values
    case .tensor(let tensor)?:
      guard let values = tensor.texts else {
        throw error(.malformed, "attribute \(name) does not hold texts")
      }
      return values
    default: throw error(.malformed, "attribute \(name) is not a list of texts")
    }
  }

  func tensor(_ name: String) throws(ModelError) -> ONNXTensor? {
    switch attributes[name] {
    case nil: return nil
    case .tensor(let tensor)?: return tensor
    default: throw error(.malformed, "attribute \(name) is not a tensor")
    }
  }

  /// An axis of a value of this many axes; below zero it counts from the last.
  func axis(_ axis: Int, rank: Int) throws(ModelError) -> Int {
    guard axis >= -rank, axis < rank else {
      throw error(.malformed, "axis \(axis) of a value of \(rank) axes")
    }
    return axis < 0 ? axis + rank : axis
  }
}
