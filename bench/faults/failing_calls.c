/// Fails the n-th system call of a kind in a process, once.
///
/// Preloaded; the environment says what is to fail:
///   FAILING_ROLE    the word after the program's name, or all processes if it is not set
///   FAILING_KIND    write, sync, rename, open, read, space or malloc
///   FAILING_NUMBER  n, from 1; 0 counts only
///   FAILING_PLACE   a part of the path of the only files that count; all if it is not set
///   FAILING_ERROR   an error number; 0 has a read or write move half of its bytes
///   FAILING_STATE   a file of 16384 zero bytes: `struct State`, shared by all processes of the run
///   FAILING_STAYS   1: every later call of the kind fails as well
/// Only regular files count, but for standard output and error; of allocations not those of Swift,
/// which ends the process when one fails.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { MODULE_LIMIT = 64, FRAME_LIMIT = 30, TEXT_LIMIT = 480, STATE_BYTE_COUNT = 16384 };

struct State {
  _Atomic long count;
  _Atomic long fired;
  char call[32];
  char place[TEXT_LIMIT];
  char frames[FRAME_LIMIT][128];  // library+offset
};

static struct State* state;
static char kind[16];
static long number;
static const char* wanted_place;
static int error_number;
static int stays;
// Code whose failed allocations end the process by design.
static uintptr_t skipped[MODULE_LIMIT][2];
static int skip_count;
static __thread int inside;

static int find_modules(struct dl_phdr_info* info, size_t size, void* unused) {
  (void)size, (void)unused;
  static const char* const names[] = {"libswift", "lib_Foundation", "libFoundation", "libdispatch",
                                      "libBlocksRuntime", "ld-linux"};
  int is_skipped = 0;
  for (size_t index = 0; index < sizeof names / sizeof *names; index++) {
    is_skipped |= strstr(info->dlpi_name, names[index]) != NULL;
  }
  if (!is_skipped || skip_count == MODULE_LIMIT) return 0;
  skipped[skip_count][0] = info->dlpi_addr;
  for (int index = 0; index < info->dlpi_phnum; index++) {
    const ElfW(Phdr)* part = &info->dlpi_phdr[index];
    uintptr_t end = info->dlpi_addr + part->p_vaddr + part->p_memsz;
    if (part->p_type == PT_LOAD && end > skipped[skip_count][1]) skipped[skip_count][1] = end;
  }
  skip_count++;
  return 0;
}

static int has_role(const char* role) {
  char line[4096];
  int file = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/cmdline", O_RDONLY);
  long count = file < 0 ? 0 : syscall(SYS_read, file, line, sizeof line - 1);
  if (file >= 0) syscall(SYS_close, file);
  if (count <= 0) return 0;
  line[count] = 0;
  size_t first = strlen(line) + 1;
  return first < (size_t)count && strcmp(line + first, role) == 0;
}

__attribute__((constructor)) static void begin(void) {
  const char* role = getenv("FAILING_ROLE");
  const char* path = getenv("FAILING_STATE");
  const char* wanted = getenv("FAILING_KIND");
  if (!path || !wanted || (role && !has_role(role))) return;
  strncpy(kind, wanted, sizeof kind - 1);
  number = atol(getenv("FAILING_NUMBER") ?: "0");
  wanted_place = getenv("FAILING_PLACE");
  error_number = atoi(getenv("FAILING_ERROR") ?: "0");
  stays = atoi(getenv("FAILING_STAYS") ?: "0");
  dl_iterate_phdr(find_modules, NULL);
  void* frames[2];
  backtrace(frames, 2);  // loads what it needs, which allocates
  int file = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
  if (file < 0) return;
  void* mapped = mmap(NULL, STATE_BYTE_COUNT, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  syscall(SYS_close, file);
  if (mapped != MAP_FAILED) state = mapped;
}

static void describe(const char* call, const char* place) {
  strncpy(state->call, call, sizeof state->call - 1);
  if (place) strncpy(state->place, place, sizeof state->place - 1);
  void* frames[FRAME_LIMIT];
  int count = backtrace(frames, FRAME_LIMIT);
  for (int index = 0; index < count; index++) {
    Dl_info found;
    if (dladdr(frames[index], &found) == 0 || !found.dli_fname) continue;
    const char* name = strrchr(found.dli_fname, '/');
    snprintf(state->frames[index], sizeof state->frames[index], "%.60s+%lx",
             name ? name + 1 : found.dli_fname,
             (unsigned long)((uintptr_t)frames[index] - (uintptr_t)found.dli_fbase));
  }
}

/// Whether this call is the one that fails; `errno` is set then.
static int fails(const char* of_kind, const char* call, const char* place) {
  if (!state || inside || strcmp(kind, of_kind) != 0) return 0;
  if (wanted_place && (!place || !strstr(place, wanted_place))) return 0;
  inside = 1;
  long passage = atomic_fetch_add(&state->count, 1) + 1;
  int hit = number > 0 && (passage == number || (stays && passage > number));
  if (hit && atomic_fetch_add(&state->fired, 1) == 0) describe(call, place);
  inside = 0;
  if (hit) errno = error_number;
  return hit;
}

static int is_file(int descriptor, char* path, size_t capacity) {
  if (!state || inside || descriptor == 1 || descriptor == 2) return 0;
  struct stat status;
  if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) return 0;
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  long count = syscall(SYS_readlink, link, path, capacity - 1);
  path[count > 0 ? count : 0] = 0;
  return strncmp(path, "/proc/", 6) != 0 && strncmp(path, "/sys/", 5) != 0;
}

