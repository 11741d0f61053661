import Foundation

/// An error in an answer of Google's.
struct GoogleError: Decodable {
  private let error: Content

  /// Storage answers with an object, the token service with a word.
  private enum Content: Decodable {
    case word(String)
    case object(Object)

    init(from decoder: any Decoder) throws {
      // Either of the two.
      if let word = try? decoder.singleValueContainer().decode(String.self) {
        self = .word(word)
      } else {
        self = .object(try Object(from: decoder))
      }
    }
  }

  private struct Object: Decodable {
    let errors: [Reason]?
    let status: String?
  }

  private struct Reason: Decodable {
    let reason: String?
  }

  /// Google's word for what is wrong, such as `rateLimitExceeded` or `invalid_grant`.
  static func reason(in body: [UInt8]) -> String? {
    // What cannot be read has no reason.
    guard let answer = try? JSONDecoder().decode(GoogleError.self, from: Data(body)) else {
      return nil
    }
    let word: String? =
      switch answer.error {
      case .word(let word): word
      case .object(let object): object.errors?.first?.reason ?? object.status
      }
    guard let word, word.utf8.count <= 64, word.utf8.allSatisfy(\.isUnreserved) else { return nil }
    return word
  }
}
