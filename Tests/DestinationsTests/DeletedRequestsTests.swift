import Coordinator
import Jobs
import Testing

/// Where the late partials of deleted jobs are looked for.
@Suite struct DeletedRequestsTests {
  private func request(_ number: Int) -> JobRequest {
    JobRequest(
      displayName: "test", model: "model.txt", inputConfig: .init(uris: ["in.csv"]),
      outputConfig: .init(uri: "s3://bucket/\(number)"))
  }

  private func output(_ requests: DeletedRequests, _ id: JobID) -> String? {
    requests[id]?.outputConfig.uri
  }

  @Test func theNewestAreKept() {
    var requests = DeletedRequests()
    let limit = DeletedRequests.limit
    for number in 0..<limit + 2 { requests.append(JobID(UInt64(number)), request(number)) }
    for number in 0..<limit + 2 {
      let expected = number < 2 ? nil : "s3://bucket/\(number)"
      #expect(output(requests, JobID(UInt64(number))) == expected)
    }
  }

  /// Whoever has the id again takes up one place, with its own request.
  @Test func anIdHasItsLastRequest() {
    var requests = DeletedRequests()
    requests.append(JobID(1), request(1))
    for number in 2...DeletedRequests.limit { requests.append(JobID(7), request(number)) }
    #expect(output(requests, JobID(1)) == "s3://bucket/1")
    #expect(output(requests, JobID(7)) == "s3://bucket/\(DeletedRequests.limit)")
    #expect(requests[JobID(2)] == nil)
  }
}
