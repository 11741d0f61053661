internal import Models

/// Arithmetic of shapes.
enum GraphShape {
  /// The shape of two values side by side: axes are matched from the last, those of length 1
  /// repeated.
  ///
  /// - Throws: `ModelError` if they do not match, or if an axis of rows would meet another axis.
  static func broadcast(
    _ one: [Int], _ other: [Int], _ node: ONNXNode
  ) throws(ModelError) -> [Int] {
    let count = max(one.count, other.count)
    var shape: [Int] = []
    for index in 0..<count {
      let first = index < count - one.count ? 1 : one[index - (count - one.count)]
      let second = index < count - other.count ? 1 : other[index - (count - other.count)]
      if first == second || second == 1 {
        shape.append(first)
      } else if first == 1 {
        shape.append(second)
      } else {
        throw node.error(
          .unsupported, "shapes \(text(one)) and \(text(other)) do not match row by row")
      }
    }
    guard shape.count(where: { $0 == RowValue.batch }) <= 1,
      shape.count <= 8, let width = checkedWidth(shape), width <= GraphCompiler.columnLimit
    else {
      throw node.error(.unsupported, "shapes \(text(one)) and \(text(other))")
    }
    return shape
  }

  /// The number of columns of a shape, nil if it is beyond all limits.
  ///
  /// Axes of length 0 count as 1 for the limit, so that no shape of nothing has huge axes.
  static func checkedWidth(_ shape: [Int]) -> Int? {
    var width = 1
    var size = 1
    for length in shape where length != RowValue.batch {
      let (product, isTooLarge) = size.multipliedReportingOverflow(by: max(1, length))
      guard length >= 0, !isTooLarge, product < ModelLimits.indexCount else { return nil }
      size = product
      width *= length
    }
    return width
  }

  /// For each column of a shape the column of a smaller shape that is repeated there.
  static func places(_ small: [Int], in shape: [Int]) -> [Int] {
    let lengths = shape.map { $0 == RowValue.batch ? 1 : $0 }
    var steps = Array(repeating: 0, count: shape.count)
    var step = 1
    for (index, length) in small.enumerated().reversed() where length != RowValue.batch {
      if length != 1 { steps[index + shape.count - small.count] = step }
      step *= length
    }
    return places(lengths, steps)
  }

  /// The places that a walk over axes of these lengths comes by, the last axis fastest.
  static func places(_ lengths: [Int], _ steps: [Int], start: Int = 0) -> [Int] {
    guard !lengths.contains(0) else { return [] }
    var places = [start]
    for (length, step) in zip(lengths, steps) {
      if length == 1 { continue }
      var next: [Int] = []
      next.reserveCapacity(places.count * length)
      for place in places {
        for index in 0..<length { next.append(place + index * step) }
      }
      places = next
    }
    return places
  }

  /// How far apart neighbours of each axis stand among the columns of a shape.
  static func steps(_ shape: [Int]) -> [Int] {
    var steps = Array(repeating: 0, count: shape.count)
    var step = 1
    for (index, length) in shape.enumerated().reversed() where length != RowValue.batch {
      steps[index] = step
      step *= length
    }
    return steps
  }

  /// A shape for people; N is the number of rows.
  static func text(_ shape: [Int]) -> String {
    "[\(shape.map { $0 == RowValue.batch ? "N" : "\($0)" }.joined(separator: ", "))]"
  }
}
