/* Arrays of numpy's files, and what must be refused. */
#include "files/folder.h"
#include "golden/npy.h"
#include "support/allocator.h"

#include <reel/reel.h>

#include <math.h>

TestSuite(npy, .init = make_folder, .fini = remove_folder);

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#ifdef REEL_F64
#define REAL_NAME "F64"
#else
#define REAL_NAME "F32"
#endif

/* The type that a case is read as, and whether it is reel's own. */
static reel_dtype dtype_of(const struct npy_case *k, bool *own)
{
    reel_dtype dtype = k->reals                       ? REEL_REAL
                       : strcmp(k->type, "BOOL") == 0 ? REEL_BOOL
                       : strcmp(k->type, "I32") == 0  ? REEL_INT32
                                                      : REEL_INT64;
    *own = dtype == REEL_BOOL || dtype == REEL_INT32 || strcmp(k->type, "I64") == 0 || strcmp(k->type, REAL_NAME) == 0;
    return dtype;
}

static void expect_value(const struct npy_case *k, int64_t i, reel_dtype dtype, const void *values, int64_t at)
{
    if (dtype == REEL_REAL) {
        reel_real want = (reel_real)k->reals[i], x = ((const reel_real *)values)[at];
        cr_assert(isnan(want) ? isnan(x) : x == want && !signbit(x) == !signbit(want), "%s[%lld] is %g, not %g",
                  k->name, (long long)i, (double)x, (double)want);
        return;
    }
    int64_t x = dtype == REEL_INT64   ? ((const int64_t *)values)[at]
                : dtype == REEL_INT32 ? ((const int32_t *)values)[at]
                                      : ((const unsigned char *)values)[at];
    cr_assert_eq(x, k->integers[i], "%s[%lld] is %lld", k->name, (long long)i, (long long)x);
}

Test(npy, reads_what_numpy_wrote)
{
    reel_context *c = reel_context_new(NULL);
    for (size_t n = 0; n < COUNT(npy_cases); n++) {
        const struct npy_case *k = &npy_cases[n];
        put_file(k->bytes, k->size);
        reel_npy *file = reel_npy_open(c, path);
        cr_assert_not_null(file, "%s: %s", k->name, reel_error(c));
        cr_assert_eq(reel_npy_count(file), 1);
        const reel_tensor_info *info = reel_npy_at(file, 0);
        cr_assert(info && reel_npy_find(file, "") == info && !reel_npy_find(file, "a") && !reel_npy_at(file, 1));
        cr_assert_str_eq(info->dtype, k->type, "%s", k->name);
        cr_assert(reel_shape_equal(&info->shape, &k->shape), "%s", k->name);

        bool own;
        reel_dtype dtype = dtype_of(k, &own);
        union {
            reel_real reals[64];
            int64_t integers[64];
        } all;
        cr_assert_eq(reel_npy_read(file, "", dtype, &all, info->numel), REEL_OK, "%s: %s", k->name, reel_error(c));
        for (int64_t i = 0; i < info->numel; i++)
            expect_value(k, i, dtype, &all, i);

        /* Every range of rows. */
        int64_t rows = k->shape.ndim > 0 && k->shape.dim[0] < 64 ? k->shape.dim[0] : 0;
        for (int64_t first = 0; first < rows; first++)
            for (int64_t count = 0; first + count <= rows; count++) {
                int64_t columns = info->numel / rows;
                cr_assert_eq(reel_npy_read_rows(file, "", dtype, first, count, &all), REEL_OK, "%s", reel_error(c));
                for (int64_t i = 0; i < count * columns; i++)
                    expect_value(k, first * columns + i, dtype, &all, i);
            }

        /* In place where it is plain, and the bytes that numpy wrote. */
        const void *mapped = reel_npy_map(file, "", k->type);
        cr_assert_eq(mapped != NULL, !k->transposed && !k->swapped, "%s: %s", k->name, reel_error(c));
        if (!mapped)
            expect_error(c, REEL_ERROR_FORMAT, k->swapped ? "in big-endian order" : "in Fortran order");
        for (int64_t i = 0; mapped && own && i < info->numel; i++)
            expect_value(k, i, dtype, mapped, i);
        if (mapped && own && strncmp(k->name, "version", 7) != 0) {
            unsigned char bytes[1024];
            cr_assert_eq(reel_npy_write(c, path, dtype, k->shape, mapped), REEL_OK, "%s", reel_error(c));
            cr_assert_eq(get_file(bytes, sizeof bytes), k->size, "%s", k->name);
            cr_assert_arr_eq(bytes, k->bytes, k->size, "%s", k->name);
        }
        reel_npy_close(file);
    }
    reel_context_free(c);
}

