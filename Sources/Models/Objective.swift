import Glibc

/// What a model was trained to minimise, as far as its predictions show it: the link from raw
/// scores to predictions.
///
/// Formulas and their order in double are those of `ConvertOutput` in LightGBM 4.6.0,
/// src/objective.
package struct Objective: Equatable, Sendable {
  /// The library's name for it; `custom` if the model names none.
  package let name: String
  package let link: Link

  package enum Link: Equatable, Sendable {
    case identity
    /// sign(s)·s²
    case signedSquare
    case exponential
    /// 1 / (1 + exp(−slope·s)), of each output alone.
    case sigmoid(slope: Double)
    case softmax
    /// log(1 + exp(s))
    case softplus
    /// Of two outputs 1 − p and p, where p = 1 / (1 + exp(−s)) of the second.
    case sigmoidPair
    /// The sigmoid of each output, divided by the sum of all, as scikit-learn's one-versus-rest.
    case sigmoidShares
    /// A function of floats, each step rounded to a float.
    case float32(FloatLink)
  }

  /// Links in the arithmetic of floats.
  ///
  /// Formulas and their order are those of `PredTransform` in XGBoost 3.2.0, src/objective.
  package enum FloatLink: Equatable, Sendable {
    case exponential
    /// 1 / (1 + exp(−s)), of each output alone.
    case sigmoid
    case softmax
    /// 1 above zero, else 0.
    case step
  }

  /// The objective of a model without a line for it: trained with a function of its user's own.
  package static let custom = Objective(name: "custom", link: .identity)

  package init(name: String, link: Link) {
    self.name = name
    self.link = link
  }

  /// Turns one row's raw scores into predictions, in place.
  package func transform(_ scores: UnsafeMutableBufferPointer<Double>) {
    switch link {
    case .identity: return
    case .signedSquare:
      for index in scores.indices {
        let score = unsafe scores[index]
        let sign = score > 0 ? 1.0 : score < 0 ? -1.0 : 0.0
        unsafe scores[index] = sign * score * score
      }
    case .exponential:
      for index in scores.indices { unsafe scores[index] = exp(scores[index]) }
    case .sigmoid(let slope):
      for index in scores.indices { unsafe scores[index] = 1 / (1 + exp(-slope * scores[index])) }
    case .softplus:
      for index in scores.indices { unsafe scores[index] = log1p(exp(scores[index])) }
    case .softmax:
      unsafe softmax(scores)
    case .sigmoidPair:
      let probability = unsafe 1 / (1 + exp(-scores[1]))
      unsafe (scores[0], scores[1]) = (1 - probability, probability)
    case .sigmoidShares:
      var sum = 0.0
      for index in scores.indices {
        unsafe scores[index] = 1 / (1 + exp(-scores[index]))
        unsafe sum += scores[index]
      }
      for index in scores.indices { unsafe scores[index] /= sum }
    case .float32(let link):
      unsafe link.transform(scores)
    }
  }

  private func softmax(_ scores: UnsafeMutableBufferPointer<Double>) {
    var largest = unsafe scores[0]
    for index in scores.indices.dropFirst() {
      if unsafe scores[index] > largest { unsafe largest = scores[index] }
    }
    var sum = 0.0
    for index in scores.indices {
      let weight = unsafe exp(scores[index] - largest)
      unsafe scores[index] = weight
      sum += weight
    }
    for index in scores.indices { unsafe scores[index] /= sum }
  }
}

extension Objective.FloatLink {
  /// Turns one row's raw scores, which are floats, into predictions, in place.
  fileprivate func transform(_ scores: UnsafeMutableBufferPointer<Double>) {
    switch self {
    case .exponential:
      for index in scores.indices { unsafe scores[index] = Double(expf(Float(scores[index]))) }
    case .sigmoid:
      for index in scores.indices { unsafe scores[index] = Double(sigmoid(Float(scores[index]))) }
    case .step:
      for index in scores.indices { unsafe scores[index] = scores[index] > 0 ? 1 : 0 }
    case .softmax:
      unsafe softmax(scores)
    }
  }

  /// `common::Sigmoid` of src/common/math.h.
  private func sigmoid(_ score: Float) -> Float {
    let power = 88.7 < -score ? 88.7 : -score
    return 1 / (expf(power) + 1 + 1e-16)
  }

  /// `common::Softmax` of src/common/math.h: weights are floats, their sum a double.
  private func softmax(_ scores: UnsafeMutableBufferPointer<Double>) {
    var largest = unsafe Float(scores[0])
    for index in scores.indices.dropFirst() {
      if unsafe Float(scores[index]) > largest { unsafe largest = Float(scores[index]) }
    }
    var sum = 0.0
    for index in scores.indices {
      let weight = unsafe expf(Float(scores[index]) - largest)
      unsafe scores[index] = Double(weight)
      sum += Double(weight)
    }
    for index in scores.indices {
      unsafe scores[index] = Double(Float(scores[index]) / Float(sum))
    }
  }
}
