/// A model file with what has to be known to use it: one file, whose digest stands for all of it.
///
/// An archive of `model.*`, the model file as it came; `signature.json`; and, if columns are changed
/// before the model sees them, `preprocess.json`. A model file that is no archive is a bundle of
/// itself.
package struct Bundle: Sendable {
  /// What the model file is called.
  package let modelName: String
  package let model: [UInt8]
  /// What goes in and comes out; nil for a plain model file.
  package let signature: Signature?
  /// The plan of the steps before the model.
  package let preprocess: [UInt8]?

  private static let signatureName = "signature.json"
  private static let preprocessName = "preprocess.json"

  /// Puts a bundle together.
  ///
  /// - Parameters:
  ///   - model: the model file.
  ///   - fileName: what it is called; of that only the extension is kept.
  ///   - signature: what goes in and comes out.
  ///   - preprocess: a fitted plan.
  package init(
    model: [UInt8], fileName: String, signature: Signature, preprocess: [UInt8]? = nil
  ) {
    self.model = model
    self.signature = signature
    self.preprocess = preprocess
    let isPlain: (UInt8) -> Bool = { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
      default: false
      }
    }
    let suffix = fileName.split(separator: ".", omittingEmptySubsequences: false).dropFirst().last
    let isKept = suffix.map { !$0.isEmpty && $0.utf8.count <= 16 && $0.utf8.allSatisfy(isPlain) }
    modelName = isKept == true ? "model.\(suffix ?? "")" : "model.bin"
  }

  /// Reads a bundle, or a plain model file.
  ///
  /// - Throws: `ModelError` naming the byte, or the path in the signature.
  package init(_ bytes: [UInt8]) throws(ModelError) {
    let archive = Archive.isArchive(bytes) ? try Archive(bytes) : nil
    guard let archive, !FactorModel.isIn(archive) else {
      (modelName, model, signature, preprocess) = ("model", bytes, nil, nil)
      return
    }
    var model: Archive.Entry?
    var preprocess: [UInt8]?
    var signature: Signature?
    for entry in archive.entries {
      switch entry.name {
      case Self.signatureName: signature = try Signature(Array(bytes[entry.bytes]))
      case Self.preprocessName: preprocess = Array(bytes[entry.bytes])
      case let name where name.hasPrefix("model."):
        guard model == nil else {
          throw Self.error("\(model?.name ?? "") and \(name) are both there")
        }
        model = entry
      default:
        throw Self.error("\(entry.name) is none of the files of a bundle")
      }
    }
    guard let model else { throw Self.error("there is no file model.*") }
    guard let signature else { throw Self.error("there is no file \(Self.signatureName)") }
    modelName = model.name
    self.model = Array(bytes[model.bytes])
    self.signature = signature
    self.preprocess = preprocess
  }

  private static func error(_ message: String) -> ModelError {
    ModelError(code: .malformed, context: "bundle: \(message)")
  }

  /// The bundle as a file, the same bytes for the same parts; a plain model file stays as it is.
  package var bytes: [UInt8] {
    guard let signature else { return model }
    var files = [(modelName, model), (Self.signatureName, signature.bytes)]
    if let preprocess { files.append((Self.preprocessName, preprocess)) }
    return Archive.write(files)
  }
}
