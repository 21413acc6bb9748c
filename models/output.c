/* Writing a file beside the one that it replaces. */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static bool fail(const char *path, int reason, char *error, size_t error_size)
{
    snprintf(error, error_size, "%s: %s", path, strerror(reason));
    return false;
}

/* PATH with its last part cut so that a name of 255 bytes leaves room, then process, time and ".tmp": a file that a
 * killed process of the same number left has another time. */
static bool name_temporary(struct output *o)
{
    enum { LONGEST_NAME = 255, ADDED = 48 };
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    char added[ADDED];
    int n = snprintf(added, sizeof added, ".%lx-%llx%08lx" OUTPUT_ENDING, (unsigned long)getpid(),
                     (unsigned long long)now.tv_sec, (unsigned long)now.tv_nsec);
    const char *slash = strrchr(o->path, '/'), *name = slash ? slash + 1 : o->path;
    size_t folder = (size_t)(name - o->path), kept = strlen(name);
    if (kept > (size_t)(LONGEST_NAME - n))
        kept = (size_t)(LONGEST_NAME - n);
    /* Not in the middle of a character. */
    while (kept > 0 && ((unsigned char)name[kept] & 0xc0) == 0x80)
        kept--;
    int length = snprintf(o->temporary, sizeof o->temporary, "%.*s%s", (int)(folder + kept), o->path, added);
    return length > 0 && (size_t)length < sizeof o->temporary;
}

bool output_open(struct output *o, const char *path, char *error, size_t error_size)
{
    o->path = path;
    o->file = NULL;
    /* The rename would put a file in the place of a device or a link. */
    struct stat status;
    if (lstat(path, &status) == 0) {
        if (!S_ISREG(status.st_mode)) {
            snprintf(error, error_size, "%s: exists and is not a regular file", path);
            return false;
        }
    } else if (errno != ENOENT)
        return fail(path, errno, error, error_size);
    int descriptor;
    do {
        if (!name_temporary(o))
            return fail(path, ENAMETOOLONG, error, error_size);
        descriptor = open(o->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    } while (descriptor < 0 && (errno == EEXIST || errno == EINTR));
    if (descriptor < 0)
        return fail(path, errno, error, error_size);
    o->file = fdopen(descriptor, "wb");
    if (o->file) {
        errno = 0;
        return true;
    }
    fail(path, errno, error, error_size);
    close(descriptor);
    unlink(o->temporary);
    return false;
}

static int flush(FILE *file)
{
    int status;
    do
        status = fsync(fileno(file));
    while (status != 0 && errno == EINTR);
    return status;
}

bool output_close(struct output *o, bool good, char *error, size_t error_size)
{
    /* Whoever wrote may only know that writing failed: libpng says "Write Error". */
    int reason = ferror(o->file) ? errno : 0;
    if (good && !reason && (fflush(o->file) != 0 || flush(o->file) != 0))
        reason = errno;
    /* A close that is interrupted has closed it. */
    if (fclose(o->file) != 0 && errno != EINTR && good && !reason)
        reason = errno;
    o->file = NULL;
    if (good && !reason && rename(o->temporary, o->path) == 0)
        return true;
    if (good && !reason)
        reason = errno;
    if (reason)
        fail(o->path, reason, error, error_size);
    unlink(o->temporary);
    return false;
}
