import Commands
import CoordinatorCore
import Fleet

extension FuzzTarget {
  /// A fleet file, to the finished pools.
  static let fleetFile = FuzzTarget(name: "fleet-file") { bytes in
    guard let text = String(validating: bytes, as: UTF8.self) else { return }
    do throws(CommandError) {
      let fleet = try FleetFile.parse(
        text, name: "fleet.yaml", folder: "/folder", logFolder: "/logs")
      let names = Set(fleet.places.map(\.pool.name))
      require(names.count == fleet.places.count, "two pools of one name")
      require(fleet.places.count <= FleetConfiguration.poolLimit, "too many pools")
    } catch {
      require(!"\(error)".isEmpty, "an error without words")
    }
  }

  /// What engines list, as their clients print it.
  static let fleetListing = FuzzTarget(name: "fleet-listing") { bytes in
    let text = String(decoding: bytes, as: UTF8.self)
    let launch = WorkerLaunch(
      fleet: "ns-1", pool: "main", program: "p", address: "a", threadCount: 1, tokenFile: "t")
    let slurm = SlurmTask.entries(SlurmTask.tasks(text, of: launch, logFolder: "/logs"))
    let kubernetes = KubernetesObject.entries(KubernetesObject.objects(text)).entries
    for entries in [slurm, kubernetes] {
      require(Set(entries.map(\.name)).count == entries.count, "a worker twice")
    }
  }
}