static int is_ours(const char* path) {
  static const char* const system_folders[] = {"/proc", "/sys", "/dev", "/etc", "/usr", "/lib"};
  for (size_t index = 0; index < sizeof system_folders / sizeof *system_folders; index++) {
    if (strncmp(path, system_folders[index], strlen(system_folders[index])) == 0) return 0;
  }
  return 1;
}

#define NEXT(name, result, ...)                                   \
  static result (*next)(__VA_ARGS__);                             \
  if (!next) next = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

// MARK: Bytes

#define MOVE(name, of_kind, parameters, arguments, types)               \
  ssize_t name parameters {                                                   \
    NEXT(#name, ssize_t, types);                                              \
    char path[TEXT_LIMIT];                                                           \
    if (is_file(descriptor, path, sizeof path) && fails(of_kind, #name, path)) { \
      if (error_number != 0) return -1;                                       \
      if (size > 1) size /= 2;                                                \
    }                                                                         \
    return next arguments;                                                    \
  }
#define COMMA ,
MOVE(write, "write", (int descriptor, const void* bytes, size_t size), (descriptor, bytes, size),
     int COMMA const void* COMMA size_t)
MOVE(pwrite, "write", (int descriptor, const void* bytes, size_t size, off_t offset),
     (descriptor, bytes, size, offset), int COMMA const void* COMMA size_t COMMA off_t)
MOVE(pwrite64, "write", (int descriptor, const void* bytes, size_t size, off64_t offset),
     (descriptor, bytes, size, offset), int COMMA const void* COMMA size_t COMMA off64_t)
MOVE(read, "read", (int descriptor, void* bytes, size_t size), (descriptor, bytes, size),
     int COMMA void* COMMA size_t)
MOVE(pread, "read", (int descriptor, void* bytes, size_t size, off_t offset),
     (descriptor, bytes, size, offset), int COMMA void* COMMA size_t COMMA off_t)
MOVE(pread64, "read", (int descriptor, void* bytes, size_t size, off64_t offset),
     (descriptor, bytes, size, offset), int COMMA void* COMMA size_t COMMA off64_t)

#define MOVE_LIST(name, of_kind, parameters, arguments, types)                \
  ssize_t name parameters {                                                   \
    NEXT(#name, ssize_t, types);                                              \
    char path[TEXT_LIMIT];                                                           \
    if (is_file(descriptor, path, sizeof path) && fails(of_kind, #name, path)) { \
      if (error_number != 0) return -1;                                       \
      count = 1;                                                              \
    }                                                                         \
    return next arguments;                                                    \
  }
MOVE_LIST(writev, "write", (int descriptor, const struct iovec* list, int count),
          (descriptor, list, count), int COMMA const struct iovec* COMMA int)
MOVE_LIST(pwritev, "write", (int descriptor, const struct iovec* list, int count, off_t offset),
          (descriptor, list, count, offset),
          int COMMA const struct iovec* COMMA int COMMA off_t)

// MARK: Names and durability

#define ON_FILE(name, of_kind, parameters, arguments, types)                  \
  int name parameters {                                                       \
    NEXT(#name, int, types);                                                  \
    char path[TEXT_LIMIT] = "";                                                      \
    if (state && !inside) is_file(descriptor, path, sizeof path);             \
    if (fails(of_kind, #name, path)) return -1;                               \
    return next arguments;                                                    \
  }
ON_FILE(fsync, "sync", (int descriptor), (descriptor), int)
ON_FILE(fdatasync, "sync", (int descriptor), (descriptor), int)
ON_FILE(ftruncate, "space", (int descriptor, off_t size), (descriptor, size), int COMMA off_t)
ON_FILE(ftruncate64, "space", (int descriptor, off64_t size), (descriptor, size),
        int COMMA off64_t)

#define ON_PATH(name, of_kind, parameters, arguments, types)                  \
  int name parameters {                                                       \
    NEXT(#name, int, types);                                                  \
    if (is_ours(path) && fails(of_kind, #name, path)) return -1;              \
    return next arguments;                                                    \
  }
ON_PATH(rename, "rename", (const char* path, const char* target), (path, target),
        const char* COMMA const char*)
ON_PATH(renameat, "rename", (int from, const char* path, int to, const char* target),
        (from, path, to, target), int COMMA const char* COMMA int COMMA const char*)
ON_PATH(renameat2, "rename",
        (int from, const char* path, int to, const char* target, unsigned flags),
        (from, path, to, target, flags),
        int COMMA const char* COMMA int COMMA const char* COMMA unsigned)
ON_PATH(link, "rename", (const char* path, const char* target), (path, target),
        const char* COMMA const char*)
ON_PATH(unlink, "rename", (const char* path), (path), const char*)
ON_PATH(unlinkat, "rename", (int from, const char* path, int flags), (from, path, flags),
        int COMMA const char* COMMA int)
ON_PATH(mkdir, "open", (const char* path, mode_t mode), (path, mode), const char* COMMA mode_t)

int linkat(int from, const char* source, int to, const char* path, int flags) {
  NEXT("linkat", int, int, const char*, int, const char*, int);
  if (fails("rename", "linkat", path)) return -1;
  return next(from, source, to, path, flags);
}

#define OPEN(name, first, first_argument, types)                              \
  int name(first const char* path, int flags, ...) {                          \
    NEXT(#name, int, types const char*, int, ...);                            \
    va_list rest;                                                             \
    va_start(rest, flags);                                                    \
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0; \
    va_end(rest);                                                             \
    if (is_ours(path) && fails("open", #name, path)) return -1;               \
    return next(first_argument path, flags, mode);                            \
  }
OPEN(open, , , )
OPEN(open64, , , )
OPEN(openat, int from COMMA, from COMMA, int COMMA)
OPEN(openat64, int from COMMA, from COMMA, int COMMA)

// MARK: Memory

extern void* __libc_malloc(size_t);
extern void* __libc_calloc(size_t, size_t);
extern void* __libc_realloc(void*, size_t);
extern void* __libc_memalign(size_t, size_t);

static int counts(void* caller) {
  if (!state || kind[0] != 'm' || inside) return 0;
  uintptr_t place = (uintptr_t)caller;
  for (int index = 0; index < skip_count; index++) {
    if (place >= skipped[index][0] && place < skipped[index][1]) return 0;
  }
  return 1;
}

#define FAILS_TO_ALLOCATE(name) \
  (counts(__builtin_return_address(0)) && fails("malloc", name, NULL))

void* malloc(size_t size) {
  if (FAILS_TO_ALLOCATE("malloc")) return NULL;
  return __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
  if (FAILS_TO_ALLOCATE("calloc")) return NULL;
  return __libc_calloc(count, size);
}
void* realloc(void* former, size_t size) {
  if (FAILS_TO_ALLOCATE("realloc")) return NULL;
  return __libc_realloc(former, size);
}
void* aligned_alloc(size_t alignment, size_t size) {
  if (FAILS_TO_ALLOCATE("aligned_alloc")) return NULL;
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** result, size_t alignment, size_t size) {
  if (FAILS_TO_ALLOCATE("posix_memalign")) return ENOMEM;
  void* memory = __libc_memalign(alignment, size);
  if (!memory) return ENOMEM;
  *result = memory;
  return 0;
}
