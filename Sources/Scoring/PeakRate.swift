internal import CKernels

/// The rate at which a core multiplies and adds floats, which no dense kernel can exceed.
package enum PeakRate {
  /// Floating point operations of `rounds` rounds; a fused multiply-add is two.
  package static func operationCount(
    rounds: UInt64, instructions: InstructionSet = .best
  ) -> Double {
    Double(ns_peak_operation_count(instructions.raw)) * Double(rounds)
  }

  /// Runs them in registers alone.
  ///
  /// - Returns: A number that depends on all of them.
  package static func run(rounds: UInt64, instructions: InstructionSet = .best) -> Float {
    ns_peak_run(instructions.raw, rounds)
  }
}
