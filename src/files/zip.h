/* Zip archives, with the additions for large ones (zip64): members that are stored as they are or deflated. */
#ifndef REEL_FILES_ZIP_H
#define REEL_FILES_ZIP_H

#include "files/compressed.h"
#include "files/crc32.h"

struct reel_zip_member {
    char *name;
    bool deflated;
    uint32_t crc;
    int64_t offset;       /* of its header */
    int64_t at;           /* where its bytes begin */
    int64_t packed, size; /* bytes in the file, and what they hold */
};

struct reel_zip {
    int64_t count, capacity;
    struct reel_zip_member *members; /* in the order of the directory */
    char *directory;                 /* which names point into */
    struct reel_crc32 crc;
};

/* Reads and checks the directory and the headers of the members whose names end in `suffix`; others are left out. Names
 * are UTF-8, members do not overlap. Release it in any case. */
reel_status reel_zip_read(const struct reel_input *input, const char *suffix, struct reel_zip *zip);
void reel_zip_release(reel_context *context, struct reel_zip *zip);

/* What a member holds. When its last byte is read and none was passed over, the checksum is compared. Close it in any
 * case. */
struct reel_zip_source {
    struct reel_source source;
    const struct reel_zip *zip;
    const struct reel_zip_member *member;
    struct reel_input_part part;
    struct reel_inflated inflated;
    int64_t done;
    bool passed_over;
    uint32_t sum;
};
void reel_zip_source_open(struct reel_zip_source *source, const struct reel_input *input, const struct reel_zip *zip,
                          const struct reel_zip_member *member);
void reel_zip_source_close(struct reel_zip_source *source);

/* Writing: begin a member, write what it holds, end it; then, after the last one, the directory. */
struct reel_zip_writer {
    struct reel_atomic_file *file;
    struct reel_crc32 crc;
    int64_t at; /* the end of the file */
    struct reel_zip_member *members;
    int64_t count;
    struct reel_deflated deflated;
};

/* `members` is room for all of them. Failures are in the file's context. */
void reel_zip_writer_open(struct reel_zip_writer *writer, struct reel_atomic_file *file,
                          struct reel_zip_member *members);
/* The bytes of a member that is not deflated begin at a multiple of 64. The name lives until the finish. */
reel_status reel_zip_begin(struct reel_zip_writer *writer, char *name, bool deflated);
reel_status reel_zip_write(struct reel_zip_writer *writer, const void *bytes, int64_t size);
reel_status reel_zip_end(struct reel_zip_writer *writer);
reel_status reel_zip_finish(struct reel_zip_writer *writer);

#endif
