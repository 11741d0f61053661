import ArgumentParser
import Foundation
import Glibc

/// Measures parts of Nightshift alone; each command prints one JSON object.
@main
struct Benchmarks: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "nightshift-bench",
    abstract: "Measure the coordinator, or the scoring core, alone.",
    subcommands: [
      MemoryCommand.self, LoopbackCommand.self, NoOpWorkersCommand.self, RestartCommand.self,
      ScoreCommand.self, TopKCommand.self, PeakCommand.self, TablesCommand.self,
    ])
}

/// Why a benchmark could not be run.
struct BenchmarkError: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) {
    self.description = description
  }
}

/// Prints a result as one JSON object, keys in order.
func report(_ result: some Encodable) throws {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
  print(String(decoding: try encoder.encode(result), as: UTF8.self))
}

/// A new folder below `parent`, or below the system's place for temporary files, which the caller
/// removes.
func makeScratchFolder(below parent: String?) throws -> String {
  let parent = parent ?? NSTemporaryDirectory()
  let folder = URL(fileURLWithPath: parent)
    .appendingPathComponent("nightshift-bench-\(getpid())-\(UInt32.random(in: 0...UInt32.max))")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  return folder.path
}

/// Seconds of processor time this process has used, in and out of the kernel.
func processorSeconds() -> Double {
  var usage = rusage()
  unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
  func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
  return seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

/// The most bytes this process has ever had in memory.
func peakByteCount() -> Int {
  var usage = rusage()
  unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
  return usage.ru_maxrss * 1_024
}
