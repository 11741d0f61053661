import Commands
import Foundation
import Jobs
import Tables

extension FuzzTarget {
  /// A job file, to the finished request.
  static let jobFile = FuzzTarget(name: "job-file") { bytes in
    guard let text = String(validating: bytes, as: UTF8.self) else { return }
    do throws(CommandError) {
      let draft = try JobFile.parse(text, name: "job.yaml", folder: "/folder")
      _ = try draft.finished(from: "job.yaml")
    } catch {
      require(!"\(error)".isEmpty, "an error without words")
    }
  }

  /// A request as a client submits it, JSON.
  static let request = FuzzTarget(name: "request") { bytes in
    do {
      let request = try JSONDecoder().decode(JobRequest.self, from: Data(bytes))
      _ = try CSVOptions(request: request)
      let columns = JobConfiguration(request: request, columns: ["a", "b"], types: nil)
      _ = try RecordFilter.filter(of: columns)
      _ = try InputTable(
        configuration: columns, needs: ColumnNeeds(numbers: [0], texts: [1]))
    } catch {}  // refused, which is well
  }
}
