/* Files of bytes in the IDX format, plain and compressed, good and bad. */
#include "files/folder.h"
#include "support/allocator.h"

#include <reel/reel.h>

#include <zlib.h>

TestSuite(idx, .init = make_folder, .fini = remove_folder);

enum { ROWS = 3, COLUMNS = 5, COUNT = 4, HEADER = 16, SIZE = HEADER + COUNT * ROWS * COLUMNS };

static unsigned char good[SIZE + 1];

static void put_word(unsigned char *bytes, uint32_t word)
{
    for (int i = 0; i < 4; i++)
        bytes[i] = (unsigned char)(word >> (24 - 8 * i));
}

static void make_good(void)
{
    put_word(good, 0x803);
    put_word(good + 4, COUNT);
    put_word(good + 8, ROWS);
    put_word(good + 12, COLUMNS);
    for (int i = HEADER; i < SIZE; i++)
        good[i] = (unsigned char)(i * 37 + 11);
}

/* In the form that `mode` names to zlib; "a" appends another member. */
static void put_gzip(const void *bytes, size_t size, const char *mode)
{
    gzFile file = gzopen(path, mode);
    cr_assert_not_null(file);
    cr_assert_eq(gzwrite(file, bytes, (unsigned)size), (int)size);
    cr_assert_eq(gzclose(file), Z_OK);
}

static void expect_good(reel_context *c)
{
    reel_idx *file = reel_idx_open(c, path);
    cr_assert_not_null(file, "%s", reel_error(c));
    reel_shape shape = reel_idx_shape(file), want = REEL_SHAPE(COUNT, ROWS, COLUMNS);
    cr_assert(reel_shape_equal(&shape, &want));
    cr_assert_arr_eq(reel_idx_bytes(file), good + HEADER, SIZE - HEADER);
    reel_idx_close(file);
}

static void expect_refused(reel_context *c, const char *piece)
{
    cr_assert_null(reel_idx_open(c, path));
    expect_error(c, REEL_ERROR_FORMAT, piece);
}

Test(idx, reads_plain_and_compressed_files)
{
    reel_context *c = reel_context_new(NULL);
    make_good();
    put_file(good, SIZE);
    expect_good(c);
    put_gzip(good, SIZE, "wb");
    expect_good(c);
    /* Members of gzip one after the other are one file, and what follows and is none is ignored. */
    put_gzip(good, 20, "wb");
    put_gzip(good + 20, 0, "ab");
    put_gzip(good + 20, SIZE - 20, "ab");
    expect_good(c);
    int fd = open(path, O_WRONLY | O_APPEND);
    cr_assert_eq(write(fd, "\x1f and more", 10), 10);
    close(fd);
    expect_good(c);
    reel_context_free(c);
}

/* All memory comes from the context, and a loader takes what was read. */
Test(idx, reads_long_files)
{
    enum { N = 3000000 };
    struct counting memory;
    reel_context *c = counting_context(&memory, 1);
    int64_t live = memory.live;
    gzFile out = gzopen(path, "wb1");
    unsigned char header[8], *bytes = calloc(N, 1);
    put_word(header, 0x801);
    put_word(header + 4, N);
    bytes[0] = 7;
    bytes[N - 1] = 9;
    gzwrite(out, header, sizeof header);
    gzwrite(out, bytes, N);
    gzclose(out);
    reel_idx *file = reel_idx_open(c, path);
    cr_assert_not_null(file, "%s", reel_error(c));
    cr_assert_eq(reel_idx_shape(file).dim[0], N);
    cr_assert_arr_eq(reel_idx_bytes(file), bytes, N);
    free(bytes);
    reel_loader *loader = reel_loader_new(c, N, NULL);
    cr_assert_eq(reel_loader_add_bytes(loader, reel_idx_bytes(file), REEL_SCALAR), REEL_OK);
    reel_tape *t = reel_tape_new(c);
    reel_var x;
    cr_assert_eq(reel_loader_next(loader, t, &x), 1);
    cr_assert_eq(*(const int64_t *)reel_data(t, x), 7);
    reel_tape_free(t);
    reel_loader_free(loader);
    reel_idx_close(file);
    cr_assert_eq(memory.live, live);
    reel_context_free(c);
}

