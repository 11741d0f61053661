package import Jobs

extension InputListing.Options {
  /// How a job's inputs are listed.
  package init(request: JobRequest) {
    self = .withStores
    entersFolders = request.inputConfig.hivePartitioning == true
    allowsNothing = request.inputConfig.allowEmpty == true
    fileLimit = Limits.inputsPerJob
  }
}
