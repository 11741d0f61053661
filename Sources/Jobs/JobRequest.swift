/// What a user asks for; the keys are those of a job file, and of Vertex AI where it has them.
package struct JobRequest: Hashable, Sendable, Codable {
  package var displayName: String
  /// Path of the model file, absolute, as the coordinator sees it.
  package var model: String
  package var inputConfig: InputConfig
  package var instanceConfig = InstanceConfig()
  package var outputConfig: OutputConfig
  package var dedicatedResources = DedicatedResources()
  package var modelParameters = ModelParameters()
  /// Whether to write what each input contributed to a prediction; `nil` is no.
  package var generateExplanation: Bool?
  package var labels: [String: String] = [:]
  /// Error records tolerated before the job fails; -1 is no limit.
  package var errorThreshold = Limits.errorThreshold
  /// Bytes of text in one block; part of the plan and so of the output's bytes.
  package var blockByteCount = Limits.blockByteCount

  package struct InputConfig: Hashable, Sendable, Codable {
    package var instancesFormat = InstancesFormat.csv
    /// Whether the names of the files tell the format once they are listed; `nil` is no.
    package var infersFormat: Bool?
    /// Paths, globs, folders and URIs, absolute; read in the order given, each sorted by name.
    package var uris: [String]
    /// One byte between two fields.
    package var delimiter = ","
    /// Unquoted fields that mean "missing"; `nil` for the built-in list.
    package var nullWords: [String]?
    /// Types of columns, over what the table says of itself; `nil` for none.
    package var schema: [String: ColumnType]?
    /// Which records are scored, see `RecordFilter`; `nil` for all.
    package var filter: String?
    /// What becomes of a value that is not of its column's type; `nil` for an error record.
    package var onParseError: OnParseError?
    /// Whether `key=value` folders are columns; `nil` is no.
    package var hivePartitioning: Bool?
    /// Whether a pattern may stand for no file; `nil` is no.
    package var allowEmpty: Bool?
    /// What a database is asked, for `postgresql`.
    package var query: String?
    /// The integer column by whose values a query's rows are ordered and divided.
    package var splitColumn: String?

    package init(uris: [String]) {
      self.uris = uris
    }
  }

  package enum InstancesFormat: String, Hashable, Sendable, Codable, CaseIterable {
    case csv, jsonl, parquet, orc, arrow
    /// Each file is one record: its path and its bytes.
    case files
    /// The rows of a query.
    case postgresql
  }

  package enum OnParseError: String, Hashable, Sendable, Codable, CaseIterable {
    case error, null
  }

  package struct InstanceConfig: Hashable, Sendable, Codable {
    package var instanceType = InstanceType.array
    /// Column written as `key` instead of the whole instance.
    package var keyField: String?
    /// Columns the instance in the output has, empty for all; excludes `excludedFields`.
    package var includedFields: [String] = []
    package var excludedFields: [String] = []

    package init() {}
  }

  package enum InstanceType: String, Hashable, Sendable, Codable, CaseIterable {
    case array, object
  }

  package struct OutputConfig: Hashable, Sendable, Codable {
    package var predictionsFormat = PredictionsFormat.jsonl
    package var compression = OutputCompression.zstd
    /// Folder or prefix below which the `prediction-…` folder is published, or a database.
    package var uri: String
    /// The table that a database gets the predictions in.
    package var table: String?
    /// How the table takes them; `nil` is `append`.
    package var writeMode: WriteMode?
    /// Columns that tell for `upsert` which rows are the same.
    package var upsertKeys: [String]?
    /// The model's outputs that are written; `nil` for all.
    package var outputFields: [String]?
    /// The best classes that are written; `nil` for all.
    package var topK: Int?
    /// Where error records go instead of beside the predictions: a folder, a prefix, or for a
    /// database another of its tables; `nil` for beside them.
    package var errorsUri: String?

    package init(uri: String) {
      self.uri = uri
    }
  }

  package enum PredictionsFormat: String, Hashable, Sendable, Codable, CaseIterable {
    case jsonl, csv, parquet, arrow
  }

  package enum WriteMode: String, Hashable, Sendable, Codable, CaseIterable {
    case append, replace, upsert
  }

  package enum OutputCompression: String, Hashable, Sendable, Codable, CaseIterable {
    case none, zstd
  }

  package struct DedicatedResources: Hashable, Sendable, Codable {
    /// Workers that the fleet starts for it at most.
    package var maxReplicaCount = 10
    /// Workers to begin with, while nothing is known of its speed; nil is one.
    package var startingReplicaCount: Int?
    /// Nil for any machine.
    package var machineSpec: MachineSpec?
    /// Whether machines that can be taken away come first; nil is no.
    package var spot: Bool?
    /// Nil for none: then workers are started as long as they are worth their start.
    package var deadline: Deadline?
    /// Money that its workers may cost, in the currency of the fleet file; nil for no limit.
    package var budget: Double?

    package init() {}

    package struct MachineSpec: Hashable, Sendable, Codable {
      /// The pool of the fleet that the job is for.
      package var machineType: String?

      package init(machineType: String? = nil) {
        self.machineType = machineType
      }
    }
  }

  package struct ModelParameters: Hashable, Sendable, Codable {
    /// Write the sum of the trees as it is, without the objective's transform.
    package var rawScore = false
    /// Add leaves as multiples of a unit, faster and within a stated bound; `nil` is no.
    package var fastSums: Bool?

    package init() {}
  }

  package init(
    displayName: String, model: String, inputConfig: InputConfig, outputConfig: OutputConfig
  ) {
    self.displayName = displayName
    self.model = model
    self.inputConfig = inputConfig
    self.outputConfig = outputConfig
  }
}