Test(idx, refuses_what_is_cut_short_or_goes_on)
{
    static unsigned char packed[SIZE + 100];
    reel_context *c = reel_context_new(NULL);
    make_good();
    for (size_t size = 0; size < SIZE; size++) {
        put_file(good, size);
        expect_refused(c, "it is cut short");
    }
    put_file(good, SIZE + 1);
    expect_refused(c, "goes on after the 60 bytes of [4, 3, 5]");
    put_gzip(good, SIZE + 1, "wb");
    expect_refused(c, "goes on after the 60 bytes of [4, 3, 5]");
    put_gzip(good, SIZE - 1, "wb");
    expect_refused(c, "it is cut short");
    put_gzip(good, SIZE, "wb");
    for (size_t size = get_file(packed, sizeof packed); size-- > 0;) {
        put_file(packed, size);
        expect_refused(c, "cut short");
    }
    put_gzip(good, SIZE, "wb");
    size_t size = get_file(packed, sizeof packed);
    packed[size - 6] ^= 1; /* in the checksum */
    put_file(packed, size);
    expect_refused(c, "damaged: incorrect data check");
    packed[size - 6] ^= 1;
    packed[3] |= 0x20; /* a flag that gzip does not know */
    put_file(packed, size);
    expect_refused(c, "damaged: unknown header flags set");
    reel_context_free(c);
}

Test(idx, refuses_other_headers)
{
    reel_context *c = reel_context_new(NULL);
    static const uint32_t magics[] = {0x800, 0x809, 0xd03, 0x10803};
    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++) {
        make_good();
        put_word(good, magics[i]);
        put_file(good, SIZE);
        expect_refused(c, "the magic number is 0x000");
    }
    make_good();
    put_word(good + 8, 0);
    put_file(good, SIZE);
    expect_refused(c, "axis 1 has length 0");
    /* More than 2^63 bytes, 2^64 / 2 and 2^40: a lie about the size costs no memory. */
    const uint32_t sizes[][3] = {{UINT32_MAX, UINT32_MAX, UINT32_MAX},
                                 {UINT32_MAX, UINT32_MAX, 1},
                                 {UINT32_MAX, 1u << 31, 1},
                                 {1 << 20, 1 << 20, 1}};
    for (int i = 0; i < 4; i++) {
        struct counting memory;
        reel_context *counted = counting_context(&memory, 1);
        size_t before = reel_memory(counted).peak_bytes;
        for (int axis = 0; axis < 3; axis++)
            put_word(good + 4 + 4 * axis, sizes[i][axis]);
        put_file(good, SIZE);
        expect_refused(counted, i < 2 ? "too large" : "cut short");
        put_gzip(good, SIZE, "wb");
        expect_refused(counted, i < 2 ? "too large" : "cut short");
        cr_assert_lt(reel_memory(counted).peak_bytes, before + (2 << 20));
        reel_context_free(counted);
        cr_assert_eq(memory.live, 0);
    }
    reel_context_free(c);
}

Test(idx, what_cannot_be_opened)
{
    reel_context *c = reel_context_new(NULL);
    cr_assert_null(reel_idx_open(c, path));
    expect_error(c, REEL_ERROR_IO, "cannot open it: No such file or directory");
    cr_assert_null(reel_idx_open(c, folder));
    expect_error(c, REEL_ERROR_IO, "not a regular file");
    cr_assert_eq(mkfifo(path, 0600), 0);
    cr_assert_null(reel_idx_open(c, path));
    expect_error(c, REEL_ERROR_IO, "not a regular file");
    cr_assert_null(reel_idx_open(c, NULL));
    expect_error(c, REEL_ERROR_ARGUMENT, "the path is NULL");
    reel_idx_close(NULL);
    reel_context_free(c);
}

Test(idx, out_of_memory)
{
    make_good();
    for (int compressed = 0; compressed < 2; compressed++) {
        struct counting memory;
        reel_context *c = counting_context(&memory, 1);
        int64_t live = memory.live;
        int failures = 0;
        if (compressed)
            put_gzip(good, SIZE, "wb");
        else
            put_file(good, SIZE);
        for (;; failures++) {
            memory.fail_at = memory.calls + failures;
            reel_idx *file = reel_idx_open(c, path);
            memory.fail_at = -1;
            reel_idx_close(file);
            cr_assert_eq(memory.live, live, "a leak");
            if (file)
                break;
            expect_error(c, REEL_ERROR_OUT_OF_MEMORY, "out of memory");
        }
        cr_assert_geq(failures, compressed ? 5 : 3);
        reel_context_free(c);
    }
}
