// What spawned processes begin with.
#define _GNU_SOURCE
#include "CPosix.h"

#include <spawn.h>

int ns_close_from(void *actions, int lowest) {
  return posix_spawn_file_actions_addclosefrom_np(actions, lowest);
}
