import Foundation
import Testing

/// Several jobs of one coordinator at once.
@Suite struct JobsAtOnceTests {
  /// Two are merged while they are scored, the others afterwards.
  @Test func moreJobsThanAreMergedAheadPublishTheSame() async throws {
    let fleet = try await TestFleet()
    let expected = try await fleet.undisturbed()
    let outputs = (1...4).map { fleet.sandbox.path("out-\($0)") }
    let submits = try outputs.enumerated().map { number, output in
      let file = try fleet.jobFile("job-\(number).yaml", output: output)
      return try fleet.client(["submit", file, "--wait"])
    }
    #expect(
      await waitUntil(.seconds(30)) {
        fleet.coordinator.errors.components(separatedBy: "PENDING").count > outputs.count
      }, "\(fleet.coordinator.errors)")
    let worker = try await fleet.startJoinedWorker()
    for (submit, output) in zip(submits, outputs) {
      #expect(await submit.wait() == 2, "\(submit.errors)")
      #expect(try Publication(below: output) == expected, "\(output)")
    }
    await fleet.end(worker)
  }
}
