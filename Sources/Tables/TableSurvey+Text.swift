package import Compression
package import Jobs

extension TableSurvey {
  /// Most notes that name a file each; of more only the number is told.
  private static let noteLimit = 10

  /// Plans inputs of text: where they are packed, with the places where they may be cut.
  ///
  /// - Parameters:
  ///   - files: The inputs.
  ///   - open: Gives a file's stored bytes.
  /// - Returns: An input for each file, and what the user should know.
  /// - Throws: `CompressionError` or `TableError` with the file's name and the place in it, or what
  ///   an input fails with.
  func cutTexts(
    _ files: [InputFile], _ open: (InputFile) throws -> any ByteSource
  ) throws -> (inputs: [PlannedInput], notes: [String]) {
    var inputs: [PlannedInput] = []
    inputs.reserveCapacity(files.count)
    var notes: [String] = []
    var noteCount = 0
    for file in files {
      guard let compression = file.compression else {
        inputs.append(PlannedInput(file))
        continue
      }
      // Large reads, although most of what they bring is passed over: a look for each block would
      // be a request to a store, or a seek of a disk.
      let source = CountedSource(try open(file), name: file.path, report: report)
      let found = try FrameCuts.find(
        in: source, compression: compression,
        shardByteCount: request.blockByteCount * UInt64(Limits.blocksPerShard),
        readAheadByteCount: 4 << 20, name: file.path)
      inputs.append(PlannedInput(file, cuts: found.cuts.map(InputCut.init)))
      for note in [found.note?.description, source.note].compactMap(\.self) {
        noteCount += 1
        if noteCount <= Self.noteLimit { notes.append("\(file.path) \(note)") }
      }
    }
    if noteCount > Self.noteLimit {
      notes.append("\(noteCount - Self.noteLimit) other files have such notes too")
    }
    return (inputs, notes)
  }
}

extension InputCut {
  /// A cut of compressed text.
  package init(_ cut: FrameCut) {
    self.init(offset: cut.textOffset, place: cut.storedOffset)
  }
}

extension DecompressingSource {
  /// Unpacks the shard of a lease: from its first frame on, checked to end where it should.
  package convenience init(
    _ stored: any ByteSource, compression: TextCompression, _ range: LeaseRange
  ) {
    guard let places = range.places else {
      self.init(stored, compression: compression, name: range.path)
      return
    }
    self.init(
      stored, compression: compression, name: range.path,
      start: FrameCut(textOffset: range.shardOffset, storedOffset: places.lowerBound),
      end: range.shardEnd.map { FrameCut(textOffset: $0, storedOffset: places.upperBound) })
  }
}

extension SurveyedTable {
  /// Adds the columns that the folders of all files' paths stand for, after those of the files.
  ///
  /// They are integers where all their values are, otherwise text, unless the job says.
  ///
  /// - Throws: `TableError` where the files' folders differ or a file has such a column too.
  mutating func addPartitions(of paths: [String], _ request: JobRequest) throws(TableError) {
    let names = try HivePartitions.names(of: paths, beside: columns)
    columns += names
    guard types != nil else { return }
    var areIntegers = Array(repeating: true, count: names.count)
    for path in paths {
      for (index, column) in try HivePartitions(path: path).columns.enumerated() {
        if let value = column.value, Int64(value)?.description != value {
          areIntegers[index] = false
        }
      }
    }
    let given = request.inputConfig.schema ?? [:]
    types? += zip(names, areIntegers).map { given[$0] ?? ($1 ? .integer : .text) }
  }
}
