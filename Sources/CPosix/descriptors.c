// A few descriptors that libdispatch can still have when all others are taken.
#define _GNU_SOURCE
#include "CPosix.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>

static atomic_bool keeps_descriptors;
static pthread_mutex_t limits = PTHREAD_MUTEX_INITIALIZER;

long ns_limit_descriptors(unsigned long wanted, unsigned long kept) {
  struct rlimit limit;
  pthread_mutex_lock(&limits);
  int failed = getrlimit(RLIMIT_NOFILE, &limit);
  if (!failed) {
    const rlim_t most = limit.rlim_max > 2 * kept ? limit.rlim_max - kept : limit.rlim_max;
    limit.rlim_cur = wanted < most ? wanted : most;
    failed = setrlimit(RLIMIT_NOFILE, &limit);
    if (!failed) atomic_store(&keeps_descriptors, limit.rlim_cur < limit.rlim_max);
  }
  pthread_mutex_unlock(&limits);
  return failed ? -1 : (long)limit.rlim_cur;
}

// AddressSanitizer and its relatives have an `open` of their own.
#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)

typedef int open_call(const char *path, int flags, ...);

// With the hard limit for the time of the call.
static int open_beyond_the_limit(open_call *call, const char *path, int flags) {
  struct rlimit limit;
  pthread_mutex_lock(&limits);
  int file = -1;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    const struct rlimit raised = {limit.rlim_max, limit.rlim_max};
    setrlimit(RLIMIT_NOFILE, &raised);
    file = call(path, flags);
    const int error = errno;
    setrlimit(RLIMIT_NOFILE, &limit);
    errno = error;
  }
  pthread_mutex_unlock(&limits);
  return file;
}

// What the whole process calls as `open`; glibc's own but for what libdispatch opens.
int open(const char *path, int flags, ...) {
  static _Atomic(open_call *) known;
  open_call *call = atomic_load(&known);
  if (!call) {
    call = (open_call *)dlsym(RTLD_NEXT, "open");
    atomic_store(&known, call);
  }
  mode_t mode = 0;
  if ((flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE) {
    va_list arguments;
    va_start(arguments, flags);
    mode = va_arg(arguments, mode_t);
    va_end(arguments);
  }
  const int file = call(path, flags, mode);
  if (file >= 0 || errno != EMFILE || !atomic_load(&keeps_descriptors)) return file;
  if (strncmp(path, "/proc/", 6) != 0) return file;
  return open_beyond_the_limit(call, path, flags);
}

#endif