/* An array of more than a piece in each direction, in both orders. */
Test(npy, long_arrays_in_fortran_order)
{
    enum { ROWS = 1500, COLUMNS = 37, FIRST = 333, SOME = 1100 };
    static unsigned char bytes[10 + 118 + 2 * ROWS * COLUMNS];
    static int64_t all[ROWS * COLUMNS];
    int size =
        snprintf((char *)bytes + 10, 118, "{'descr': '>i2', 'fortran_order': True, 'shape': (%d, %d)}", ROWS, COLUMNS);
    memcpy(bytes, "\x93NUMPY\x01\x00", 8);
    bytes[8] = (unsigned char)size;
    for (int i = 0; i < ROWS * COLUMNS; i++) {
        bytes[10 + size + 2 * i] = (unsigned char)(i >> 8);
        bytes[10 + size + 2 * i + 1] = (unsigned char)i;
    }
    put_file(bytes, (size_t)(10 + size + 2 * ROWS * COLUMNS));
    reel_context *c = reel_context_new(NULL);
    reel_npy *file = reel_npy_open(c, path);
    cr_assert_eq(reel_npy_read(file, "", REEL_INT64, all, ROWS * COLUMNS), REEL_OK, "%s", reel_error(c));
    for (int row = 0; row < ROWS; row++)
        for (int column = 0; column < COLUMNS; column++)
            cr_assert_eq(all[row * COLUMNS + column], (int16_t)(column * ROWS + row));
    cr_assert_eq(reel_npy_read_rows(file, "", REEL_INT64, FIRST, SOME, all), REEL_OK, "%s", reel_error(c));
    for (int row = 0; row < SOME; row++)
        for (int column = 0; column < COLUMNS; column++)
            cr_assert_eq(all[row * COLUMNS + column], (int16_t)(column * ROWS + FIRST + row));
    reel_npy_close(file);
    reel_context_free(c);
}

/* A file with this header, padded to 64 bytes with the start, and so many bytes of ones after it. */
static void put_header(int version, const char *header, size_t data)
{
    unsigned char bytes[512] = "\x93NUMPY";
    size_t start = version == 1 ? 10 : 12, length = strlen(header), size = (start + length + 63) / 64 * 64;
    cr_assert(size + data <= sizeof bytes);
    bytes[6] = (unsigned char)version;
    bytes[7] = 0;
    for (size_t i = 8; i < start; i++)
        bytes[i] = (unsigned char)((size - start) >> 8 * (i - 8));
    memcpy(bytes + start, header, length);
    memset(bytes + start + length, ' ', size - start - length);
    memset(bytes + size, 1, data);
    put_file(bytes, size + data);
}

