import Glibc

/// Makes a pipe whose ends no spawned process inherits; `nil` where there are no descriptors left.
///
/// Swift's Glibc has no `pipe2`: between the two calls another thread's spawn would inherit the
/// ends, so spawns and pipes are made by one actor.
func makePipe() -> (readEnd: Int32, writeEnd: Int32)? {
  var ends: [Int32] = [-1, -1]
  guard unsafe pipe(&ends) == 0 else { return nil }
  for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
  return (ends[0], ends[1])
}
