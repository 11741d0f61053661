import Glibc

/// Runs one parser on whatever libFuzzer thinks of.
///
/// The parser is named by the variable `FUZZ_TARGET`; the arguments are libFuzzer's. `--targets`
/// prints the parsers' names, `--seeds FOLDER` writes the seeds that a parser makes itself.
@main struct Fuzz {
  static func main() {
    var count = CommandLine.argc
    var arguments = unsafe CommandLine.unsafeArgv
    exit(unsafe runFuzzer(&count, &arguments, LLVMFuzzerTestOneInput))
  }

  fileprivate static func writeSeeds(_ folder: String) {
    for (number, seed) in FuzzTarget.chosen.seeds().enumerated() {
      let file = unsafe fopen("\(folder)/seed-\(number)", "w")
      guard let file = unsafe file else { fatalError("\(folder) cannot be written") }
      unsafe fwrite(seed, 1, seed.count, file)
      unsafe fclose(file)
    }
  }
}

/// libFuzzer's main loop.
///
/// libFuzzer has a `main` of its own too, which does the same; the linker takes the first.
@_silgen_name("LLVMFuzzerRunDriver")
private func runFuzzer(
  _ count: UnsafeMutablePointer<CInt>,
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
  _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

/// What libFuzzer calls before the first input.
@_cdecl("LLVMFuzzerInitialize")
func LLVMFuzzerInitialize(
  _ count: UnsafeMutablePointer<CInt>, _ arguments: UnsafeMutableRawPointer
) -> CInt {
  let words = CommandLine.arguments
  if words.dropFirst().first == "--targets" {
    for target in FuzzTarget.all { print(target.name) }
    exit(0)
  }
  if words.count == 3, words[1] == "--seeds" {
    Fuzz.writeSeeds(words[2])
    exit(0)
  }
  return 0
}

/// What libFuzzer calls for each input.
@_cdecl("LLVMFuzzerTestOneInput")
func LLVMFuzzerTestOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  FuzzTarget.chosen.run(unsafe Array(UnsafeBufferPointer(start: start, count: count)))
  return 0
}

/// One parser of foreign bytes.
struct FuzzTarget: Sendable {
  let name: String
  /// Seeds that are made rather than kept; small and few.
  var seeds: @Sendable () -> [[UInt8]] = { [] }
  /// Parses, and traps where what comes out contradicts itself.
  let run: @Sendable ([UInt8]) -> Void

  static let all: [FuzzTarget] =
    frames + compressed + tables + columnar + models
    + [partial, journal, filter, jobFile, fleetFile, fleetListing, receipt, request, messages]
    + answers

  /// The one that the environment names.
  static let chosen: FuzzTarget = {
    let name = unsafe getenv("FUZZ_TARGET").map { unsafe String(cString: $0) } ?? ""
    guard let target = all.first(where: { $0.name == name }) else {
      fatalError("FUZZ_TARGET=\(name) is none of \(all.map(\.name).joined(separator: " "))")
    }
    return target
  }()
}

/// Ends the run where something does not hold: libFuzzer then keeps the input.
func require(_ holds: Bool, _ what: @autoclosure () -> String) {
  if !holds { fatalError(what()) }
}

/// An input taken apart: the first bytes choose how the rest is read.
struct Choices {
  private(set) var rest: ArraySlice<UInt8>

  init(_ bytes: [UInt8]) { rest = bytes[...] }

  /// The next byte; 0 where there is none left.
  mutating func byte() -> UInt8 { rest.popFirst() ?? 0 }

  mutating func flag() -> Bool { byte() & 1 == 1 }

  /// A number within bounds.
  mutating func number(_ bounds: ClosedRange<Int>) -> Int {
    let raw = Int(byte()) | Int(byte()) << 8
    return bounds.lowerBound + raw % bounds.count
  }

  mutating func word() -> UInt64 { (0..<8).reduce(0) { $0 | UInt64(byte()) << UInt64($1 * 8) } }
}
