/* Writing a file beside its target, flushing it, and renaming it over the target. */
#include "files/atomic_file.h"

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static reel_status fail_system(const struct reel_atomic_file *file, const char *what)
{
    char path[REEL_PRINTABLE];
    return reel_fail(file->context, REEL_ERROR_IO, "\"%s\": cannot %s: %s", reel_printable(file->path, path), what,
                     reel_system_text(errno));
}

enum { LONGEST_NAME = 255, ADDED = 48 };

/* The target's path, its name cut where the file system asks for it, then process, time and ".tmp". What a process that
 * was killed left has another time, so it never stands in the way. `text` has room for the path and ADDED bytes. */
static void name_temporary(const struct reel_atomic_file *file, char *text)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    char added[ADDED];
    int length = snprintf(added, sizeof added, ".%lx-%llx%08lx.tmp", (unsigned long)getpid(),
                          (unsigned long long)now.tv_sec, (unsigned long)now.tv_nsec);
    const char *slash = strrchr(file->path, '/'), *name = slash ? slash + 1 : file->path;
    size_t kept = strlen(name), most = (size_t)(LONGEST_NAME - length);
    if (kept > most) {
        kept = most;
        /* Not in the middle of a character. */
        while (kept > 0 && ((unsigned char)name[kept] & 0xc0) == 0x80)
            kept--;
    }
    size_t before = (size_t)(name - file->path) + kept;
    memcpy(text, file->path, before);
    memcpy(text + before, added, (size_t)length + 1);
}

/* Begins to write beside what is at the path; what it does not come to is undone by reel_atomic_file_close. */
static reel_status begin(struct reel_atomic_file *file)
{
    reel_context *c = file->context;
    struct stat old;
    bool exists = lstat(file->path, &old) == 0;
    /* Taken for a new file, an old one would lose its permissions. */
    if (!exists && errno != ENOENT)
        return fail_system(file, "look at it");
    if (exists && S_ISLNK(old.st_mode)) {
        if (!realpath(file->path, file->resolved) || stat(file->resolved, &old) != 0)
            return fail_system(file, "follow the link");
        file->path = file->resolved;
    }
    if (exists && !S_ISREG(old.st_mode)) {
        char printable[REEL_PRINTABLE];
        return reel_fail(c, REEL_ERROR_IO, "\"%s\": exists and is not a regular file",
                         reel_printable(file->path, printable));
    }
    /* Beside the target, since a rename cannot leave a file system. */
    size_t size = strlen(file->path) + ADDED;
    file->temporary = reel_allocate(&c->memory, size);
    if (!file->temporary)
        return reel_fail_memory(c, "the name of a file", size);
    do {
        name_temporary(file, file->temporary);
        file->fd = open(file->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    } while (file->fd < 0 && (errno == EEXIST || errno == EINTR));
    if (file->fd < 0)
        return fail_system(file, "write beside it");
    if (exists && fchmod(file->fd, old.st_mode & 0777) != 0)
        return fail_system(file, "keep its permissions");
    return REEL_OK;
}

reel_atomic_file *reel_atomic_file_open(reel_context *context, const char *path)
{
    if (!context || context->status != REEL_OK)
        return NULL;
    if (!path) {
        reel_fail(context, REEL_ERROR_ARGUMENT, "atomic_file: the path is NULL");
        return NULL;
    }
    size_t size = sizeof(reel_atomic_file) + strlen(path) + 1;
    reel_atomic_file *file = reel_allocate(&context->memory, size);
    if (!file) {
        reel_fail_memory(context, "a file", size);
        return NULL;
    }
    char *name = (char *)(file + 1);
    strcpy(name, path);
    file->context = context;
    file->path = name;
    file->temporary = NULL;
    file->fd = -1;
    if (begin(file) == REEL_OK)
        return file;
    reel_atomic_file_close(file);
    return NULL;
}

reel_status reel_atomic_file_write(reel_atomic_file *file, const void *data, int64_t size)
{
    enum { PIECE = 1 << 30 };
    if (!file)
        return REEL_ERROR_ARGUMENT;
    reel_context *c = file->context;
    if (size < 0 || (size > 0 && !data))
        return reel_fail(c, REEL_ERROR_ARGUMENT, "atomic_file: %s",
                         size < 0 ? "there are no bytes to write" : "the bytes are NULL");
    const char *from = data;
    while (size > 0 && c->status == REEL_OK) {
        ssize_t written = write(file->fd, from, (size_t)(size < PIECE ? size : PIECE));
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return fail_system(file, "write it");
        from += written;
        size -= written;
    }
    return c->status;
}

reel_status reel_atomic_file_rewrite(struct reel_atomic_file *file, const void *data, int64_t size, int64_t at)
{
    const char *from = data;
    while (size > 0 && file->context->status == REEL_OK) {
        ssize_t written = pwrite(file->fd, from, (size_t)size, at);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return fail_system(file, "write it");
        from += written;
        at += written;
        size -= written;
    }
    return file->context->status;
}

/* The rename itself is on the disk only when its folder is. The data is safe either way, so a folder that cannot be
 * flushed is no error. */
static void flush_folder(struct reel_atomic_file *file)
{
    char *end = strrchr(file->temporary, '/');
    if (end == file->temporary)
        end++;
    if (end)
        *end = '\0';
    int folder = open(end ? file->temporary : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder >= 0) {
        (void)!fsync(folder);
        close(folder);
    }
}

static reel_status replace_target(struct reel_atomic_file *file)
{
    int flushed;
    do
        flushed = fsync(file->fd);
    while (flushed != 0 && errno == EINTR);
    if (flushed != 0)
        return fail_system(file, "flush it");
    /* A close that is interrupted has closed it. */
    bool closed = close(file->fd) == 0 || errno == EINTR;
    file->fd = -1;
    if (!closed)
        return fail_system(file, "close it");
    if (rename(file->temporary, file->path) != 0)
        return fail_system(file, "replace it");
    flush_folder(file);
    return REEL_OK;
}

reel_status reel_atomic_file_close(reel_atomic_file *file)
{
    if (!file)
        return REEL_ERROR_ARGUMENT;
    reel_context *c = file->context;
    bool created = file->fd >= 0;
    if (created && c->status == REEL_OK)
        replace_target(file);
    if (file->fd >= 0)
        close(file->fd);
    if (created && c->status != REEL_OK)
        unlink(file->temporary);
    reel_free(&c->memory, file->temporary);
    reel_free(&c->memory, file);
    return c->status;
}
