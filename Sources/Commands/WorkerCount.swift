/// How many worker processes `run` starts unless it is told.
///
/// One per core, but no more than there are shards, nor than one for four blocks: below that a
/// process costs more than it brings. It decides nothing about the output's bytes.
package func defaultWorkerCount(coreCount: Int, shardCount: UInt64, blockCount: UInt64) -> Int {
  let useful = min(shardCount, (blockCount + 3) / 4)
  return max(1, min(coreCount, Int(clamping: useful)))
}
