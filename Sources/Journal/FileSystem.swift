/// File systems on which locks and `fsync` do not mean enough for a journal.
package enum FileSystem {
  /// Types as the kernel names them; a FUSE type stands without its `fuse.`.
  static let networkTypes: Set<String> = [
    "afs", "beegfs", "ceph", "cifs", "coda", "curve", "davfs", "gcsfuse", "gfs2",
    "glusterfs", "gpfs", "juicefs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "panfs",
    "rclone", "s3fs", "smb3", "smbfs", "sshfs",
  ]

  /// The type of the network file system that a device is, if it is one.
  ///
  /// By the mount table and not by `statfs`, whose one magic number for FUSE would hide whether
  /// it is sshfs or something local.
  ///
  /// - Parameters:
  ///   - device: The `st_dev` of a file, in glibc's encoding (`gnu_dev_makedev`).
  ///   - mounts: The text of `/proc/self/mountinfo` (proc(5)).
  /// - Returns: The type as in the text, or `nil` for anything else and for unknown devices.
  package static func networkType(
    device: UInt64, mounts: String
  ) -> String? {
    let major = device >> 8 & 0xFFF | device >> 32 & ~0xFFF
    let minor = device & 0xFF | device >> 12 & ~0xFF
    for line in mounts.split(separator: "\n") {
      let fields = line.split(separator: " ")
      guard fields.count > 2, fields[2] == "\(major):\(minor)",
        let separator = fields.firstIndex(of: "-"), separator + 1 < fields.count
      else { continue }
      let type = fields[separator + 1]
      let name = type.hasPrefix("fuse.") ? type.dropFirst(5) : type
      return networkTypes.contains(String(name)) ? String(type) : nil
    }
    return nil
  }
}
