/* Makes the n-th call that changes a folder fail, or ends the process there.

   Loaded with LD_PRELOAD. Nothing happens until `faults_arm` has been called. Calls are counted
   that change files below one folder, by whichever library of the process they are made. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { FAIL = 0, SHORT_WRITE = 1, KILL = 2, FAIL_FROM_HERE = 3 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char under[4096];
static size_t under_length;
static long fail_at, n_calls;
static int fail_error, fail_kind, log_fd = -1;

/* `at` 0 only counts. Calls are written to the file `log`, a line for each, if it is not empty. */
void faults_arm(const char *folder, long at, int error, int kind, const char *log) {
    snprintf(under, sizeof under, "%s", folder);
    under_length = strlen(under);
    fail_at = at;
    fail_error = error;
    fail_kind = kind;
    n_calls = 0;
    if (*log) log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

static int is_below(const char *path) {
    return under_length && path && !strncmp(path, under, under_length) &&
           (path[under_length] == '/' || !path[under_length]);
}

static int is_of_folder(int fd, char *path, size_t size) {
    char link[64];
    if (!under_length) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, size - 1);
    if (n < 0) return 0;
    path[n] = 0;
    return is_below(path);
}

/* Whether this call fails; it is SHORT_WRITE for a write that writes only half. */
static int fault(const char *call, const char *path) {
    int found = -1;
    pthread_mutex_lock(&lock);
    n_calls++;
    if (log_fd >= 0) dprintf(log_fd, "%s %s\n", call, path + under_length);
    int is_here = n_calls == fail_at;
    if (fail_kind == FAIL_FROM_HERE && fail_at && n_calls > fail_at)
        is_here = !strcmp(call, "write") || !strcmp(call, "pwrite") || !strcmp(call, "ftruncate") ||
                  !strcmp(call, "mkdir");
    if (is_here) found = fail_kind;
    pthread_mutex_unlock(&lock);
    if (found == KILL) kill(getpid(), SIGKILL);
    if (found == FAIL || found == FAIL_FROM_HERE) errno = fail_error;
    return found;
}

#define NEXT(type, name) ((type)dlsym(RTLD_NEXT, name))
#define FAILS(call, path) (is_below(path) && fault(call, path) >= 0 && fail_kind != SHORT_WRITE)

ssize_t write(int fd, const void *data, size_t n) {
    ssize_t (*next)(int, const void *, size_t) = NEXT(ssize_t(*)(int, const void *, size_t), "write");
    char path[4096];
    if (is_of_folder(fd, path, sizeof path)) {
        int found = fault("write", path);
        if (found == SHORT_WRITE && n > 1) return next(fd, data, n / 2);
        if (found == FAIL || found == FAIL_FROM_HERE) return -1;
    }
    return next(fd, data, n);
}

#define PWRITE(name)                                                                              \
    ssize_t name(int fd, const void *data, size_t n, off_t at) {                                  \
        ssize_t (*next)(int, const void *, size_t, off_t) =                                       \
            NEXT(ssize_t(*)(int, const void *, size_t, off_t), #name);                            \
        char path[4096];                                                                          \
        if (is_of_folder(fd, path, sizeof path)) {                                                \
            int found = fault("pwrite", path);                                                    \
            if (found == SHORT_WRITE && n > 1) return next(fd, data, n / 2, at);                  \
            if (found == FAIL || found == FAIL_FROM_HERE) return -1;                              \
        }                                                                                         \
        return next(fd, data, n, at);                                                             \
    }
PWRITE(pwrite)
PWRITE(pwrite64)

#define OF_FILE(name, call, parameters, arguments)                                                \
    int name parameters {                                                                         \
        int(*next) parameters = NEXT(int(*) parameters, #name);                                   \
        char path[4096];                                                                          \
        if (is_of_folder(fd, path, sizeof path)) {                                                \
            int found = fault(call, path);                                                        \
            if (found == FAIL || found == FAIL_FROM_HERE) return -1;                              \
        }                                                                                         \
        return next arguments;                                                                    \
    }
OF_FILE(fsync, "fsync", (int fd), (fd))
OF_FILE(fdatasync, "fsync", (int fd), (fd))
OF_FILE(ftruncate, "ftruncate", (int fd, off_t n), (fd, n))
OF_FILE(ftruncate64, "ftruncate", (int fd, off_t n), (fd, n))
OF_FILE(flock, "flock", (int fd, int operation), (fd, operation))

#define OF_PATH(name, call, parameters, arguments)                                                \
    int name parameters {                                                                         \
        int(*next) parameters = NEXT(int(*) parameters, #name);                                   \
        return FAILS(call, path) ? -1 : next arguments;                                           \
    }
OF_PATH(rename, "rename", (const char *old, const char *path), (old, path))
OF_PATH(unlink, "unlink", (const char *path), (path))
OF_PATH(rmdir, "rmdir", (const char *path), (path))
OF_PATH(mkdir, "mkdir", (const char *path, mode_t mode), (path, mode))
OF_PATH(link, "link", (const char *old, const char *path), (old, path))

#define OPEN(name)                                                                                \
    int name(const char *path, int flags, ...) {                                                  \
        int (*next)(const char *, int, ...) = NEXT(int (*)(const char *, int, ...), #name);       \
        va_list rest;                                                                             \
        va_start(rest, flags);                                                                    \
        mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;                                 \
        va_end(rest);                                                                             \
        if (flags & O_CREAT && FAILS("open", path)) return -1;                                    \
        return next(path, flags, mode);                                                           \
    }
OPEN(open)
OPEN(open64)
