// A peer that has gone is called by one name, so that libnng's listeners go on listening.
#define _GNU_SOURCE
#include "CPosix.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <sys/socket.h>

static atomic_bool leaves_broken_pipes;

void ns_leave_broken_pipes(int leaves) { atomic_store(&leaves_broken_pipes, leaves != 0); }

// AddressSanitizer and its relatives have a `sendmsg` of their own.
#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)

typedef ssize_t sendmsg_call(int socket, const struct msghdr *message, int flags);

// What the whole process calls as `sendmsg`; glibc's own but for the name of one error.
//
// libnng 1.5.2 takes EPIPE for the end of its own endpoint: a listener that meets it while a
// connection negotiates never accepts again (nng issue 1518), and a dialer never dials again. A peer
// that resets before that write gives EPIPE or ECONNRESET, whichever came first; the second means
// just that.
ssize_t sendmsg(int socket, const struct msghdr *message, int flags) {
  static _Atomic(sendmsg_call *) known;
  sendmsg_call *call = atomic_load(&known);
  if (!call) {
    call = (sendmsg_call *)dlsym(RTLD_NEXT, "sendmsg");
    atomic_store(&known, call);
  }
  const ssize_t count = call(socket, message, flags);
  if (count < 0 && errno == EPIPE && !atomic_load(&leaves_broken_pipes)) errno = ECONNRESET;
  return count;
}

#endif
