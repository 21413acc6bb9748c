/* Saving: a folder for each checkpoint, made beside the others under another name, and a link to the newest. */
#include "save.h"

#include <reel/safetensors.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char BEGIN[] = "checkpoint-", TEMPORARY[] = ".tmp";

static reel_status fail_system(reel_context *c, const char *path, const char *what)
{
    return reel_fail(c, REEL_ERROR_IO, "\"%.300s\": cannot %s: error %d of the system", path, what, errno);
}

/* The number of "checkpoint-12", or with `temporary` of "checkpoint-12.tmp"; -1 for another name. */
static int64_t number_of(const char *name, bool temporary)
{
    if (strncmp(name, BEGIN, sizeof BEGIN - 1) != 0 ||
        !(name[sizeof BEGIN - 1] >= '0' && name[sizeof BEGIN - 1] <= '9'))
        return -1;
    char *end;
    errno = 0;
    long long number = strtoll(name + sizeof BEGIN - 1, &end, 10);
    return errno == 0 && strcmp(end, temporary ? TEMPORARY : "") == 0 ? (int64_t)number : -1;
}

/* Removes a folder with what is in it, and in the folders there. What cannot be removed stays. */
static void remove_folder(int parent, const char *name, int depth)
{
    int descriptor = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *stream = descriptor >= 0 ? fdopendir(descriptor) : NULL;
    if (!stream) {
        if (descriptor >= 0)
            close(descriptor);
        return;
    }
    for (const struct dirent *entry; (entry = readdir(stream)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            unlinkat(descriptor, entry->d_name, 0) != 0 && depth > 0)
            remove_folder(descriptor, entry->d_name, depth - 1);
    closedir(stream);
    unlinkat(parent, name, AT_REMOVEDIR);
}

/* Removes what saves that did not come to their end have left, and complete ones before `least`; gives the largest
 * number. */
static int64_t clean(const char *folder, int64_t least)
{
    int64_t largest = 0;
    DIR *stream = opendir(folder);
    for (const struct dirent *entry; stream && (entry = readdir(stream)) != NULL;) {
        int64_t number = number_of(entry->d_name, false);
        if (number_of(entry->d_name, true) >= 0 || (number >= 0 && number < least))
            remove_folder(dirfd(stream), entry->d_name, 1);
        largest = number > largest ? number : largest;
    }
    if (stream)
        closedir(stream);
    return largest;
}

static void flush_folder(const char *path)
{
    int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return;
    (void)!fsync(descriptor);
    close(descriptor);
}

/* On rank 0: the folder to be filled. Gives the number of the checkpoint. */
static int64_t make_folder(reel_context *c, const char *folder)
{
    char path[PATH_MAX], run[PATH_MAX], name[64];
    if (mkdir(folder, 0777) != 0 && errno != EEXIST) {
        fail_system(c, folder, "make it");
        return 0;
    }
    int64_t number = clean(folder, 0) + 1;
    snprintf(name, sizeof name, "%s%lld%s", BEGIN, (long long)number, TEMPORARY);
    if (reel_mpi_join_path(c, path, folder, name) != REEL_OK)
        return 0;
    if (mkdir(path, 0777) != 0)
        fail_system(c, path, "make it");
    else if (reel_mpi_join_path(c, run, path, REEL_MPI_RUN) == REEL_OK && mkdir(run, 0777) != 0)
        fail_system(c, run, "make it");
    return number;
}

/* On rank 0: the folder is full, gets its name, and the link leads to it. */
static void finish_folder(reel_context *c, const char *folder, const char *path, int64_t number)
{
    char final[PATH_MAX], link[PATH_MAX], name[64];
    snprintf(name, sizeof name, "%s%lld", BEGIN, (long long)number);
    if (reel_mpi_join_path(c, link, path, REEL_MPI_RUN) == REEL_OK)
        flush_folder(link);
    flush_folder(path);
    if (reel_mpi_join_path(c, final, folder, name) != REEL_OK ||
        reel_mpi_join_path(c, link, folder, REEL_MPI_LATEST ".tmp") != REEL_OK)
        return;
    if (rename(path, final) != 0) {
        fail_system(c, path, "rename it");
        return;
    }
    flush_folder(folder);
    unlink(link);
    if (reel_mpi_join_path(c, final, folder, REEL_MPI_LATEST) != REEL_OK)
        return;
    if (symlink(name, link) != 0 || rename(link, final) != 0) {
        fail_system(c, final, "replace the link");
        return;
    }
    flush_folder(folder);
    clean(folder, number);
}

/* What one rank has and another lacks is held: zeros are saved there. */
static reel_status agree_on_held(struct reel_mpi_contents *contents)
{
    reel_mpi *mpi = contents->mpi;
    const size_t n = (size_t)contents->count;
    char *mine = contents->held.data, *all = mine + n;
    for (size_t i = 0; i < n; i++)
        mine[i] = contents->tensors[i].is_held;
    /* A gather has room for REEL_MPI_TEXT bytes of each rank. */
    for (size_t first = 0; first < n; first += REEL_MPI_TEXT) {
        size_t size = n - first < REEL_MPI_TEXT ? n - first : REEL_MPI_TEXT;
        if (reel_mpi_gather(mpi, mine + first, size, all) != REEL_OK)
            break;
        for (size_t i = 0; i < size; i++)
            for (int r = 0; r < mpi->ranks; r++)
                if (all[(size_t)r * size + i])
                    contents->tensors[first + i].is_held = true;
    }
    return reel_context_status(mpi->context);
}

/* The rest is the same on every rank: an empty checkpoint has the generator. */
static void save_rest(reel_mpi *mpi, reel_checkpoint *rest, const char *folder)
{
    char path[PATH_MAX];
    reel_checkpoint *own = rest ? NULL : reel_checkpoint_new(mpi->context);
    if (reel_mpi_join_path(mpi->context, path, folder, REEL_MPI_REST) == REEL_OK)
        reel_checkpoint_save(rest ? rest : own, path);
    reel_checkpoint_free(own);
}

/* What the random numbers of shards depend on. */
static void save_group(reel_mpi *mpi, const char *folder)
{
    char path[PATH_MAX];
    const int64_t seed = (int64_t)mpi->seed, loops = (int64_t)mpi->loops;
    const reel_named_array arrays[] = {{"seed", REEL_INT64, REEL_SCALAR, &seed},
                                       {"loops", REEL_INT64, REEL_SCALAR, &loops}};
    if (reel_mpi_join_path(mpi->context, path, folder, REEL_MPI_GROUP) == REEL_OK)
        reel_safetensors_write(mpi->context, path, arrays, 2);
}

static void write_all(struct reel_mpi_contents *contents, reel_checkpoint *rest, const char *path)
{
    reel_mpi *mpi = contents->mpi;
    char run[PATH_MAX], name[64], file[PATH_MAX];
    snprintf(name, sizeof name, REEL_MPI_FILE, mpi->rank + 1);
    reel_mpi_join_path(mpi->context, run, path, REEL_MPI_RUN);
    reel_mpi_join_path(mpi->context, file, path, name);
    reel_mpi_write_file(contents, 0, contents->model, file);
    if (contents->optim && !mpi->broken) {
        reel_mpi_join_path(mpi->context, file, run, name);
        reel_mpi_write_file(contents, contents->model, contents->count, file);
    }
    if (mpi->rank > 0 || mpi->broken)
        return;
    save_rest(mpi, rest, run);
    save_group(mpi, run);
    reel_mpi_join_path(mpi->context, file, path, "model.safetensors.index.json");
    reel_mpi_write_index(contents, file);
}

reel_status reel_mpi_save(reel_mpi *mpi, reel_params *params, reel_optim *optim, reel_checkpoint *rest,
                          const char *folder)
{
    if (!mpi)
        return REEL_ERROR_ARGUMENT;
    reel_context *c = mpi->context;
    struct reel_mpi_contents contents;
    char path[PATH_MAX] = "", name[64];
    reel_mpi_contents_make(&contents, mpi, params, optim);
    if (!folder)
        reel_fail(c, REEL_ERROR_ARGUMENT, "mpi_save: the folder is NULL");
    if (reel_mpi_agree_at(mpi, REEL_MPI_AT_SAVE, reel_mpi_contents_hash(&contents), 0) == REEL_OK &&
        agree_on_held(&contents) == REEL_OK) {
        int64_t number = mpi->rank == 0 ? make_folder(c, folder) : 0;
        if (reel_mpi_agree_at(mpi, REEL_MPI_AT_SAVE, 0, number) == REEL_OK) {
            number = reel_mpi_records(mpi)[0].number;
            snprintf(name, sizeof name, "%s%lld%s", BEGIN, (long long)number, TEMPORARY);
            reel_mpi_join_path(c, path, folder, name);
            write_all(&contents, rest, path);
            if (reel_mpi_agree_at(mpi, REEL_MPI_AT_SAVE, 0, 0) == REEL_OK && mpi->rank == 0)
                finish_folder(c, folder, path, number);
            else if (mpi->rank == 0)
                clean(folder, 0);
            if (!mpi->broken)
                reel_mpi_agree_at(mpi, REEL_MPI_AT_SAVE, 0, 0);
        }
    }
    reel_mpi_contents_release(&contents);
    return reel_context_status(c);
}
