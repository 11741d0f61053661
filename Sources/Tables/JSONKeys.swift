import CKernels
import Glibc

/// The columns that members of JSON objects are looked up in.
@safe final class JSONKeys {
  let raw: OpaquePointer

  /// - Parameter columns: All different, at most `CSVHeader.columnLimit`.
  /// - Throws: `TableError.system` where there is no memory.
  init(_ columns: [String]) throws(TableError) {
    precondition(columns.count <= CSVHeader.columnLimit)
    var names: [UInt8] = []
    var ends: [UInt32] = []
    for column in columns {
      names += column.utf8
      ends.append(UInt32(names.count))
    }
    // The addresses of empty arrays are not looked at, but have to be there.
    names.append(0)
    ends.append(0)
    let made = unsafe ns_json_keys_make(names, ends, UInt32(columns.count))
    guard let made = unsafe made else {
      throw TableError(code: .system(ENOMEM), context: "no memory for \(columns.count) columns")
    }
    unsafe raw = made
  }

  deinit { unsafe ns_json_keys_free(raw) }
}
