package import CoordinatorCore

/// Where a coordinator starts workers, and at what price, as its fleet file says.
package struct FleetConfiguration: Sendable {
  /// One pool and how its workers are started.
  package struct Place: Sendable {
    package var pool: Pool
    package var engine: Engine
    /// The program, as the machine that runs the worker sees it; nil for this process's own.
    package var program: String?
    /// Where its workers find the coordinator; nil for where the coordinator listens.
    package var address: String?
    /// The token, as the machine that runs the worker sees it; nil for that of the state folder.
    package var tokenFile: String?
    /// `--tls-ca` and its like with their files.
    package var tlsArguments: [String] = []
    /// More arguments of `nightshift worker`.
    package var moreArguments: [String] = []

    package init(pool: Pool, engine: Engine) {
      self.pool = pool
      self.engine = engine
    }
  }

  /// Who starts the processes.
  package enum Engine: Hashable, Sendable {
    /// Gets a file for each worker with what it prints.
    case local(logFolder: String)
    case slurm(SlurmSettings)
    case kubernetes(KubernetesSettings)

    package var name: String {
      switch self {
      case .local: "local"
      case .slurm: "slurm"
      case .kubernetes: "kubernetes"
      }
    }

    /// Where a worker's files are unless the fleet file says otherwise; nil for where the
    /// coordinator has its own.
    package var secretFolder: String? {
      if case .kubernetes(let settings) = self, settings.secret != nil {
        return KubernetesSettings.secretFolder
      }
      return nil
    }

    /// The program unless the fleet file names one; nil for the coordinator's own.
    package var program: String? {
      if case .kubernetes = self { KubernetesSettings.standardProgram } else { nil }
    }

    package func provider(_ launch: WorkerLaunch) -> any Provider {
      switch self {
      case .local(let folder): LocalProvider(launch, logFolder: folder)
      case .slurm(let settings): SlurmProvider(launch, settings: settings)
      case .kubernetes(let settings): KubernetesProvider(launch, settings: settings)
      }
    }
  }

  /// With different names.
  package var places: [Place]
  /// Of all prices, for people; may be empty.
  package var currency = ""

  /// Pools of one fleet at most: each is listed on its own.
  package static let poolLimit = 64

  package init(places: [Place]) { self.places = places }
}
