package import Leasing
package import Partials

/// Why an output could not be merged, published or checked.
package struct DestinationError: Error, Hashable, Sendable, CustomStringConvertible {
  package enum Code: Hashable, Sendable {
    /// Partials at rest are not what was committed: their blocks have to be scored again.
    case damaged([CommittedBlocks])
    /// The output folder is there already and is not this job's.
    case exists
    /// No space at the destination: free some, then resume.
    case diskFull
    /// The committed blocks do not make up the plan: the journal and the plan disagree. Or a
    /// published folder, its inputs or its model are not what the receipt says.
    case inconsistent
    case file(FileErrorCode)
    /// A database that cannot be reached, or has something against the rows.
    case database
    /// What was merged is gone before it was published, as after a crash of the database: merge
    /// again.
    case mergedIsLost
  }

  /// What the operating system said, where no other case fits.
  package enum FileErrorCode: Hashable, Sendable {
    case missing
    case unreadable
    case other(Int32)
  }

  package let code: Code
  /// The call, the path and the numbers, as a sentence for people.
  package let context: String

  package init(code: Code, context: String) {
    self.code = code
    self.context = context
  }

  package init(_ error: FileError) {
    let code: Code =
      switch error.code {
      case .diskFull: .diskFull
      case .missing: .file(.missing)
      case .exists: .exists
      case .unreadable: .file(.unreadable)
      case .other(let number): .file(.other(number))
      }
    self.init(code: code, context: error.context)
  }

  package var description: String { context }

  /// Whether the same call can succeed once someone has made room or mended the destination.
  package var canBeRetried: Bool {
    switch code {
    case .diskFull, .file, .database, .mergedIsLost: true
    case .damaged, .exists, .inconsistent: false
    }
  }
}

/// Runs file calls and gives their failures this module's type.
func onDisk<Result: ~Copyable>(
  _ body: () throws(FileError) -> Result
) throws(DestinationError) -> Result {
  do throws(FileError) { return try body() } catch { throw DestinationError(error) }
}