Test(npy, what_cannot_be_read)
{
    static const struct {
        const char *header;
        size_t data;
        const char *why; /* NULL: it can */
    } headers[] = {
        {"{\"shape\":(2,),\n'fortran_order':True,'descr':'u1'}\n", 2, NULL},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (2, 1,), }", 2, NULL},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': ()}", 1, NULL},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (2), }", 2, "',' expected"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (,), }", 2, "a whole number"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (-2,), }", 2, "a whole number"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (02,), }", 2, "a whole number"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (9223372036854775808,), }", 2, "does not fit 64 bits"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (4294967296, 4294967296, 0), }", 0, "too many elements"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (1, 1, 1, 1, 1, 1, 1, 1, 1), }", 1, "more than 8 axes"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (2 3), }", 6, "',' expected"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }", 2, "not just the 2 bytes"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }", 4, "not just the 4 bytes"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }", 12, "not just the 12 bytes"},
        {"{'descr': '|u1', 'fortran_order': 0, 'shape': (2,), }", 2, "True or False"},
        {"{'descr': '|u1', 'fortran_order': Falsey, 'shape': (2,), }", 2, "True or False"},
        {"{'descr': '|u1', 'shape': (2,), }", 2, "is missing"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (2,), 'more': 1}", 2, "none of descr"},
        {"{'descr': '|u1', 'descr': '|u1', 'fortran_order': False, 'shape': (2,)}", 2, "repeated"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}", 8, "a string expected"},
        {"{'descr': '|u1, 'fortran_order': False, 'shape': (2,), }", 2, "expected"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (2,), } 1", 2, "something follows"},
        {"('descr', '|u1', 'fortran_order', False, 'shape', (2,))", 2, "must begin with '{'"},
        {"", 2, "must begin with '{'"},
    };
    reel_context *c = reel_context_new(NULL);
    for (size_t i = 0; i < COUNT(headers); i++)
        for (int version = 1; version < 4; version++) {
            put_header(version, headers[i].header, headers[i].data);
            reel_npy *file = reel_npy_open(c, path);
            cr_assert_eq(file == NULL, headers[i].why != NULL, "%s: %s", headers[i].header, reel_error(c));
            if (headers[i].why)
                expect_error(c, REEL_ERROR_FORMAT, headers[i].why);
            reel_npy_close(file);
        }
    put_header(4, headers[0].header, 2);
    cr_assert_null(reel_npy_open(c, path));
    expect_error(c, REEL_ERROR_FORMAT, "another version");

    /* Cut short anywhere. */
    const struct npy_case *k = &npy_cases[0];
    for (size_t size = 0; size < k->size; size++) {
        put_file(k->bytes, size);
        cr_assert_null(reel_npy_open(c, path), "%zu bytes", size);
        expect_error(c, REEL_ERROR_FORMAT, "/file\"");
    }
    put_file("\x93NUMPX\x01\x00\x02\x00{}", 12);
    cr_assert_null(reel_npy_open(c, path));
    expect_error(c, REEL_ERROR_FORMAT, "not in numpy's format");
    cr_assert_null(reel_npy_open(c, "/nowhere"));
    expect_error(c, REEL_ERROR_IO, "cannot open it");
    cr_assert_null(reel_npy_open(c, folder));
    expect_error(c, REEL_ERROR_IO, "not a regular file");
    cr_assert_null(reel_npy_open(c, NULL));
    expect_error(c, REEL_ERROR_ARGUMENT, "the path is NULL");

    /* Types that reel does not know, and questions that have no answer. */
    put_header(1, "{'descr': '<U5', 'fortran_order': False, 'shape': (3,), }", 60);
    reel_npy *file = reel_npy_open(c, path);
    char out[64];
    cr_assert_str_eq(reel_npy_at(file, 0)->dtype, "<U5");
    reel_npy_read(file, "", REEL_INT64, out, 3);
    expect_error(c, REEL_ERROR_DTYPE, "array \"\" is <U5, which cannot be read as int64");
    reel_npy_close(file);
    put_header(1, "{'descr': '|b1', 'fortran_order': False, 'shape': (3, 2), }", 6);
    int fd = open(path, O_WRONLY);
    cr_assert_eq(pwrite(fd, "\x02", 1, 128 + 5), 1);
    close(fd);
    file = reel_npy_open(c, path);
    reel_npy_read(file, "", REEL_BOOL, out, 6);
    expect_error(c, REEL_ERROR_FORMAT, "element 5 is neither 0 nor 1");
    reel_npy_read(file, "", REEL_BOOL, out, 5);
    expect_error(c, REEL_ERROR_SHAPE, "has 6 elements, the room is for 5");
    reel_npy_read(file, "a", REEL_BOOL, out, 6);
    expect_error(c, REEL_ERROR_ARGUMENT, "there is no array \"a\"");
    reel_npy_read_rows(file, "", REEL_BOOL, 2, 2, out);
    expect_error(c, REEL_ERROR_INDEX, "has 3 rows, not 2 from row 2 on");
    reel_npy_close(file);
    reel_context_free(c);
}

Test(npy, what_cannot_be_written)
{
    const int64_t numbers[2] = {1, 2};
    reel_context *c = reel_context_new(NULL);
    reel_npy_write(c, path, (reel_dtype)7, REEL_SHAPE(2), numbers);
    expect_error(c, REEL_ERROR_DTYPE, "no element type");
    reel_npy_write(c, path, REEL_INT64, REEL_SHAPE(INT64_MAX, 2), numbers);
    expect_error(c, REEL_ERROR_SHAPE, "not possible");
    reel_npy_write(c, path, REEL_INT64, REEL_SHAPE(2), NULL);
    expect_error(c, REEL_ERROR_ARGUMENT, "no data");
    reel_npy_write(c, NULL, REEL_INT64, REEL_SHAPE(2), numbers);
    expect_error(c, REEL_ERROR_ARGUMENT, "path is NULL");
    reel_npy_write(c, "/nowhere/file", REEL_INT64, REEL_SHAPE(2), numbers);
    expect_error(c, REEL_ERROR_IO, "/nowhere/file");
    cr_assert_eq(files_in_folder(), 0);
    reel_context_free(c);
}

