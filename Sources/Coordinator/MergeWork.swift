import CoordinatorCore
import Jobs
import Leasing

struct MergeWork: Sendable {
  let job: Job
  let plan: Plan
  let model: PlannedModel
  let commits: [CommittedBlocks]
  let spoolFolder: String
  let modelFolder: String
  let execution: ExecutionDetails

  func run() async -> CoordinatorCore.MergeOutcome { .published(folder: "stub") }
}
