import Foundation
import Jobs
import Tables

extension FuzzTarget {
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