Test(npy, out_of_memory)
{
    struct counting memory;
    reel_context *c = counting_context(&memory, 1);
    int64_t live = memory.live;
    put_file(npy_cases[0].bytes, npy_cases[0].size);
    int failures = 0;
    for (;; failures++) {
        memory.fail_at = memory.calls + failures;
        reel_npy *file = reel_npy_open(c, path);
        memory.fail_at = -1;
        reel_npy_close(file);
        cr_assert_eq(memory.live, live, "a leak");
        if (file)
            break;
        expect_error(c, REEL_ERROR_OUT_OF_MEMORY, "out of memory");
    }
    cr_assert_geq(failures, 3);
    reel_context_free(c);
}

/* Images of bytes and their labels, mapped, as a loader takes them. */
Test(npy, a_loader_takes_mapped_arrays)
{
    enum { N = 50, PIXELS = 7 };
    static unsigned char bytes[512] =
        "\x93NUMPY\x01\x00\x76\x00{'descr': '|u1', 'fortran_order': False, 'shape': (50, 7)}";
    memset(bytes + strlen((char *)bytes + 10) + 10, ' ', 128);
    for (int i = 0; i < N * PIXELS; i++)
        bytes[128 + i] = (unsigned char)(i * 5);
    reel_context *c = reel_context_new(NULL);
    reel_tape *t = reel_tape_new(c);
    put_file(bytes, 128 + N * PIXELS);
    reel_npy *file = reel_npy_open(c, path);
    const unsigned char *pixels = reel_npy_map(file, "", "U8");
    cr_assert_not_null(pixels, "%s", reel_error(c));
    reel_loader_options o = reel_loader_defaults();
    o.batch_size = 8;
    reel_loader *loader = reel_loader_new(c, N, &o);
    reel_loader_add_scaled_bytes(loader, pixels, REEL_SHAPE(PIXELS), 0, 255);
    reel_var x;
    int64_t at = 0;
    for (int64_t n; (n = reel_loader_next(loader, t, &x)) > 0; reel_tape_reset(t))
        for (int64_t i = 0; i < n * PIXELS; i++, at++)
            cr_assert_float_eq(((const reel_real *)reel_data(t, x))[i], bytes[128 + at], 1e-4);
    cr_assert_eq(at, N * PIXELS);
    reel_loader_free(loader);
    reel_npy_close(file);
    reel_tape_free(t);
    reel_context_free(c);
}

/* ---- Archives ---- */

static const struct {
    const char *name;
    const unsigned char *bytes;
    size_t size;
} archives[] = {{"stored", npz_stored, sizeof npz_stored},
                {"deflated", npz_deflated, sizeof npz_deflated},
                {"large", npz_large, sizeof npz_large}};

/* The arrays that tests/golden/npy.py puts into each of them. */
static void expect_members(reel_context *c, reel_npy *file)
{
    static const char *const names[] = {"a", "b/c", "\u00e9", "none"}, *const types[] = {"I64", "BOOL", "I32", "F64"};
    cr_assert_eq(reel_npy_count(file), 4);
    for (int i = 0; i < 4; i++) {
        cr_assert_str_eq(reel_npy_at(file, i)->name, names[i]);
        cr_assert_str_eq(reel_npy_at(file, i)->dtype, types[i]);
    }
    int64_t a[24];
    unsigned char b[12];
    int32_t e[300];
    cr_assert_eq(reel_npy_read(file, "a", REEL_INT64, a, 24), REEL_OK, "%s", reel_error(c));
    for (int i = 0; i < 24; i++)
        cr_assert_eq(a[i], i);
    cr_assert_eq(reel_npy_read_rows(file, "a", REEL_INT64, 1, 1, a), REEL_OK, "%s", reel_error(c));
    for (int i = 0; i < 12; i++)
        cr_assert_eq(a[i], 12 + i);
    cr_assert_eq(reel_npy_read(file, "b/c", REEL_BOOL, b, 12), REEL_OK, "%s", reel_error(c));
    for (int i = 0; i < 12; i++)
        cr_assert_eq(b[i], i % 3 == 0);
    cr_assert_eq(reel_npy_read_rows(file, "b/c", REEL_BOOL, 1, 2, b), REEL_OK, "%s", reel_error(c));
    for (int i = 0; i < 8; i++)
        cr_assert_eq(b[i], (i + 4) % 3 == 0);
    cr_assert_eq(reel_npy_read(file, "\u00e9", REEL_INT32, e, 300), REEL_OK, "%s", reel_error(c));
    for (int i = 0; i < 300; i++)
        cr_assert_eq(e[i], i);
    cr_assert_eq(reel_npy_read_rows(file, "\u00e9", REEL_INT32, 250, 3, e), REEL_OK, "%s", reel_error(c));
    cr_assert(e[0] == 250 && e[2] == 252);
}

