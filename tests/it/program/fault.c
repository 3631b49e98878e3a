/* Makes calls of the file system fail, for tests: SER_FAULT="CALL:ERRNO:FIRST:TIMES:PART" lets the FIRST call on a path with PART in it and
   TIMES - 1 that follow end with ERRNO. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static int hit(const char *call, const char *path) {
    static long seen;
    char name[16], part[256];
    int error;
    long first, times;
    const char *fault = getenv("SER_FAULT");
    if (!fault || sscanf(fault, "%15[^:]:%d:%ld:%ld:%255s", name, &error, &first, &times, part) != 5) return 0;
    if (strcmp(name, call) || !strstr(path, part) || strstr(path, "runs.sqlite")) return 0;
    long now = __atomic_add_fetch(&seen, 1, __ATOMIC_RELAXED);
    if (now < first || now >= first + times) return 0;
    errno = error;
    return 1;
}

static int hit_open(const char *call, int file) {
    char link[64], path[4096];
    int before = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = before;
    if (length < 0) return 0;
    path[length] = 0;
    return hit(call, path);
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t read(int file, void *bytes, size_t n) { return hit_open("read", file) ? -1 : NEXT(read)(file, bytes, n); }
ssize_t pread64(int file, void *bytes, size_t n, off64_t at) { return hit_open("read", file) ? -1 : NEXT(pread64)(file, bytes, n, at); }
ssize_t write(int file, const void *bytes, size_t n) { return hit_open("write", file) ? -1 : NEXT(write)(file, bytes, n); }
ssize_t writev(int file, const struct iovec *parts, int n) { return hit_open("write", file) ? -1 : NEXT(writev)(file, parts, n); }
int fsync(int file) { return hit_open("fsync", file) ? -1 : NEXT(fsync)(file); }
int rename(const char *from, const char *to) { return hit("rename", to) ? -1 : NEXT(rename)(from, to); }
