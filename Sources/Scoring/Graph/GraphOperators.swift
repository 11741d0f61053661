internal import Models

/// All operators that are known, by name.
enum GraphOperators {
  /// Adds the steps of a node and sets its outputs.
  typealias Compile = @Sendable (inout GraphCompiler, ONNXNode) throws(ModelError) -> Void

  /// The operator of a name such as `Gemm` or `ai.onnx.ml.Scaler`.
  static func named(_ name: String) -> Compile? { standard[name] ?? learning[name] }

  /// The names of all of them.
  static var names: [String] { (Array(standard.keys) + learning.keys).sorted() }

  private static func unary(_ operation: UnaryOperation) -> Compile {
    { (compiler, node) throws(ModelError) in try compiler.unary(node, operation) }
  }

  private static func binary(_ operation: BinaryOperation) -> Compile {
    { (compiler, node) throws(ModelError) in try compiler.binary(node, operation) }
  }

  private static func compare(_ comparison: Comparison) -> Compile {
    { (compiler, node) throws(ModelError) in try compiler.compare(node, comparison) }
  }

  private static func reduce(_ reduction: Reduction, from version: Int = 18) -> Compile {
    { (compiler, node) throws(ModelError) in
      try compiler.reduce(node, reduction, axesAreInputFrom: version)
    }
  }

  /// A function with a parameter.
  private static func shaped(
    _ name: String, _ standard: Float, _ operation: @escaping @Sendable (Double) -> UnaryOperation
  ) -> Compile {
    { (compiler, node) throws(ModelError) in
      try compiler.unary(node, operation(Double(try node.float(name, standard))))
    }
  }

  private static let standard: [String: Compile] = [
    "Abs": unary(.absolute),
    "Add": binary(.add),
    "And": compare(.and),
    "ArgMax": { (compiler, node) throws(ModelError) in
      try compiler.argument(node, isLargest: true)
    },
    "ArgMin": { (compiler, node) throws(ModelError) in
      try compiler.argument(node, isLargest: false)
    },
    "BatchNormalization": { (compiler, node) throws(ModelError) in
      try compiler.batchNormalization(node)
    },
    "Cast": { (compiler, node) throws(ModelError) in try compiler.cast(node) },
    "Ceil": unary(.ceiling),
    "Clip": { (compiler, node) throws(ModelError) in try compiler.clip(node) },
    "Concat": { (compiler, node) throws(ModelError) in try compiler.concatenate(node) },
    "Constant": { (compiler, node) throws(ModelError) in try compiler.constant(node) },
    "ConstantOfShape": { (compiler, node) throws(ModelError) in
      try compiler.constantOfShape(node)
    },
    "Cos": unary(.cosine),
    "Div": binary(.divide),
    "Dropout": { (compiler, node) throws(ModelError) in try compiler.dropout(node) },
    "Elu": shaped("alpha", 1) { .elu($0) },
    "Equal": compare(.equal),
    "Erf": unary(.errorFunction),
    "Exp": unary(.exponential),
    "Expand": { (compiler, node) throws(ModelError) in try compiler.expand(node) },
    "Flatten": { (compiler, node) throws(ModelError) in try compiler.flatten(node) },
    "Floor": unary(.floor),
    "Gather": { (compiler, node) throws(ModelError) in try compiler.gather(node) },
    "GatherElements": { (compiler, node) throws(ModelError) in
      try compiler.gatherElements(node)
    },
    "Gelu": { (compiler, node) throws(ModelError) in
      let isTanh = try node.text("approximate", "none") == "tanh"
      try compiler.unary(node, isTanh ? .geluTanh : .gelu)
    },
    "Gemm": { (compiler, node) throws(ModelError) in try compiler.generalProduct(node) },
    "Greater": compare(.greater),
    "GreaterOrEqual": compare(.greaterOrEqual),
    "HardSigmoid": { (compiler, node) throws(ModelError) in
      try compiler.unary(
        node,
        .hardSigmoid(
          alpha: Double(try node.float("alpha", 0.2)), beta: Double(try node.float("beta", 0.5))))
    },
    "Identity": { (compiler, node) throws(ModelError) in try compiler.identity(node) },
    "IsInf": { (compiler, node) throws(ModelError) in
      guard try node.integer("detect_negative", 1) != 0, try node.integer("detect_positive", 1) != 0
      else { throw node.error(.unsupported, "one sign of infinity") }
      try compiler.classify(node, .isInfinite)
    },
    "IsNaN": { (compiler, node) throws(ModelError) in try compiler.classify(node, .isNaN) },
    "LayerNormalization": { (compiler, node) throws(ModelError) in
      try compiler.layerNormalization(node)
    },
    "LeakyRelu": shaped("alpha", 0.01) { .leakyRelu($0) },
    "Less": compare(.less),
    "LessOrEqual": compare(.lessOrEqual),
    "Log": unary(.logarithm),
    "LogSoftmax": { (compiler, node) throws(ModelError) in
      try compiler.softmax(node, .logSoftmax)
    },
    "MatMul": { (compiler, node) throws(ModelError) in try compiler.multiplyMatrix(node) },
    "Max": binary(.greatest),
    "Min": binary(.least),
    "Mod": { (compiler, node) throws(ModelError) in
      let isRemainder = try node.integer("fmod", 0) != 0
      try compiler.binary(node, isRemainder ? .remainder : .floorRemainder)
    },
    "Mul": binary(.multiply),
    "Neg": unary(.negate),
    "Not": { (compiler, node) throws(ModelError) in try compiler.not(node) },
    "OneHot": { (compiler, node) throws(ModelError) in try compiler.oneHot(node) },
    "Or": compare(.or),
    "PRelu": binary(.parametricRelu),
    "Pow": binary(.power),
    "Reciprocal": unary(.reciprocal),
    "ReduceL1": reduce(.sumOfMagnitudes),
    "ReduceL2": reduce(.length),
    "ReduceLogSum": reduce(.logOfSum),
    "ReduceLogSumExp": reduce(.logOfSumOfExponentials),
    "ReduceMax": reduce(.greatest),
    "ReduceMean": reduce(.mean),
    "ReduceMin": reduce(.least),
    "ReduceProd": reduce(.product),
    "ReduceSum": reduce(.sum, from: 13),
    "ReduceSumSquare": reduce(.sumOfSquares),
    "Relu": unary(.relu),
    "Reshape": { (compiler, node) throws(ModelError) in try compiler.reshape(node) },
    "Round": unary(.round),
    "Selu": { (compiler, node) throws(ModelError) in
      try compiler.unary(
        node,
        .selu(
          alpha: Double(try node.float("alpha", 1.67326319217681884765625)),
          gamma: Double(try node.float("gamma", 1.05070102214813232421875))))
    },
    "Shape": { (compiler, node) throws(ModelError) in try compiler.shape(node) },
    "Sigmoid": unary(.sigmoid),
    "Sign": unary(.sign),
    "Sin": unary(.sine),
    "Slice": { (compiler, node) throws(ModelError) in try compiler.slice(node) },
    "Softmax": { (compiler, node) throws(ModelError) in try compiler.softmax(node, .softmax) },
    "Softplus": unary(.softplus),
    "Softsign": unary(.softsign),
    "Split": { (compiler, node) throws(ModelError) in try compiler.split(node) },
    "Sqrt": unary(.squareRoot),
    "Squeeze": { (compiler, node) throws(ModelError) in try compiler.squeeze(node) },
    "Sub": binary(.subtract),
    "Sum": binary(.add),
    "Tanh": unary(.tanh),
    "Tile": { (compiler, node) throws(ModelError) in try compiler.tile(node) },
    "TopK": { (compiler, node) throws(ModelError) in try compiler.top(node) },
    "Transpose": { (compiler, node) throws(ModelError) in try compiler.transpose(node) },
    "Unsqueeze": { (compiler, node) throws(ModelError) in try compiler.unsqueeze(node) },
    "Where": { (compiler, node) throws(ModelError) in try compiler.choose(node) },
    "Xor": compare(.exclusiveOr),
  ]

