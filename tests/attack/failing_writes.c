/* Preloaded into a process: lets its n-th write below a folder fail, or kills it there.

   armed(): path prefix, number of the operation that fails (-1: none), errno (0: the process is killed there), whether
   half of a write is still done, whether all later ones fail as well. Operations: opening for writing, write, fsync, truncate, mkdir, rename, chmod. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static char prefix[PATH_MAX];
static long number, fails_at = -1;
static int reason, torn, lasting, tears;

void armed(const char *folder, long at, int error, int half, int all) {
  strncpy(prefix, folder, sizeof prefix - 1);
  number = 0, fails_at = at, reason = error, torn = half, lasting = all;
}

long operations(void) { return number; }

static int is_below(const char *path) { return prefix[0] && path && strncmp(path, prefix, strlen(prefix)) == 0; }

static int is_file_below(int fd) {
  char link[64], path[PATH_MAX];
  if (!prefix[0]) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return is_below(path);
}

/* Whether this operation fails; errno is set. */
static int fails(void) {
  long now = number++;
  if (fails_at < 0 || now < fails_at || (now > fails_at && !lasting)) return 0;
  if (!reason && !tears) raise(SIGKILL);
  errno = reason;
  return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int opens(const char *path, int flags) {
  return is_below(path) && (flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)) && fails();
}

#define OPEN(name)                                                         \
  int name(const char *path, int flags, ...) {                             \
    va_list list;                                                          \
    va_start(list, flags);                                                 \
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0; \
    va_end(list);                                                          \
    return opens(path, flags) ? -1 : REAL(name)(path, flags, mode);        \
  }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                       \
  int name(int folder, const char *path, int flags, ...) {                 \
    va_list list;                                                          \
    va_start(list, flags);                                                 \
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0; \
    va_end(list);                                                          \
    return opens(path, flags) ? -1 : REAL(name)(folder, path, flags, mode); \
  }
OPENAT(openat)
OPENAT(openat64)

#define FOPEN(name)                                                        \
  FILE *name(const char *path, const char *mode) {                         \
    return opens(path, mode[0] == 'r' && !strchr(mode, '+') ? 0 : O_WRONLY) ? NULL : REAL(name)(path, mode); \
  }
FOPEN(fopen)
FOPEN(fopen64)

ssize_t write(int fd, const void *bytes, size_t count) {
  tears = torn && count > 1;
  int failed = is_file_below(fd) && fails();
  tears = 0;
  if (failed) {
    ssize_t half = torn && count > 1 && number - 1 == fails_at ? REAL(write)(fd, bytes, count / 2) : -1;
    if (!reason) raise(SIGKILL);
    return half;
  }
  return REAL(write)(fd, bytes, count);
}
ssize_t writev(int fd, const struct iovec *parts, int count) {
  return is_file_below(fd) && fails() ? -1 : REAL(writev)(fd, parts, count);
}
ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) {
  return is_file_below(fd) && fails() ? -1 : REAL(pwrite)(fd, bytes, count, at);
}
ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) {
  return is_file_below(fd) && fails() ? -1 : REAL(pwrite64)(fd, bytes, count, at);
}
int posix_fallocate(int fd, off_t at, off_t count) {
  return is_file_below(fd) && fails() ? reason : REAL(posix_fallocate)(fd, at, count);
}
int posix_fallocate64(int fd, off64_t at, off64_t count) {
  return is_file_below(fd) && fails() ? reason : REAL(posix_fallocate64)(fd, at, count);
}
int fsync(int fd) { return is_file_below(fd) && fails() ? -1 : REAL(fsync)(fd); }
int ftruncate(int fd, off_t size) { return is_file_below(fd) && fails() ? -1 : REAL(ftruncate)(fd, size); }
int ftruncate64(int fd, off64_t size) { return is_file_below(fd) && fails() ? -1 : REAL(ftruncate64)(fd, size); }
int mkdir(const char *path, mode_t mode) { return is_below(path) && fails() ? -1 : REAL(mkdir)(path, mode); }
int rename(const char *from, const char *to) { return is_below(to) && fails() ? -1 : REAL(rename)(from, to); }
int chmod(const char *path, mode_t mode) { return is_below(path) && fails() ? -1 : REAL(chmod)(path, mode); }
