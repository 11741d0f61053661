import CPQ

/// COPY in both directions.
extension Connection {
  /// Most bytes handed to libpq before they are sent: what it holds back stays in its memory.
  private static let pieceByteCount = 256 << 10

  /// Begins a `COPY … FROM STDIN`.
  package func beginCopy(_ sql: String) throws(DatabaseError) {
    try send(sql, [])
    let answer = try takeAnswer("beginning a COPY")
    guard answer.status == PGRES_COPY_IN else {
      let error = answer.error("\(target)")
      try drain()
      throw error
    }
  }

  /// Sends bytes of the COPY under way, wherever rows begin in them.
  package func copy(_ bytes: UnsafeRawBufferPointer) throws(DatabaseError) {
    var offset = 0
    while offset < bytes.count {
      let count = min(bytes.count - offset, Self.pieceByteCount)
      let piece = unsafe UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count])
      let start = unsafe piece.assumingMemoryBound(to: CChar.self).baseAddress
      guard unsafe PQputCopyData(raw, start, Int32(count)) == 1 else { throw lost("copying") }
      try flush()
      offset += count
    }
  }

  /// Sends bytes of the COPY under way.
  package func copy(_ bytes: [UInt8]) throws(DatabaseError) {
    var failure: DatabaseError?
    unsafe bytes.withUnsafeBytes { bytes in
      do throws(DatabaseError) { unsafe try copy(bytes) } catch { failure = error }
    }
    if let failure { throw failure }
  }

  /// Ends the COPY under way.
  ///
  /// - Returns: The number of rows the server took.
  /// - Throws: What the server has against the rows.
  package func endCopy() throws(DatabaseError) -> UInt64 {
    guard unsafe PQputCopyEnd(raw, nil) == 1 else { throw lost("copying") }
    try flush()
    let answer = try takeAnswer("ending a COPY")
    let rowCount = answer.touchedRowCount
    guard answer.status == PGRES_COMMAND_OK else {
      let error = answer.error("\(target)")
      try drain()
      throw error
    }
    try drain()
    return rowCount
  }
}

/// The rows of one `COPY … TO STDOUT (FORMAT binary)`, one at a time.
///
/// libpq holds one row and what fits beside it in its buffer; a row is at most what the statement
/// lets through.
@safe package struct CopyReader: ~Copyable {
  private let connection: Connection
  private var isFirst = true
  private var isFinished = false

  private static let signature: [UInt8] = [
    0x50, 0x47, 0x43, 0x4F, 0x50, 0x59, 0x0A, 0xFF, 0x0D, 0x0A, 0x00,
  ]

  /// Begins to read.
  ///
  /// - Parameters:
  ///   - connection: Nothing else is asked of it until the last row has been read.
  ///   - sql: The COPY.
  /// - Throws: What the server says.
  package init(_ connection: Connection, _ sql: String) throws(DatabaseError) {
    self.connection = connection
    try connection.send(sql, [])
    let answer = try connection.takeAnswer("reading rows")
    guard answer.status == PGRES_COPY_OUT else {
      let error = answer.error("\(connection.target)")
      try connection.drain()
      throw error
    }
  }

  /// Reads the next row.
  ///
  /// - Parameter body: Gets the row: a 16-bit number of fields, and for each a 32-bit length (-1
  ///   for NULL) and its bytes, all big-endian.
  /// - Returns: What `body` returns, or `nil` after the last row.
  /// - Throws: What the server says, `malformed`, and what `body` throws.
  package mutating func next<Result>(
    _ body: (UnsafeRawBufferPointer) throws(DatabaseError) -> Result
  ) throws(DatabaseError) -> Result? {
    guard !isFinished else { return nil }
    while true {
      var start: UnsafeMutablePointer<CChar>?
      let count = unsafe PQgetCopyData(connection.raw, &start, 1)
      switch count {
      case 0: try connection.waitForBytes("reading rows")
      case -1:
        isFinished = true
        try finish()
        return nil
      case 1...:
        defer { unsafe PQfreemem(start) }
        let message = unsafe UnsafeRawBufferPointer(start: start, count: Int(count))
        let row = unsafe try withoutHeader(message)
        if unsafe Self.isTrailer(row) { continue }
        return unsafe try body(row)
      default: throw connection.lost("reading rows")
      }
    }
  }

  /// Takes the stream's header off its first message.
  private mutating func withoutHeader(
    _ message: UnsafeRawBufferPointer
  ) throws(DatabaseError) -> UnsafeRawBufferPointer {
    guard isFirst else { return unsafe message }
    isFirst = false
    let fixedByteCount = Self.signature.count + 8
    guard message.count >= fixedByteCount, unsafe message.starts(with: Self.signature) else {
      throw malformed("its header is none")
    }
    let flags = unsafe message.loadUnaligned(
      fromByteOffset: Self.signature.count, as: UInt32.self
    ).bigEndian
    let extensionByteCount = unsafe message.loadUnaligned(
      fromByteOffset: Self.signature.count + 4, as: UInt32.self
    ).bigEndian
    guard flags == 0, Int(extensionByteCount) <= message.count - fixedByteCount else {
      throw malformed("its header has flags \(flags), extension \(extensionByteCount)")
    }
    return unsafe UnsafeRawBufferPointer(
      rebasing: message[(fixedByteCount + Int(extensionByteCount))...])
  }

  /// The end mark, and the message that is nothing but the header.
  private static func isTrailer(_ row: UnsafeRawBufferPointer) -> Bool {
    unsafe row.isEmpty || row.elementsEqual([0xFF, 0xFF])
  }

  private func finish() throws(DatabaseError) {
    let answer = try connection.takeAnswer("reading rows")
    guard answer.status == PGRES_COMMAND_OK else {
      let error = answer.error("\(connection.target)")
      try connection.drain()
      throw error
    }
    try connection.drain()
  }

  private func malformed(_ reason: String) -> DatabaseError {
    DatabaseError(
      code: .malformed, context: "\(connection.target): the stream of rows is broken: \(reason)")
  }
}
