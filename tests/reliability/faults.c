/* Makes the n-th call that changes a folder fail, or ends the process there; records the calls.

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
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { FAIL = 0, SHORT_WRITE = 1, KILL = 2, FAIL_FROM_HERE = 3 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t in_order = PTHREAD_MUTEX_INITIALIZER;
static char under[4096];
static size_t under_length;
static long fail_at, n_calls;
static int fail_error, fail_kind, log_fd = -1, record_fd = -1;

/* `at` 0 only counts. Calls are written to the file `log`, a line for each, if it is not empty. */
void faults_arm(const char* folder, long at, int error, int kind, const char* log) {
    snprintf(under, sizeof under, "%s", folder);
    under_length = strlen(under);
    fail_at = at;
    fail_error = error;
    fail_kind = kind;
    n_calls = 0;
    if (*log) log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

/* From here on, write to `file` what each call did, in the order in which the calls were made. */
void faults_record(const char* file) {
    record_fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

/* A line of fields between tabs: call, path, other path, offset, length; then the bytes. */
static void record(const char* call, const char* path, const char* other, off_t at,
                   const void* data, size_t n) {
    if (record_fd < 0) return;
    dprintf(record_fd, "%s\t%s\t%s\t%lld\t%zu\n", call, path + under_length,
            other ? other + under_length : "", (long long)at, data ? n : 0);
    for (size_t done = 0; data && done < n;) {
        ssize_t written = write(record_fd, (const char*)data + done, n - done);
        if (written < 0) abort();
        done += (size_t)written;
    }
}

/* Calls are made one after the other while they are recorded, so that the record has their order.
 */
static void begin_call(void) {
    if (record_fd >= 0) pthread_mutex_lock(&in_order);
}

static void end_call(void) {
    if (record_fd >= 0) pthread_mutex_unlock(&in_order);
}

static int is_below(const char* path) {
    return under_length && path && !strncmp(path, under, under_length) &&
           (path[under_length] == '/' || !path[under_length]);
}

static int is_of_folder(int fd, char* path, size_t size) {
    char link[64];
    if (!under_length) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, size - 1);
    if (n < 0) return 0;
    path[n] = 0;
    return is_below(path);
}

/* Whether this call fails; it is SHORT_WRITE for a write that writes only half. */
static int fault(const char* call, const char* path) {
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

ssize_t write(int fd, const void* data, size_t n) {
    ssize_t (*next)(int, const void*, size_t) =
        NEXT(ssize_t (*)(int, const void*, size_t), "write");
    char path[4096];
    if (is_of_folder(fd, path, sizeof path)) {
        int found = fault("write", path);
        if (found == SHORT_WRITE && n > 1) return next(fd, data, n / 2);
        if (found == FAIL || found == FAIL_FROM_HERE) return -1;
        begin_call();
        off_t at = fcntl(fd, F_GETFL) & O_APPEND ? lseek(fd, 0, SEEK_END) : lseek(fd, 0, SEEK_CUR);
        ssize_t written = next(fd, data, n);
        if (written > 0) record("write", path, NULL, at, data, (size_t)written);
        end_call();
        return written;
    }
    return next(fd, data, n);
}

#define PWRITE(name)                                                                 \
    ssize_t name(int fd, const void* data, size_t n, off_t at) {                     \
        ssize_t (*next)(int, const void*, size_t, off_t) =                           \
            NEXT(ssize_t (*)(int, const void*, size_t, off_t), #name);               \
        char path[4096];                                                             \
        if (is_of_folder(fd, path, sizeof path)) {                                   \
            int found = fault("pwrite", path);                                       \
            if (found == SHORT_WRITE && n > 1) return next(fd, data, n / 2, at);     \
            if (found == FAIL || found == FAIL_FROM_HERE) return -1;                 \
            begin_call();                                                            \
            ssize_t written = next(fd, data, n, at);                                 \
            if (written > 0) record("write", path, NULL, at, data, (size_t)written); \
            end_call();                                                              \
            return written;                                                          \
        }                                                                            \
        return next(fd, data, n, at);                                                \
    }
PWRITE(pwrite)
PWRITE(pwrite64)

#define OF_FILE(name, call, parameters, arguments, size)             \
    int name parameters {                                            \
        int(*next) parameters = NEXT(int(*) parameters, #name);      \
        char path[4096];                                             \
        if (is_of_folder(fd, path, sizeof path)) {                   \
            int found = fault(call, path);                           \
            if (found == FAIL || found == FAIL_FROM_HERE) return -1; \
            begin_call();                                            \
            int result = next arguments;                             \
            if (!result) record(call, path, NULL, size, NULL, 0);    \
            end_call();                                              \
            return result;                                           \
        }                                                            \
        return next arguments;                                       \
    }
OF_FILE(fsync, "fsync", (int fd), (fd), 0)
OF_FILE(fdatasync, "fsync", (int fd), (fd), 0)
OF_FILE(ftruncate, "ftruncate", (int fd, off_t n), (fd, n), n)
OF_FILE(ftruncate64, "ftruncate", (int fd, off_t n), (fd, n), n)
OF_FILE(flock, "flock", (int fd, int operation), (fd, operation), 0)

#define OF_PATH(name, call, parameters, arguments, other)       \
    int name parameters {                                       \
        int(*next) parameters = NEXT(int(*) parameters, #name); \
        if (!is_below(path)) return next arguments;             \
        if (FAILS(call, path)) return -1;                       \
        begin_call();                                           \
        int result = next arguments;                            \
        if (!result) record(call, path, other, 0, NULL, 0);     \
        end_call();                                             \
        return result;                                          \
    }
OF_PATH(rename, "rename", (const char* old, const char* path), (old, path), old)
OF_PATH(unlink, "unlink", (const char* path), (path), NULL)
OF_PATH(rmdir, "rmdir", (const char* path), (path), NULL)
OF_PATH(mkdir, "mkdir", (const char* path, mode_t mode), (path, mode), NULL)
OF_PATH(link, "link", (const char* old, const char* path), (old, path), old)

#define OPEN(name)                                                                        \
    int name(const char* path, int flags, ...) {                                          \
        int (*next)(const char*, int, ...) = NEXT(int (*)(const char*, int, ...), #name); \
        va_list rest;                                                                     \
        va_start(rest, flags);                                                            \
        mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;                         \
        va_end(rest);                                                                     \
        if (!(flags & O_CREAT) || !is_below(path)) return next(path, flags, mode);        \
        if (FAILS("open", path)) return -1;                                               \
        begin_call();                                                                     \
        int is_new = access(path, F_OK) < 0;                                              \
        int fd = next(path, flags, mode);                                                 \
        if (fd >= 0 && is_new) record("create", path, NULL, 0, NULL, 0);                  \
        if (fd >= 0 && flags & O_TRUNC) record("ftruncate", path, NULL, 0, NULL, 0);      \
        end_call();                                                                       \
        return fd;                                                                        \
    }
OPEN(open)
OPEN(open64)

/* Allocations that code between two addresses asks for, of which one fails. */
extern void* __libc_malloc(size_t);
extern void* __libc_calloc(size_t, size_t);
extern void* __libc_realloc(void*, size_t);
static char *code_begin, *code_end;
static long allocation_at, n_allocations;

/* `at` 0 only counts. */
void faults_arm_allocations(void* begin, void* end, long at) {
    code_begin = begin;
    code_end = end;
    allocation_at = at;
    __atomic_store_n(&n_allocations, 0, __ATOMIC_RELAXED);
}

long faults_allocations(void) { return __atomic_load_n(&n_allocations, __ATOMIC_RELAXED); }

static int allocation_fails(void* caller) {
    if ((char*)caller < code_begin || (char*)caller >= code_end) return 0;
    return __atomic_add_fetch(&n_allocations, 1, __ATOMIC_RELAXED) == allocation_at;
}

void* malloc(size_t n) {
    return allocation_fails(__builtin_return_address(0)) ? NULL : __libc_malloc(n);
}

void* calloc(size_t n, size_t size) {
    return allocation_fails(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size);
}

void* realloc(void* data, size_t n) {
    return allocation_fails(__builtin_return_address(0)) ? NULL : __libc_realloc(data, n);
}
