import CKernels

/// Which instructions the kernels that read text may use; all give the same results.
package enum TextInstructions: Hashable, Sendable, CaseIterable {
  /// What every CPU of the kind has.
  case portable
  /// AVX2, FMA and BMI2.
  case avx2
  /// AVX-512 F, BW, DQ, VL, VBMI and VBMI2.
  case avx512

  /// The best that this CPU has.
  package static let best = available.last ?? .portable
  /// Those that this CPU has, the best last.
  package static let available = allCases.filter { $0.kernel.rawValue <= ns_isa_best().rawValue }

  /// The kernels' name for it.
  var kernel: ns_isa {
    switch self {
    case .portable: ns_isa_portable
    case .avx2: ns_isa_avx2
    case .avx512: ns_isa_avx512
    }
  }
}
