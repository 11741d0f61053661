import GRDB

/// Why the journal could not be opened, read or written.
package struct JournalError: Error, Hashable, Sendable, CustomStringConvertible {
  package enum Code: Hashable, Sendable {
    /// Another coordinator has the state folder; the context names it.
    case locked
    /// What is stored is not what was written; the context says what to do.
    case corrupt
    /// A later release of Nightshift wrote the journal.
    case newerSchema
    /// No space: nothing of the transaction was written, and the journal stays usable.
    case diskFull
    /// The state folder is on a file system without dependable locks.
    case networkFileSystem
    /// The disk failed: the journal takes nothing more until it is opened anew.
    case ioFailure
    /// SQLite's own code, or the operating system's as a negative number.
    case other(Int32)
  }

  package let code: Code
  /// The call, the path and the numbers, as a sentence for people.
  package let context: String

  package init(code: Code, context: String) {
    self.code = code
    self.context = context
  }

  package var description: String { context }
}

extension JournalError {
  /// Translates what GRDB throws; `action` says what was tried.
  ///
  /// At the opening SQLite says "read-only" and "error" where the file's header makes no sense; a
  /// file that is really read-only was refused before.
  init(_ error: any Error, _ action: String, in path: String, isOpening: Bool = false) {
    if let error = error as? JournalError {
      self = error
      return
    }
    guard let error = error as? DatabaseError else {
      self.init(code: .other(0), context: "\(action) in \(path): \(error)")
      return
    }
    let number = error.extendedResultCode.rawValue
    let detail = "\(action) in \(path): \(error.message ?? "SQLite error") (SQLite code \(number))"
    switch error.resultCode {
    case .SQLITE_FULL:
      self.init(code: .diskFull, context: "\(detail): free some space, then resume")
    case .SQLITE_CORRUPT, .SQLITE_NOTADB:
      self.init(corruption: detail)
    case .SQLITE_IOERR, .SQLITE_CANTOPEN:
      self.init(code: .ioFailure, context: "\(detail): check the disk, then start again")
    case .SQLITE_ERROR where isOpening, .SQLITE_READONLY where isOpening:
      self.init(corruption: detail)
    case .SQLITE_BUSY, .SQLITE_LOCKED:
      self.init(code: .locked, context: "\(detail): another program has the journal open")
    default:
      self.init(code: .other(number), context: detail)
    }
  }

  /// A damaged journal, with what the user can do about it.
  init(corruption detail: String) {
    self.init(
      code: .corrupt,
      context: "\(detail): the journal is damaged. Move the state folder aside, restore it from a "
        + "copy made while no coordinator ran, or start with an empty one and submit the jobs "
        + "again; published outputs are not affected")
  }
}