Test(npy, archives_of_numpy)
{
    reel_context *c = reel_context_new(NULL);
    for (size_t k = 0; k < COUNT(archives); k++) {
        put_file(archives[k].bytes, archives[k].size);
        reel_npy *file = reel_npy_open(c, path);
        cr_assert_not_null(file, "%s: %s", archives[k].name, reel_error(c));
        expect_members(c, file);
        if (k > 0) {
            cr_assert_null(reel_npy_map(file, "a", "I64"));
            expect_error(c, REEL_ERROR_FORMAT, "array \"a\" is compressed: it can be read, but not mapped");
        }
        reel_npy_close(file);
    }
    put_file(npz_text, sizeof npz_text);
    reel_npy *file = reel_npy_open(c, path);
    char out[64];
    int64_t a[24];
    cr_assert_str_eq(reel_npy_find(file, "s")->dtype, "<U2");
    reel_npy_read(file, "s", REEL_INT64, out, 2);
    expect_error(c, REEL_ERROR_DTYPE, "array \"s\" is <U2");
    cr_assert_eq(reel_npy_read(file, "a", REEL_INT64, a, 24), REEL_OK, "one that is not known blocks no other");
    reel_npy_close(file);
    put_file(npz_empty, sizeof npz_empty);
    file = reel_npy_open(c, path);
    cr_assert(file && reel_npy_count(file) == 0, "%s", reel_error(c));
    reel_npy_close(file);
    reel_context_free(c);
}

/* Every byte that is changed is noticed, or changes nothing. */
Test(npy, damaged_archives)
{
    static unsigned char bytes[sizeof npz_stored];
    int64_t a[24];
    reel_context *c = reel_context_new(NULL);
    for (size_t k = 0; k < COUNT(archives); k++) {
        int refused = 0;
        for (size_t at = 0; at < archives[k].size; at++) {
            memcpy(bytes, archives[k].bytes, archives[k].size);
            bytes[at] ^= 0x11;
            put_file(bytes, archives[k].size);
            reel_npy *file = reel_npy_open(c, path);
            if (reel_npy_find(file, "a") && reel_npy_read(file, "a", REEL_INT64, a, 24) == REEL_OK)
                for (int i = 0; i < 24; i++)
                    cr_assert_eq(a[i], i, "%s, byte %zu", archives[k].name, at);
            refused += reel_context_status(c) != REEL_OK;
            reel_clear_error(c);
            reel_npy_close(file);
        }
        cr_assert_gt(refused, 200);
        for (size_t size = 0; size < archives[k].size; size++) {
            put_file(archives[k].bytes, size);
            cr_assert_null(reel_npy_open(c, path), "%s, %zu bytes", archives[k].name, size);
            expect_error(c, REEL_ERROR_FORMAT, "/file\"");
        }
    }
    reel_context_free(c);
}

