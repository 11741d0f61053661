/// Why a database could not be asked, read or written.
package struct DatabaseError: Error, Hashable, Sendable, CustomStringConvertible {
  package enum Code: Hashable, Sendable {
    /// A connection string, name or path that is none.
    case invalidTarget
    /// The server cannot be reached, or the connection to it was lost: it may come back.
    case unreachable
    /// Wrong credentials, or not the permission.
    case refused
    /// The snapshot that all readers of a job share is gone.
    case snapshotLost
    /// A column's type, a key or a setting that is not there.
    case unsupported
    /// A value does not fit a column.
    case wrongValue
    /// A constraint of the table stands against the rows.
    case conflict
    /// A table, column, schema or database that does not exist.
    case missing
    /// The database has no space left.
    case diskFull
    /// The caller's check said to stop.
    case cancelled
    /// The server said nothing for too long, or another transaction holds what is needed.
    case timedOut
    /// Bytes that are not what the protocol says.
    case malformed
    case other
  }

  package let code: Code
  /// The SQLSTATE that the server gave, five characters.
  package let sqlState: String?
  /// The call, the server and the numbers, and what to do; never a value, never a password.
  package let context: String
  /// The line of a COPY that the server stopped at, from 1.
  package let copyLine: UInt64?

  package init(code: Code, sqlState: String? = nil, context: String, copyLine: UInt64? = nil) {
    self.code = code
    self.sqlState = sqlState
    self.context = context
    self.copyLine = copyLine
  }

  package var description: String { context }

  /// Whether the same call can succeed later without anybody's doing.
  package var isTransient: Bool {
    switch code {
    case .unreachable, .timedOut: true
    case .other, .conflict:
      // Serialization failures and deadlocks.
      sqlState?.hasPrefix("40") == true
    case .invalidTarget, .refused, .snapshotLost, .unsupported, .wrongValue, .missing, .diskFull,
      .cancelled, .malformed:
      false
    }
  }

  /// The same error with words in front.
  package func prefixed(_ words: String) -> DatabaseError {
    DatabaseError(
      code: code, sqlState: sqlState, context: "\(words): \(context)", copyLine: copyLine)
  }
}

extension DatabaseError.Code {
  /// What a SQLSTATE of PostgreSQL stands for (its documentation, appendix A).
  init(sqlState: String) {
    switch sqlState {
    case "42501", "28000", "28P01": self = .refused
    case "53100": self = .diskFull
    case "57014": self = .cancelled
    case "55P03", "25P03", "57P05": self = .timedOut
    case "57P01", "57P02", "57P03", "53300", "25P02": self = .unreachable
    case "42P01", "42703", "3F000", "3D000", "42704": self = .missing
    case "42804", "42846": self = .wrongValue
    default:
      switch sqlState.prefix(2) {
      case "08": self = .unreachable
      case "22": self = .wrongValue
      case "23": self = .conflict
      default: self = .other
      }
    }
  }
}
