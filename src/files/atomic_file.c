/* Writing a file beside its target, flushing it, and renaming it over the target. */
#include "files/atomic_file.h"

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static reel_status fail_system(const struct reel_atomic_file *file, const char *what)
{
    char path[REEL_PRINTABLE];
    return reel_fail(file->context, REEL_ERROR_IO, "\"%s\": cannot %s: %s", reel_printable(file->path, path), what,
                     strerror(errno));
}

reel_status reel_atomic_file_open(struct reel_atomic_file *file, reel_context *context, const char *path)
{
    file->context = context;
    file->path = path;
    file->temporary = NULL;
    file->fd = -1;
    struct stat old;
    bool exists = lstat(path, &old) == 0;
    if (exists && S_ISLNK(old.st_mode)) {
        if (!realpath(path, file->resolved) || stat(file->resolved, &old) != 0)
            return fail_system(file, "follow the link");
        file->path = file->resolved;
    }
    if (exists && !S_ISREG(old.st_mode)) {
        char printable[REEL_PRINTABLE];
        return reel_fail(context, REEL_ERROR_IO, "\"%s\": exists and is not a regular file",
                         reel_printable(file->path, printable));
    }
    /* Beside the target, since a rename cannot leave a file system. */
    size_t size = strlen(file->path) + 48;
    file->temporary = reel_allocate(&context->memory, size);
    if (!file->temporary)
        return reel_fail_memory(context, "the name of a file", size);
    for (int attempt = 0; attempt < 100; attempt++) {
        snprintf(file->temporary, size, "%s.%ld.%d.tmp", file->path, (long)getpid(), attempt);
        file->fd = open(file->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (file->fd >= 0 || errno != EEXIST)
            break;
    }
    if (file->fd < 0)
        return fail_system(file, "write beside it");
    if (exists && fchmod(file->fd, old.st_mode & 0777) != 0)
        return fail_system(file, "keep its permissions");
    return REEL_OK;
}

reel_status reel_atomic_file_write(struct reel_atomic_file *file, const void *data, int64_t size)
{
    enum { PIECE = 1 << 30 };
    const char *from = data;
    while (size > 0 && file->context->status == REEL_OK) {
        ssize_t written = write(file->fd, from, (size_t)(size < PIECE ? size : PIECE));
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return fail_system(file, "write it");
        from += written;
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
    if (fsync(file->fd) != 0)
        return fail_system(file, "flush it");
    int closed = close(file->fd);
    file->fd = -1;
    if (closed != 0)
        return fail_system(file, "close it");
    if (rename(file->temporary, file->path) != 0)
        return fail_system(file, "replace it");
    flush_folder(file);
    return REEL_OK;
}

reel_status reel_atomic_file_close(struct reel_atomic_file *file)
{
    reel_context *c = file->context;
    bool created = file->fd >= 0;
    if (created && c->status == REEL_OK)
        replace_target(file);
    if (file->fd >= 0)
        close(file->fd);
    if (created && c->status != REEL_OK)
        unlink(file->temporary);
    reel_free(&c->memory, file->temporary);
    return c->status;
}