Test(npy, archives_go_both_ways)
{
    enum { N = 100000 };
    static reel_real reals[N], back[N];
    static const int64_t number = 7;
    static const bool truths[3] = {true, false, true};
    for (int i = 0; i < N; i++)
        reals[i] = (reel_real)(i % 1000) / 8;
    const reel_named_array arrays[] = {{"x", REEL_REAL, REEL_SHAPE(N / 10, 10), reals},
                                       {"sub/\u00e9", REEL_BOOL, REEL_SHAPE(3), truths},
                                       {"n", REEL_INT64, REEL_SCALAR, &number},
                                       {"none", REEL_REAL, REEL_SHAPE(0), NULL}};
    reel_context *c = reel_context_new(NULL);
    int64_t sizes[2];
    for (int compressed = 0; compressed < 2; compressed++) {
        reel_npz_options o = reel_npz_defaults();
        o.compressed = compressed != 0;
        cr_assert_eq(reel_npz_write(c, path, arrays, COUNT(arrays), &o), REEL_OK, "%s", reel_error(c));
        struct stat about;
        stat(path, &about);
        sizes[compressed] = about.st_size;
        reel_npy *file = reel_npy_open(c, path);
        cr_assert_eq(reel_npy_count(file), COUNT(arrays), "%s", reel_error(c));
        for (size_t i = 0; i < COUNT(arrays); i++) {
            const reel_tensor_info *info = reel_npy_at(file, (int64_t)i);
            cr_assert_str_eq(info->name, arrays[i].name);
            cr_assert(reel_shape_equal(&info->shape, &arrays[i].shape));
            cr_assert_eq(reel_npy_read(file, info->name, arrays[i].dtype, back, info->numel), REEL_OK, "%s",
                         reel_error(c));
            cr_assert(info->numel == 0 ||
                      memcmp(back, arrays[i].data, (size_t)info->numel * reel_dtype_size(arrays[i].dtype)) == 0);
            const void *mapped = reel_npy_map(file, info->name, info->dtype);
            cr_assert_eq(mapped != NULL, !compressed, "%s", reel_error(c));
            cr_assert_eq((uintptr_t)mapped % 64, 0);
            cr_assert(compressed || info->numel == 0 ||
                      memcmp(mapped, arrays[i].data, (size_t)info->numel * reel_dtype_size(arrays[i].dtype)) == 0);
            reel_clear_error(c);
        }
        reel_npy_close(file);
    }
    cr_assert_lt(sizes[1], sizes[0] / 10);

    reel_named_array bad[2] = {arrays[2], arrays[2]};
    reel_npz_write(c, path, bad, 2, NULL);
    expect_error(c, REEL_ERROR_ARGUMENT, "two arrays are called \"n\"");
    bad[1].name = "";
    reel_npz_write(c, path, bad, 2, NULL);
    expect_error(c, REEL_ERROR_ARGUMENT, "the name of array 1 is empty");
    bad[1].name = NULL;
    reel_npz_write(c, path, bad, 2, NULL);
    expect_error(c, REEL_ERROR_ARGUMENT, "the name of array 1 is empty");
    bad[1] = arrays[2];
    bad[1].name = "m";
    bad[1].data = NULL;
    reel_npz_write(c, path, bad, 2, NULL);
    expect_error(c, REEL_ERROR_ARGUMENT, "array \"m\" has no data");
    reel_npz_write(c, "/nowhere/file", arrays, 1, NULL);
    expect_error(c, REEL_ERROR_IO, "/nowhere/file");
    cr_assert_eq(reel_npz_write(c, path, NULL, 0, NULL), REEL_OK);
    reel_npy *file = reel_npy_open(c, path);
    cr_assert(file && reel_npy_count(file) == 0, "%s", reel_error(c));
    reel_npy_close(file);
    reel_context_free(c);
}

Test(npy, archives_without_memory)
{
    static const int64_t numbers[2] = {1, 2};
    const reel_named_array arrays[] = {{"a", REEL_INT64, REEL_SHAPE(2), numbers},
                                       {"b", REEL_INT64, REEL_SHAPE(2), numbers}};
    struct counting memory;
    reel_context *c = counting_context(&memory, 1);
    reel_npz_options o = reel_npz_defaults();
    o.compressed = true;
    int64_t live = memory.live;
    int failures[2] = {0, 0};
    for (int reading = 0; reading < 2; reading++)
        for (;; failures[reading]++) {
            int64_t out[2];
            memory.fail_at = memory.calls + failures[reading];
            if (reading) {
                reel_npy *file = reel_npy_open(c, path);
                reel_npy_read(file, "b", REEL_INT64, out, 2);
                reel_npy_close(file);
            } else
                reel_npz_write(c, path, arrays, 2, &o);
            memory.fail_at = -1;
            cr_assert_eq(memory.live, live, "a leak");
            if (reel_context_status(c) == REEL_OK)
                break;
            expect_error(c, REEL_ERROR_OUT_OF_MEMORY, "out of memory");
            cr_assert_eq(files_in_folder(), reading, "what could not be written is not there");
        }
    cr_assert(failures[0] >= 10 && failures[1] >= 8, "%d and %d", failures[0], failures[1]);
    reel_context_free(c);
}
