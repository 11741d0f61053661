// What libnng is told of connections that have ended.
#define _GNU_SOURCE
#include "CPosix.h"

#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

static atomic_bool tells_sends;

void ns_tell_failed_sends(int tells) { atomic_store(&tells_sends, tells != 0); }

// AddressSanitizer and its relatives have calls of these names of their own.
#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)

// Whether an address is in libnng's code.
static int is_of_nng(const void *address) {
  Dl_info library;
  if (atomic_load(&tells_sends) || !dladdr(address, &library) || !library.dli_fname) return 0;
  return strstr(library.dli_fname, "libnng") != NULL;
}

static int is_closed(int socket) {
  struct tcp_info information;
  socklen_t size = sizeof information;
  return getsockopt(socket, IPPROTO_TCP, TCP_INFO, &information, &size) == 0 &&
         information.tcpi_state == TCP_CLOSE;
}

typedef ssize_t sendmsg_call(int socket, const struct msghdr *message, int flags);

// What the whole process calls as `sendmsg`; glibc's own but for sends of libnng that fail.
//
// A send on a connection that has ended succeeds, and goes nowhere, as it does a moment before: the
// end is found by receiving. libnng 1.5.2 cannot be told of it by a send. EPIPE it takes for the
// end of its own endpoint: a listener that meets it while a connection negotiates never accepts
// again (nng issue 1518), and a dialer never dials again. And it closes the connection at once:
// where that falls between the header and the body of a frame that comes in, the receive never
// ends, and the one thread that frees connections waits for it for ever (nng issue 616 and pull
// request 1636). Where memory is short, nothing has ended: it sends again when it can.
ssize_t sendmsg(int socket, const struct msghdr *message, int flags) {
  static _Atomic(sendmsg_call *) known;
  sendmsg_call *call = atomic_load(&known);
  if (!call) {
    call = (sendmsg_call *)dlsym(RTLD_NEXT, "sendmsg");
    atomic_store(&known, call);
  }
  const ssize_t count = call(socket, message, flags);
  if (count >= 0 || errno == EAGAIN || errno == EINTR) return count;
  int error = errno;
  if (is_of_nng(__builtin_return_address(0))) {
    if (is_closed(socket)) {
      ssize_t whole = 0;
      for (size_t i = 0; i < message->msg_iovlen; i++) whole += message->msg_iov[i].iov_len;
      return whole;
    }
    if (error == EPIPE) error = ECONNRESET;
    if (error == ENOBUFS || error == ENOMEM) error = EAGAIN;
  }
  errno = error;
  return -1;
}

typedef int epoll_wait_call(int queue, struct epoll_event *events, int limit, int timeout);

// What the whole process calls as `epoll_wait`; glibc's own, but that libnng hears that it can read
// and write where a connection has ended: it would end sends and receives with an error, in no
// order, and leave what has come unread.
int epoll_wait(int queue, struct epoll_event *events, int limit, int timeout) {
  static _Atomic(epoll_wait_call *) known;
  epoll_wait_call *call = atomic_load(&known);
  if (!call) {
    call = (epoll_wait_call *)dlsym(RTLD_NEXT, "epoll_wait");
    atomic_store(&known, call);
  }
  const int count = call(queue, events, limit, timeout);
  int is_nng = -1;
  for (int i = 0; i < count; i++) {
    if (!(events[i].events & (EPOLLHUP | EPOLLERR))) continue;
    if (is_nng < 0) is_nng = is_of_nng(__builtin_return_address(0));
    if (!is_nng) break;
    events[i].events = (events[i].events & ~(EPOLLHUP | EPOLLERR)) | EPOLLIN | EPOLLOUT;
  }
  return count;
}

#endif
