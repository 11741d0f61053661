internal import CKernels
internal import Models

/// The stage of scoring that finds each tree's leaf for a block of rows, as a code.
///
/// See `ns_forest_nodes.h`, and `ns_oblivious.h` for trees whose levels ask one question each.
@safe final class ForestCodes: Sendable {
  /// Bytes of scratch that a block needs.
  let scratchByteCount: Int
  private let form: Form
  private let instructions: InstructionSet
  // Made once, freed in deinit, and only read by the kernels in between.
  nonisolated(unsafe) private let compiled: OpaquePointer

  private enum Form { case trees, oblivious }

  /// Compiles the nodes of trees; `ends` says where those of each tree end.
  ///
  /// - Throws: `ModelError` if there is no memory.
  init(
    nodes: [ns_forest_node], ends: [UInt32], columnCount: Int, setCount: Int,
    instructions: InstructionSet
  ) throws(ModelError) {
    guard
      let compiled = unsafe ns_forest_nodes_create(
        nodes, ends, UInt32(ends.count), UInt32(columnCount), UInt32(setCount))
    else { throw Self.noMemory }
    unsafe self.compiled = compiled
    self.instructions = instructions
    form = .trees
    scratchByteCount = unsafe ns_forest_nodes_scratch_size(compiled)
  }

  /// Compiles the levels of oblivious trees, at most 8 each; `ends` says where those of each tree
  /// end.
  ///
  /// - Throws: `ModelError` if there is no memory.
  init(
    levels: [ns_oblivious_level], ends: [UInt32], columnCount: Int, setCount: Int,
    instructions: InstructionSet
  ) throws(ModelError) {
    guard
      let compiled = unsafe ns_oblivious_create(
        levels, ends, UInt32(ends.count), UInt32(columnCount), UInt32(setCount))
    else { throw Self.noMemory }
    unsafe self.compiled = compiled
    self.instructions = instructions
    form = .oblivious
    scratchByteCount = unsafe ns_oblivious_scratch_size(compiled)
    precondition(unsafe ns_oblivious_code_size(compiled) == 1)
  }

  deinit {
    switch form {
    case .trees: unsafe ns_forest_nodes_destroy(compiled)
    case .oblivious: unsafe ns_oblivious_destroy(compiled)
    }
  }

  private static let noMemory = ModelError(
    code: .limitExceeded, context: "no memory for the model's trees")

  /// How many codes a tree of nodes has.
  func codeCount(tree: Int) -> UInt32 {
    unsafe ns_forest_nodes_code_count(compiled, UInt32(tree))
  }

  /// The code of a leaf of a tree of nodes.
  func code(tree: Int, leaf: Int) -> Int {
    unsafe Int(ns_forest_nodes_code(compiled, UInt32(tree), UInt32(leaf)))
  }

  /// Where in a block's scratch the set columns go.
  func sets(in scratch: UnsafeMutableRawPointer) -> UnsafeMutablePointer<UInt8> {
    switch form {
    case .trees: unsafe ns_forest_nodes_sets(compiled, scratch)
    case .oblivious: unsafe ns_oblivious_sets(compiled, scratch)
    }
  }

  /// Begins a block, whose set columns are in the scratch.
  func prepare(ranks: UnsafePointer<UInt8>, scratch: UnsafeMutableRawPointer) {
    switch form {
    case .trees: unsafe ns_forest_nodes_prepare(compiled, instructions.raw, ranks, scratch)
    case .oblivious: unsafe ns_oblivious_prepare(compiled, instructions.raw, ranks, scratch)
    }
  }

  /// Finds the codes of one tree for the block that was prepared.
  func find(
    tree: Int, codes: UnsafeMutablePointer<UInt8>, scratch: UnsafeMutableRawPointer
  ) {
    switch form {
    case .trees:
      unsafe ns_forest_nodes_run(compiled, instructions.raw, UInt32(tree), 1, codes, scratch)
    case .oblivious:
      unsafe ns_oblivious_run(compiled, instructions.raw, UInt32(tree), 1, codes, scratch)
    }
  }
}
