import ArgumentParser
import Logging

/// From which level on this process logs to standard error.
enum LogThreshold: String, CaseIterable, ExpressibleByArgument {
  case debug, info, warning, error

  var level: Logger.Level {
    switch self {
    case .debug: .debug
    case .info: .info
    case .warning: .warning
    case .error: .error
    }
  }
}

/// A logger to standard error, or to nowhere without a threshold.
func makeLogger(_ threshold: LogThreshold?) -> Logger {
  guard let threshold else { return Logger(label: "nightshift") { _ in SwiftLogNoOpLogHandler() } }
  var logger = Logger(label: "nightshift") { StreamLogHandler.standardError(label: $0) }
  logger.logLevel = threshold.level
  return logger
}