  private static let learning: [String: Compile] = [
    "ai.onnx.ml.ArrayFeatureExtractor": { (compiler, node) throws(ModelError) in
      try compiler.extract(node)
    },
    "ai.onnx.ml.Binarizer": { (compiler, node) throws(ModelError) in
      try compiler.binarize(node)
    },
    "ai.onnx.ml.CategoryMapper": { (compiler, node) throws(ModelError) in
      try compiler.mapCategories(node)
    },
    "ai.onnx.ml.FeatureVectorizer": { (compiler, node) throws(ModelError) in
      try compiler.vectorize(node)
    },
    "ai.onnx.ml.Imputer": { (compiler, node) throws(ModelError) in try compiler.impute(node) },
    "ai.onnx.ml.LabelEncoder": { (compiler, node) throws(ModelError) in
      try compiler.encodeLabels(node)
    },
    "ai.onnx.ml.LinearClassifier": { (compiler, node) throws(ModelError) in
      try compiler.linearClassifier(node)
    },
    "ai.onnx.ml.LinearRegressor": { (compiler, node) throws(ModelError) in
      try compiler.linearRegressor(node)
    },
    "ai.onnx.ml.Normalizer": { (compiler, node) throws(ModelError) in
      try compiler.normalize(node)
    },
    "ai.onnx.ml.OneHotEncoder": { (compiler, node) throws(ModelError) in
      try compiler.oneHotEncode(node)
    },
    "ai.onnx.ml.SVMClassifier": { (compiler, node) throws(ModelError) in
      try compiler.supportVectorClassifier(node)
    },
    "ai.onnx.ml.SVMRegressor": { (compiler, node) throws(ModelError) in
      try compiler.supportVectorRegressor(node)
    },
    "ai.onnx.ml.Scaler": { (compiler, node) throws(ModelError) in try compiler.scale(node) },
    "ai.onnx.ml.TreeEnsemble": { (compiler, node) throws(ModelError) in
      try compiler.treeEnsemble(node)
    },
    "ai.onnx.ml.TreeEnsembleClassifier": { (compiler, node) throws(ModelError) in
      try compiler.treeClassifier(node)
    },
    "ai.onnx.ml.TreeEnsembleRegressor": { (compiler, node) throws(ModelError) in
      try compiler.treeRegressor(node)
    },
    "ai.onnx.ml.ZipMap": { (compiler, node) throws(ModelError) in try compiler.zipMap(node) },
  ]
}
