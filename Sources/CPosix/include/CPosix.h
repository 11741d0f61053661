#pragma once

// Calls of glibc that its Swift module does not show (they stand behind _GNU_SOURCE).

// rename(2); flag 1 is RENAME_NOREPLACE. Since glibc 2.28.
int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned int flags);

// mallopt(3). Of the options: M_TRIM_THRESHOLD is -1, M_MMAP_THRESHOLD is -3, M_ARENA_MAX is -8.
int mallopt(int option, int value);

// sync_file_range(2); flag 2 is SYNC_FILE_RANGE_WRITE: begins to write and waits for nothing.
int sync_file_range(int file, long offset, long byte_count, unsigned int flags);

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>

// Has a spawned process begin without descriptors from `lowest` on; `actions` is a
// posix_spawn_file_actions_t. 0, or the code of an error.
int ns_close_from(void *actions, int lowest);

// Opens a file that has no name and is gone once it is closed; `folder` says on which disk. open(2)
// with O_TMPFILE, a number that stands behind _GNU_SOURCE. -1 with errno where it cannot.
static inline int ns_open_nameless(const char *folder) {
  return open(folder, 020000000 | O_DIRECTORY | O_RDWR | O_CLOEXEC, 0600);
}

// Has the kernel end this process when the thread that started it does; prctl(2).
static inline int ns_die_with_parent(void) { return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); }

// Limits this process's descriptors to `wanted`, and to the hard limit without `kept`. Those are
// kept for libdispatch, which each second opens /proc/N/stat of its threads, and ends the process
// where it cannot. Returns the soft limit; -1 with errno where none is set.
long ns_limit_descriptors(unsigned long wanted, unsigned long kept);

// Has libnng hear of sends that fail, and of connections that have ended, as the system tells it;
// otherwise it does not, see sockets.c. For tests that want it to fail.
void ns_tell_failed_sends(int tells);
