import Foundation

/// Turns what users write into absolute paths, without looking at the disk.
package enum Paths {
  /// The folder that relative paths of a command line begin in.
  package static var currentFolder: String { FileManager.default.currentDirectoryPath }

  /// An absolute path, without `.` and doubled slashes.
  ///
  /// `..` stays: taking it out is wrong where a folder is a symbolic link. A path may be a glob.
  package static func absolute(_ path: String, in folder: String) -> String {
    let whole = path.hasPrefix("/") ? path : folder + "/" + path
    let parts = whole.split(separator: "/").filter { $0 != "." }
    return "/" + parts.joined(separator: "/")
  }

  /// A path's last part, without the last extension.
  package static func stem(of path: String) -> String {
    let name = path.split(separator: "/").last.map(String.init) ?? path
    guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { return name }
    return String(name[..<dot])
  }

  /// The scheme of something like `s3://bucket/key`, or `nil` for a plain path.
  package static func scheme(of path: String) -> String? {
    guard let range = path.range(of: "://") else { return nil }
    let scheme = path[..<range.lowerBound]
    guard !scheme.isEmpty, !scheme.contains("/") else { return nil }
    return String(scheme)
  }
}
