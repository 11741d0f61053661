internal import CKernels
internal import Glibc

/// The instructions that kernels may use; results are the same with each, bit for bit.
package enum InstructionSet: String, CaseIterable, Comparable, Sendable {
  case portable, avx2, avx512

  /// The best that this CPU has; the environment can ask for less, to compare them.
  package static let best = min(onThisCPU, wanted)

  /// Those that this CPU has, the best last.
  package static var available: [InstructionSet] { allCases.filter { $0 <= onThisCPU } }

  /// Names one of them, for whoever compares.
  package static let environmentVariable = "NIGHTSHIFT_INSTRUCTIONS"

  private static let onThisCPU = InstructionSet(ns_isa_best())

  private static var wanted: InstructionSet {
    guard let name = unsafe getenv(environmentVariable) else { return .avx512 }
    return unsafe InstructionSet(rawValue: String(cString: name)) ?? .avx512
  }

  private init(_ raw: ns_isa) {
    self =
      switch raw {
      case ns_isa_avx512: .avx512
      case ns_isa_avx2: .avx2
      default: .portable
      }
  }

  /// What the kernels call it.
  var raw: ns_isa {
    switch self {
    case .portable: ns_isa_portable
    case .avx2: ns_isa_avx2
    case .avx512: ns_isa_avx512
    }
  }

  private var rank: UInt32 { raw.rawValue }

  package static func < (one: InstructionSet, other: InstructionSet) -> Bool {
    one.rank < other.rank
  }
}
