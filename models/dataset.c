/* A folder's pictures and labels. */
#include "dataset.h"

#include <reel/context.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static bool too_long(char *error, size_t error_size)
{
    snprintf(error, error_size, "the name of the data folder is longer than %d bytes", PATH_MAX - 64);
    return false;
}

/* Writes to `path` the name of the first spelling of half-kind (train-images, say) that `folder` has, or that a folder
 * of that name holds. */
static bool find_file(char *path, size_t path_size, const char *folder, const char *half, const char *kind, int axes,
                      char *error, size_t error_size)
{
    static const char *const separators[] = {"-", "."}, *const endings[] = {"", ".gz"};
    struct stat status;
    for (int s = 0; s < 2; s++) {
        for (int e = 0; e < 2; e++) {
            char name[64];
            snprintf(name, sizeof name, "%s-%s%sidx%d-ubyte%s", half, kind, separators[s], axes, endings[e]);
            if ((size_t)snprintf(path, path_size, "%s/%s", folder, name) >= path_size)
                return too_long(error, error_size);
            bool found = stat(path, &status) == 0;
            if (found && S_ISDIR(status.st_mode)) {
                if ((size_t)snprintf(path, path_size, "%s/%s/%s", folder, name, name) >= path_size)
                    return too_long(error, error_size);
                found = stat(path, &status) == 0;
            }
            if (found)
                return true;
            if (errno != ENOENT && errno != ENOTDIR) {
                snprintf(error, error_size, "%s: %s", path, strerror(errno));
                return false;
            }
        }
    }
    if (stat(folder, &status) != 0)
        snprintf(error, error_size, "%s: %s", folder, strerror(errno));
    else if (!S_ISDIR(status.st_mode))
        snprintf(error, error_size, "%s: not a folder", folder);
    else
        snprintf(error, error_size, "%s: has no %s-%s-idx%d-ubyte[.gz]", folder, half, kind, axes);
    return false;
}

static bool check_labels(const struct dataset *set, const char *path, int64_t classes, char *error, size_t error_size)
{
    for (int64_t i = 0; i < set->count; i++) {
        if (set->labels[i] >= classes) {
            snprintf(error, error_size, "%s: label %d at position %lld is outside 0..%lld", path, set->labels[i],
                     (long long)i, (long long)classes - 1);
            return false;
        }
    }
    return true;
}

/* Reads one of the two files, which is to have so many axes. */
static bool read_file(struct dataset *set, int i, const char *path, int axes, char *error, size_t error_size)
{
    set->files[i] = reel_idx_open(set->context, path);
    if (!set->files[i]) {
        snprintf(error, error_size, "%s", set->context ? reel_error(set->context) : "out of memory");
        return false;
    }
    int found = reel_idx_shape(set->files[i]).ndim;
    if (found != axes)
        snprintf(error, error_size, "%s: %d axes instead of %d", path, found, axes);
    return found == axes;
}

bool dataset_load(struct dataset *set, const char *folder, bool train, int64_t classes, char *error, size_t error_size)
{
    memset(set, 0, sizeof *set);
    const char *half = train ? "train" : "t10k";
    char image_path[PATH_MAX], label_path[PATH_MAX];
    reel_context_options o = reel_context_defaults();
    o.num_threads = 1;
    set->context = reel_context_new(&o);
    if (!find_file(image_path, sizeof image_path, folder, half, "images", 3, error, error_size) ||
        !find_file(label_path, sizeof label_path, folder, half, "labels", 1, error, error_size) ||
        !read_file(set, 0, image_path, 3, error, error_size) || !read_file(set, 1, label_path, 1, error, error_size))
        goto fail;
    reel_shape images = reel_idx_shape(set->files[0]), labels = reel_idx_shape(set->files[1]);
    set->count = images.dim[0];
    set->rows = images.dim[1];
    set->columns = images.dim[2];
    set->images = reel_idx_bytes(set->files[0]);
    set->labels = reel_idx_bytes(set->files[1]);
    if (labels.dim[0] != set->count) {
        snprintf(error, error_size, "%s holds %lld images but %s holds %lld labels", image_path, (long long)set->count,
                 label_path, (long long)labels.dim[0]);
        goto fail;
    }
    if (!check_labels(set, label_path, classes, error, error_size))
        goto fail;
    return true;

fail:
    dataset_free(set);
    return false;
}

void dataset_free(struct dataset *set)
{
    for (int i = 0; i < 2; i++)
        reel_idx_close(set->files[i]);
    reel_context_free(set->context);
    memset(set, 0, sizeof *set);
}
