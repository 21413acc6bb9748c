/* Reading files in the IDX format of MNIST. */
#include "idx.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

enum { MAX_AXES = 3, UNSIGNED_BYTE = 0x08, FIRST_CHUNK = 1 << 20 };

/* A file being read, and where to report what is wrong with it. */
struct reader {
    gzFile file;
    const char *path;
    char *error;
    size_t error_size;
};

/* Reads up to `size` bytes into `bytes`; *got says how many there were before the end of the file. */
static bool read_bytes(struct reader *r, unsigned char *bytes, size_t size, size_t *got)
{
    *got = 0;
    while (*got < size) {
        size_t rest = size - *got;
        int n = gzread(r->file, bytes + *got, rest < INT_MAX ? (unsigned)rest : INT_MAX);
        if (n <= 0)
            break;
        *got += (size_t)n;
    }
    /* A gzip stream that is cut short does not make gzread fail: it only leaves Z_BUF_ERROR behind. */
    int status;
    const char *text = gzerror(r->file, &status);
    if (status == Z_OK || status == Z_STREAM_END)
        return true;
    if (status == Z_BUF_ERROR)
        snprintf(r->error, r->error_size, "%s: the gzip stream is cut short", r->path);
    else
        snprintf(r->error, r->error_size, "%s%s", status == Z_MEM_ERROR ? "zlib: " : "", text);
    return false;
}

static bool read_header(struct reader *r, int axes, int64_t *sizes, size_t *payload)
{
    unsigned char header[4 + 4 * MAX_AXES];
    size_t length = 4 + 4 * (size_t)axes, got;
    if (!read_bytes(r, header, length, &got))
        return false;
    if (got < length) {
        snprintf(r->error, r->error_size, "%s: holds %zu bytes, less than the header's %zu", r->path, got, length);
        return false;
    }
    uint32_t words[1 + MAX_AXES] = {0};
    for (int i = 0; i <= axes; i++) {
        const unsigned char *b = header + 4 * i;
        words[i] = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    }
    uint32_t magic = UNSIGNED_BYTE << 8 | (uint32_t)axes;
    if (words[0] != magic) {
        snprintf(r->error, r->error_size, "%s: the magic number is 0x%08x instead of 0x%08x", r->path, words[0], magic);
        return false;
    }
    *payload = 1;
    for (int i = 0; i < axes; i++) {
        sizes[i] = words[1 + i];
        if (sizes[i] == 0) {
            snprintf(r->error, r->error_size, "%s: axis %d has length 0", r->path, i);
            return false;
        }
        if (__builtin_mul_overflow(*payload, (size_t)sizes[i], payload)) {
            snprintf(r->error, r->error_size, "%s: the sizes in the header are too large", r->path);
            return false;
        }
    }
    return true;
}

static bool read_payload(struct reader *r, size_t payload, unsigned char **bytes)
{
    size_t filled = 0, capacity = 0;
    while (filled < payload) {
        capacity = capacity == 0 ? FIRST_CHUNK : capacity * 2;
        /* The second comparison catches a doubling that wrapped round. */
        if (capacity > payload || capacity < filled)
            capacity = payload;
        unsigned char *grown = realloc(*bytes, capacity);
        if (grown == NULL) {
            snprintf(r->error, r->error_size, "%s: out of memory for %zu bytes", r->path, capacity);
            return false;
        }
        *bytes = grown;
        size_t got;
        if (!read_bytes(r, *bytes + filled, capacity - filled, &got))
            return false;
        filled += got;
        if (filled < capacity) {
            snprintf(r->error, r->error_size, "%s: cut short: %zu bytes of data, but the header promises %zu", r->path,
                     filled, payload);
            return false;
        }
    }
    /* Reading on also makes zlib compare the checksum at the end of a gzip stream. */
    unsigned char extra;
    size_t got;
    if (!read_bytes(r, &extra, 1, &got))
        return false;
    if (got != 0) {
        snprintf(r->error, r->error_size, "%s: goes on after the %zu bytes of data that the header promises", r->path,
                 payload);
        return false;
    }
    return true;
}

bool idx_read(const char *path, int axes, int64_t *sizes, unsigned char **bytes, char *error, size_t error_size)
{
    *bytes = NULL;
    /* Opening a pipe would wait for a writer. */
    struct stat status;
    if (stat(path, &status) != 0) {
        snprintf(error, error_size, "%s: %s", path, strerror(errno));
        return false;
    }
    if (!S_ISREG(status.st_mode)) {
        snprintf(error, error_size, "%s: not a regular file", path);
        return false;
    }
    errno = 0;
    struct reader r = {gzopen(path, "rb"), path, error, error_size};
    if (r.file == NULL) {
        snprintf(error, error_size, "%s: %s", path, errno == 0 ? "out of memory" : strerror(errno));
        return false;
    }
    gzbuffer(r.file, 1 << 17);
    size_t payload;
    bool good = read_header(&r, axes, sizes, &payload) && read_payload(&r, payload, bytes);
    gzclose_r(r.file);
    if (!good) {
        free(*bytes);
        *bytes = NULL;
    }
    return good;
}

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

bool dataset_load(struct dataset *set, const char *folder, bool train, int64_t classes, char *error, size_t error_size)
{
    memset(set, 0, sizeof *set);
    const char *half = train ? "train" : "t10k";
    char image_path[PATH_MAX], label_path[PATH_MAX];
    int64_t image_sizes[3], label_count;
    if (!find_file(image_path, sizeof image_path, folder, half, "images", 3, error, error_size) ||
        !find_file(label_path, sizeof label_path, folder, half, "labels", 1, error, error_size) ||
        !idx_read(image_path, 3, image_sizes, &set->images, error, error_size) ||
        !idx_read(label_path, 1, &label_count, &set->labels, error, error_size))
        goto fail;
    set->count = image_sizes[0];
    set->rows = image_sizes[1];
    set->columns = image_sizes[2];
    if (label_count != set->count) {
        snprintf(error, error_size, "%s holds %lld images but %s holds %lld labels", image_path, (long long)set->count,
                 label_path, (long long)label_count);
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
    free(set->images);
    free(set->labels);
    memset(set, 0, sizeof *set);
}
