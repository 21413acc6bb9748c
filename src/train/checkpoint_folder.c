/* A folder of checkpoints: the last ones are kept, and a link leads to the newest. */

#include "base/text.h"
#include "train/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char LATEST[] = "latest", ENDING[] = ".safetensors";

static reel_status fail_system(reel_context *c, const char *folder, const char *what)
{
    char path[REEL_PRINTABLE];
    return reel_fail(c, REEL_ERROR_IO, "\"%s\": cannot %s: %s", reel_printable(folder, path), what,
                     reel_system_text(errno));
}

/* The step of "checkpoint-12.safetensors", or of a file on the way there, whose name goes on; -1 for another name. */
static int64_t step_of(const char *name, bool complete)
{
    static const char begin[] = "checkpoint-";
    if (strncmp(name, begin, sizeof begin - 1) != 0 ||
        !(name[sizeof begin - 1] >= '0' && name[sizeof begin - 1] <= '9'))
        return -1;
    char *end;
    errno = 0;
    long long step = strtoll(name + sizeof begin - 1, &end, 10);
    if (errno != 0 || strncmp(end, ENDING, sizeof ENDING - 1) != 0)
        return -1;
    size_t length = strlen(name);
    const char *rest = end + sizeof ENDING - 1;
    bool temporary = *rest && length > 4 && strcmp(name + length - 4, ".tmp") == 0;
    return (complete ? *rest == '\0' : temporary) ? (int64_t)step : -1;
}

/* The link is made beside the old one and takes its place, as files do. */
static reel_status link_latest(reel_context *c, const char *folder, int descriptor, const char *name)
{
    static const char temporary[] = "latest.tmp"; /* one that a killed process left is in nobody's way */
    unlinkat(descriptor, temporary, 0);
    if (symlinkat(name, descriptor, temporary) != 0)
        return fail_system(c, folder, "make the link \"latest\" in it");
    if (renameat(descriptor, temporary, descriptor, LATEST) != 0) {
        fail_system(c, folder, "replace the link \"latest\" in it");
        unlinkat(descriptor, temporary, 0);
        return c->status;
    }
    /* The link is safe when the folder is; the files are either way. */
    (void)!fsync(descriptor);
    return REEL_OK;
}

/* The largest step below `step` of a whole file; -1 when there is none. */
static int64_t step_before(DIR *stream, int64_t step)
{
    int64_t best = -1;
    rewinddir(stream);
    for (const struct dirent *entry; (entry = readdir(stream)) != NULL;) {
        int64_t found = step_of(entry->d_name, true);
        if (found < step && found > best)
            best = found;
    }
    return best;
}

/* Removes the files of steps below the last `keep` ones up to `step`, and what killed processes left. */
static void remove_old(const char *folder, int64_t step, int keep)
{
    DIR *stream = opendir(folder);
    int64_t least = step;
    for (int i = 1; stream && i < keep && least >= 0; i++)
        least = step_before(stream, least);
    if (stream)
        rewinddir(stream);
    for (const struct dirent *entry; stream && (entry = readdir(stream)) != NULL;) {
        int64_t found = step_of(entry->d_name, true), left_over = step_of(entry->d_name, false);
        if ((found >= 0 && found < least) || (left_over >= 0 && left_over <= step))
            unlinkat(dirfd(stream), entry->d_name, 0);
    }
    if (stream)
        closedir(stream);
}

reel_status reel_checkpoint_save_in(reel_checkpoint *checkpoint, const char *folder, int64_t step, int keep)
{
    reel_context *c = reel_checkpoint_context(checkpoint);
    if (!c || c->status != REEL_OK)
        return reel_context_status(c);
    char name[64], path[PATH_MAX];
    if (!folder || step < 0 || keep < 1)
        return reel_fail(c, REEL_ERROR_ARGUMENT,
                         "checkpoint_save_in: folder is NULL, step %lld below 0 or keep %d "
                         "below 1",
                         (long long)step, keep);
    snprintf(name, sizeof name, "checkpoint-%lld%s", (long long)step, ENDING);
    if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, name) >= sizeof path) {
        errno = ENAMETOOLONG;
        return fail_system(c, folder, "write into it");
    }
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return fail_system(c, folder, "make it");
    if (reel_checkpoint_save(checkpoint, path) != REEL_OK)
        return c->status;
    int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return fail_system(c, folder, "open it");
    if (link_latest(c, folder, descriptor, name) == REEL_OK)
        remove_old(folder, step, keep);
    close(descriptor);
    return c->status;
}
