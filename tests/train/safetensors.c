#include "helpers.h"

#include "golden/files.h"

#include <reel/safetensors.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef REEL_F64
#define golden_file golden_file_f64
#define golden_other golden_file_f32
#define REAL_NAME "F64"
#define REAL_SIZE "8"
#else
#define golden_file golden_file_f32
#define golden_other golden_file_f64
#define REAL_NAME "F32"
#define REAL_SIZE "4"
#endif

/* ---- Files ---- */

static char folder[64], path[128];

static void make_folder(void)
{
    strcpy(folder, "/tmp/reel-safetensors-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
}

static void remove_folder(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(safetensors, .init = make_folder, .fini = remove_folder);

static void put_file(const void *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    cr_assert(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    close(fd);
}

/* A file with this header and so many bytes of data after it. */
static void put_header(const char *header, size_t header_size, size_t data_size)
{
    static char bytes[65536];
    cr_assert(8 + header_size + data_size <= sizeof bytes);
    for (int i = 0; i < 8; i++)
        bytes[i] = (char)(header_size >> 8 * i);
    memcpy(bytes + 8, header, header_size);
    memset(bytes + 8 + header_size, 1, data_size);
    put_file(bytes, 8 + header_size + data_size);
}

static size_t get_file(unsigned char *bytes, size_t room)
{
    int fd = open(path, O_RDONLY);
    cr_assert(fd >= 0);
    ssize_t size = read(fd, bytes, room);
    cr_assert(size >= 0);
    close(fd);
    return (size_t)size;
}

/* How many entries the folder has. */
static int files_in_folder(void)
{
    char command[128];
    snprintf(command, sizeof command, "ls -A %s | wc -l", folder);
    FILE *pipe = popen(command, "r");
    int count = -1;
    cr_assert(pipe && fscanf(pipe, "%d", &count) == 1);
    pclose(pipe);
    return count;
}

/* ---- The model of tests/golden/files.py ---- */

#define ODD_NAME "odd \"\\\n\x01\u00e9\u20ac\U0001f600"

static const reel_real weight[6] = {-0.625, -0.375, -0.125, 0.125, 0.375, 0.625},
                       bias[2] = {(reel_real)1e-30, (reel_real)-0.1}, odd[1] = {3};
static const int64_t batches[1] = {(INT64_C(1) << 40) + 1};
static const int32_t rows[3] = {-1, 5, INT32_MAX};
static const bool mask[3] = {true, false, true};

static const struct {
    const char *name;
    reel_param_kind kind;
    reel_dtype dtype;
    int ndim;
    int64_t dim[2];
    const void *data;
} parts[] = {
    {"fc1.weight", REEL_PARAM_TRAINED, REEL_REAL, 2, {2, 3}, weight},
    {"fc1.bias", REEL_PARAM_TRAINED, REEL_REAL, 1, {2}, bias},
    {"norm.num_batches_tracked", REEL_PARAM_BUFFER, REEL_INT64, 0, {0}, batches},
    {"rows", REEL_PARAM_BUFFER, REEL_INT32, 2, {1, 3}, rows},
    {"mask", REEL_PARAM_BUFFER, REEL_BOOL, 1, {3}, mask},
    {"none", REEL_PARAM_FROZEN, REEL_REAL, 2, {0, 4}, weight},
    {ODD_NAME, REEL_PARAM_TRAINED, REEL_REAL, 1, {1}, odd},
};

/* The model with its values, or with zeros. */
static reel_params *make_model(reel_context *c, bool filled)
{
    reel_params *params = reel_params_new(c);
    for (size_t i = 0; i < COUNT(parts); i++) {
        reel_param *p = reel_param_new(params, parts[i].name, parts[i].kind, parts[i].dtype,
                                       reel_shape_make(parts[i].ndim, parts[i].dim));
        if (p && filled)
            reel_param_set(p, parts[i].data);
    }
    return params;
}

static void expect_model(const reel_params *params)
{
    for (size_t i = 0; i < COUNT(parts); i++) {
        const reel_param *p = reel_params_find(params, parts[i].name);
        cr_assert(memcmp(p->data, parts[i].data, (size_t)p->numel * reel_dtype_size(p->dtype)) == 0, "%s", p->name);
    }
}

static void expect_zeros(const reel_params *params)
{
    for (int64_t i = 0; i < params->count; i++) {
        const reel_param *p = params->params[i];
        const char *bytes = p->data;
        for (size_t k = 0; k < (size_t)p->numel * reel_dtype_size(p->dtype); k++)
            cr_assert_eq(bytes[k], 0, "%s changed", p->name);
        cr_assert_eq(p->version, 0u, "%s counts as changed", p->name);
    }
}

/* The status, and a piece of the text; then clears it. */
static void expect_error(reel_context *c, reel_status status, const char *piece)
{
    cr_assert_eq(reel_context_status(c), status, "\"%s\" should be %s", reel_error(c), reel_status_text(status));
    cr_assert(strstr(reel_error(c), piece), "\"%s\" should say: %s", reel_error(c), piece);
    cr_assert_null(strchr(reel_error(c), '\n'));
    reel_clear_error(c);
}

/* ---- Param sets ---- */

Test(safetensors, writes_the_bytes_of_python)
{
    reel_context *c = reel_context_new(NULL);
    reel_params *params = make_model(c, true);
    cr_assert_eq(reel_save_safetensors(params, path), REEL_OK, "%s", reel_error(c));
    unsigned char bytes[4096];
    cr_assert_eq(get_file(bytes, sizeof bytes), sizeof golden_file);
    cr_assert_eq(memcmp(bytes, golden_file, sizeof golden_file), 0);
    cr_assert_eq(files_in_folder(), 1);
    reel_params_free(params);
    reel_context_free(c);
}

Test(safetensors, reads_what_python_wrote)
{
    reel_context *c = reel_context_new(NULL);
    reel_params *params = make_model(c, false);
    put_file(golden_file, sizeof golden_file);
    cr_assert_eq(reel_load_safetensors(params, path, NULL), REEL_OK, "%s", reel_error(c));
    expect_model(params);
    cr_assert_eq(reel_params_find(params, "fc1.bias")->version, 1u, "loading counts as a change");
    reel_params_free(params);
    reel_context_free(c);
}

Test(safetensors, converts_the_other_precision)
{
    reel_context *c = reel_context_new(NULL);
    reel_params *params = make_model(c, false);
    put_file(golden_other, sizeof golden_other);
    cr_assert_eq(reel_load_safetensors(params, path, NULL), REEL_OK, "%s", reel_error(c));
    const reel_real *b = reel_param_data(reel_params_find(params, "fc1.bias"));
    cr_assert_eq((float)b[0], 1e-30f);
    cr_assert_eq((float)b[1], -0.1f);
    cr_assert_eq(memcmp(reel_param_data(reel_params_find(params, "fc1.weight")), weight, sizeof weight), 0);
    cr_assert_eq(memcmp(reel_param_data(reel_params_find(params, "rows")), rows, sizeof rows), 0);
    reel_params_free(params);
    reel_context_free(c);
}

Test(safetensors, long_tensors_are_converted_piece_by_piece)
{
    enum { N = 2500 };
    static double wide[N];
    static float narrow[N];
    static unsigned char bytes[N * 8 + 256];
    static reel_real got[N];
    for (int i = 0; i < N; i++) {
        wide[i] = 0.1 * i - 7;
        narrow[i] = (float)wide[i];
    }
    bool f64 = sizeof(reel_real) == 8;
    size_t data_size = f64 ? sizeof narrow : sizeof wide;
    char header[128];
    snprintf(header, sizeof header, "{\"x\":{\"dtype\":\"%s\",\"shape\":[50,50],\"data_offsets\":[0,%zu]}}",
             f64 ? "F32" : "F64", data_size);
    bytes[0] = (unsigned char)strlen(header);
    memcpy(bytes + 8, header, strlen(header));
    memcpy(bytes + 8 + strlen(header), f64 ? (void *)narrow : (void *)wide, data_size);
    put_file(bytes, 8 + strlen(header) + data_size);

    reel_context *c = reel_context_new(NULL);
    reel_safetensors *file = reel_safetensors_open(c, path);
    cr_assert_eq(reel_safetensors_read(file, "x", REEL_REAL, got, N), REEL_OK, "%s", reel_error(c));
    for (int i = 0; i < N; i++)
        cr_assert_eq(got[i], (reel_real)narrow[i]);
    reel_safetensors_close(file);
    reel_context_free(c);
}

Test(safetensors, mismatches_are_named_and_change_nothing)
{
    static const struct {
        const char *name; /* the param that is made differently */
        reel_dtype dtype;
        int ndim;
        int64_t dim[2];
        const char *says;
    } cases[] = {
        {"fc1.weight", REEL_REAL, 2, {3, 2}, "param \"fc1.weight\" is float"},
        {"fc1.weight", REEL_REAL, 2, {3, 2}, "[3, 2], the file's tensor is " REAL_NAME " [2, 3]"},
        {"fc1.bias", REEL_REAL, 2, {1, 2}, "[1, 2], the file's tensor is " REAL_NAME " [2]"},
        {"rows", REEL_INT64, 2, {1, 3}, "param \"rows\" is int64 [1, 3], the file's tensor is I32 [1, 3]"},
        {"rows", REEL_REAL, 2, {1, 3}, "the file's tensor is I32 [1, 3]"},
        {"mask", REEL_INT32, 1, {3}, "the file's tensor is BOOL [3]"},
    };
    reel_context *c = reel_context_new(NULL);
    put_file(golden_file, sizeof golden_file);
    for (size_t k = 0; k < COUNT(cases); k++) {
        reel_params *params = reel_params_new(c);
        for (size_t i = 0; i < COUNT(parts); i++) {
            bool other = strcmp(parts[i].name, cases[k].name) == 0;
            reel_param_new(params, parts[i].name, REEL_PARAM_BUFFER, other ? cases[k].dtype : parts[i].dtype,
                           other ? reel_shape_make(cases[k].ndim, cases[k].dim)
                                 : reel_shape_make(parts[i].ndim, parts[i].dim));
        }
        for (int strict = 0; strict < 2; strict++) {
            reel_load_options o = {.strict = strict != 0};
            reel_load_safetensors(params, path, &o);
            expect_error(c, REEL_ERROR_FORMAT, cases[k].says);
            expect_zeros(params);
        }
        reel_params_free(params);
    }
    reel_context_free(c);
}

Test(safetensors, strict_wants_the_same_names)
{
    reel_context *c = reel_context_new(NULL);
    put_file(golden_file, sizeof golden_file);
    reel_load_options loose = {.strict = false};

    reel_params *more = make_model(c, false);
    reel_param *extra = reel_param_new(more, "extra", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(2));
    reel_load_safetensors(more, path, NULL);
    expect_error(c, REEL_ERROR_FORMAT, "there is no tensor for param \"extra\", float");
    expect_zeros(more);
    cr_assert_eq(reel_load_safetensors(more, path, &loose), REEL_OK, "%s", reel_error(c));
    expect_model(more);
    cr_assert_eq(extra->version, 0u);
    reel_params_free(more);

    reel_params *fewer = reel_params_new(c);
    reel_param *p = reel_param_new(fewer, "rows", REEL_PARAM_BUFFER, REEL_INT32, REEL_SHAPE(1, 3));
    reel_load_safetensors(fewer, path, NULL);
    expect_error(c, REEL_ERROR_FORMAT, "belongs to no param of the set");
    expect_zeros(fewer);
    cr_assert_eq(reel_load_safetensors(fewer, path, &loose), REEL_OK);
    cr_assert_eq(memcmp(p->data, rows, sizeof rows), 0);
    reel_params_free(fewer);
    reel_context_free(c);
}

/* ---- What is refused ---- */

Test(safetensors, bad_headers_are_refused)
{
#define X(rest) "{\"x\":{\"dtype\":\"F32\"," rest "}}"
#define GOOD "{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}"
    static const struct {
        const char *header;
        size_t data;
        const char *says; /* NULL: must be read */
    } cases[] = {
        {"{}", 0, NULL},
        {"{}      ", 0, NULL},
        {"{ \t\r\n}", 0, NULL},
        {"{\"x\" : { \"shape\":\n[ 1 ] , \"data_offsets\" :[0 , 4], \"dtype\": \"F32\" } } ", 4, NULL},
        {"{\"__metadata__\":{},\"x\":" GOOD "}", 4, NULL},
        {"{\"x\":" GOOD ",\"__metadata__\":{\"a\":\"b\",\"c\":\"\"}}", 4, NULL},
        {X("\"shape\":[1099511627776,0],\"data_offsets\":[0,0]"), 0, NULL},
        {X("\"shape\":[1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]"), 4, NULL},
        {"{\"\":" GOOD "}", 4, NULL},
        {"", 0, "begin with '{'"},
        {" {}", 0, "begin with '{'"},
        {"[]", 0, "begin with '{'"},
        {"{", 0, "expected"},
        {"{}x", 0, "only spaces"},
        {"{}\n", 0, "only spaces"},
        {"{} {}", 0, "only spaces"},
        {"{\"x\"}", 0, "':' expected"},
        {"{x:1}", 0, "expected"},
        {"{\"x\":1}", 0, "'{' expected"},
        {"{\"x\":null}", 0, "'{' expected"},
        {"{\"x\":{}}", 0, "expected"},
        {"{\"x\":" GOOD ",}", 4, "expected"},
        {"{\"x\":" GOOD "\"y\":" GOOD "}", 4, "expected"},
        {"{\"x\":" GOOD, 4, "expected"},
        {"{\"x", 0, "without end"},
        {"{\"x\\", 0, "escape"},
        {"{\"x\\u00", 0, "\\u escape"},
        {"{\"\\u00g0\":" GOOD "}", 4, "\\u escape"},
        {"{\"\\ud800\":" GOOD "}", 4, "\\u escape"},
        {"{\"\\udc00\":" GOOD "}", 4, "\\u escape"},
        {"{\"\\ud800\\u0041\":" GOOD "}", 4, "\\u escape"},
        {"{\"\\u0000\":" GOOD "}", 4, "zero character"},
        {"{\"\\x\":" GOOD "}", 4, "an escape that JSON does not have"},
        {"{\"a\nb\":" GOOD "}", 4, "control character"},
        {"{\"\xff\":" GOOD "}", 4, "UTF-8"},
        {"{\"\xc0\x80\":" GOOD "}", 4, "UTF-8"},
        {"{\"\xed\xa0\x80\":" GOOD "}", 4, "UTF-8"},
        {"{\"\xf4\x90\x80\x80\":" GOOD "}", 4, "UTF-8"},
        {"{\"\xe2\x82\":" GOOD "}", 4, "UTF-8"},
        {"{\"x\":" GOOD ",\"x\":" GOOD "}", 4, "the key \"x\" twice"},
        {"{\"x\":" GOOD ",\"\\u0078\":" GOOD "}", 4, "the key \"x\" twice"},
        {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, "second time"},
        {"{\"__metadata__\":{\"a\":1}}", 0, "expected"},
        {"{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0, "the key \"a\" twice"},
        {"{\"__metadata__\":{\"a\":\"1\"", 0, "expected"},
        {"{\"__metadata__\":[]}", 0, "expected"},
        {X("\"shape\":[1]"), 4, "without dtype, shape or data_offsets"},
        {X("\"shape\":[1],\"shape\":[1],\"data_offsets\":[0,4]"), 4, "repeated"},
        {X("\"shape\":[1],\"data_offsets\":[0,4],\"more\":1"), 4, "none of dtype"},
        {"{\"x\":{\"dtype\":\"F4\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "element type"},
        {"{\"x\":{\"dtype\":32,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "expected"},
        {X("\"shape\":1,\"data_offsets\":[0,4]"), 4, "'[' expected"},
        {X("\"shape\":[-1],\"data_offsets\":[0,4]"), 4, "whole number"},
        {X("\"shape\":[01],\"data_offsets\":[0,4]"), 4, "whole number"},
        {X("\"shape\":[1.0],\"data_offsets\":[0,4]"), 4, "not whole"},
        {X("\"shape\":[1e0],\"data_offsets\":[0,4]"), 4, "not whole"},
        {X("\"shape\":[],\"data_offsets\":[0,4],"), 4, "expected"},
        {X("\"shape\":[1,],\"data_offsets\":[0,4]"), 4, "whole number"},
        {X("\"shape\":[[1]],\"data_offsets\":[0,4]"), 4, "whole number"},
        {X("\"shape\":[99999999999999999999],\"data_offsets\":[0,4]"), 4, "64 bits"},
        {X("\"shape\":[9223372036854775808],\"data_offsets\":[0,4]"), 4, "64 bits"},
        {X("\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]"), 4, "8 axes"},
        {X("\"shape\":[1],\"data_offsets\":[0]"), 4, "',' expected"},
        {X("\"shape\":[1],\"data_offsets\":[0,4,8]"), 4, "']' expected"},
        {X("\"shape\":[1],\"data_offsets\":[4,0]"), 4, "does not lie within"},
        {X("\"shape\":[1],\"data_offsets\":[0,4]"), 3, "does not lie within"},
        {X("\"shape\":[1],\"data_offsets\":[0,4]"), 5, "5 follow the header"},
        {X("\"shape\":[1],\"data_offsets\":[4,8]"), 8, "after a gap"},
        {X("\"shape\":[2],\"data_offsets\":[0,4]"), 4, "another number of bytes"},
        {X("\"shape\":[],\"data_offsets\":[0,0]"), 0, "another number of bytes"},
        {X("\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]"), 0, "too many elements"},
        {X("\"shape\":[4611686018427387904],\"data_offsets\":[0,0]"), 0, "too many elements"},
        {X("\"shape\":[4611686018427387905],\"data_offsets\":[0,4]"), 4, "too many elements"},
        {X("\"shape\":[9223372036854775807],\"data_offsets\":[0,4]"), 4, "too many elements"},
        {"{\"x\":" GOOD ",\"y\":" GOOD "}", 4, "overlaps"},
        {"{\"x\":" GOOD ",\"y\":{\"dtype\":\"BOOL\",\"shape\":[1],\"data_offsets\":[3,4]}}", 4, "overlaps"},
        {"{\"x\":" GOOD ",\"y\":{\"dtype\":\"BOOL\",\"shape\":[1],\"data_offsets\":[5,6]}}", 6, "after a gap"},
        {"{\"x\":" GOOD "}", 0, "does not lie within"},
    };
    reel_context *c = reel_context_new(NULL);
    for (size_t k = 0; k < COUNT(cases); k++) {
        put_header(cases[k].header, strlen(cases[k].header), cases[k].data);
        reel_safetensors *file = reel_safetensors_open(c, path);
        if (!cases[k].says) {
            cr_assert_not_null(file, "%s: %s", cases[k].header, reel_error(c));
            reel_safetensors_close(file);
            continue;
        }
        cr_assert_null(file, "accepted: %s", cases[k].header);
        expect_error(c, REEL_ERROR_FORMAT, cases[k].says);
    }
    static const char zero_inside[] = "{\"a\0b\":" GOOD "}";
    put_header(zero_inside, sizeof zero_inside - 1, 4);
    cr_assert_null(reel_safetensors_open(c, path));
    expect_error(c, REEL_ERROR_FORMAT, "control character");
    reel_context_free(c);
}

Test(safetensors, deep_nesting_is_refused_without_recursion)
{
    static char header[60000];
    memset(header, '[', sizeof header);
    memcpy(header, "{\"x\":{\"shape\":", 14);
    put_header(header, sizeof header, 0);
    reel_context *c = reel_context_new(NULL);
    cr_assert_null(reel_safetensors_open(c, path));
    expect_error(c, REEL_ERROR_FORMAT, "whole number");
    reel_context_free(c);
}

Test(safetensors, bad_lengths_are_refused)
{
    static const unsigned char huge[16] = {255, 255, 255, 255, 255, 255, 255, 255, '{', '}'},
                               large[16] = {9, 0, 0, 0, 0, 0, 0, 0, '{', '}'};
    reel_context *c = reel_context_new(NULL);
    for (size_t size = 0; size < 8; size++) {
        put_file(huge, size);
        cr_assert_null(reel_safetensors_open(c, path));
        expect_error(c, REEL_ERROR_FORMAT, "too few");
    }
    put_file(huge, sizeof huge);
    cr_assert_null(reel_safetensors_open(c, path));
    expect_error(c, REEL_ERROR_FORMAT, "18446744073709551615");
    put_file(large, sizeof large);
    cr_assert_null(reel_safetensors_open(c, path));
    expect_error(c, REEL_ERROR_FORMAT, "has 16 bytes");

    /* A sparse file that is long enough for a header above the limit. */
    unsigned char above[8];
    for (int i = 0; i < 8; i++)
        above[i] = (unsigned char)(UINT64_C(100000001) >> 8 * i);
    put_file(above, sizeof above);
    cr_assert_eq(truncate(path, 200000000), 0);
    cr_assert_null(reel_safetensors_open(c, path));
    expect_error(c, REEL_ERROR_FORMAT, "100000000 is the most");
    reel_context_free(c);
}

Test(safetensors, every_truncation_is_refused)
{
    reel_context *c = reel_context_new(NULL);
    reel_params *params = make_model(c, false);
    for (size_t size = 0; size < sizeof golden_file; size++) {
        put_file(golden_file, size);
        reel_load_safetensors(params, path, NULL);
        expect_error(c, REEL_ERROR_FORMAT, "model.safetensors");
        expect_zeros(params);
    }
    static unsigned char longer[sizeof golden_file + 1];
    memcpy(longer, golden_file, sizeof golden_file);
    put_file(longer, sizeof longer);
    reel_load_safetensors(params, path, NULL);
    expect_error(c, REEL_ERROR_FORMAT, "follow the header");
    expect_zeros(params);
    reel_params_free(params);
    reel_context_free(c);
}

/* Where the golden file has the data of a part. */
static const unsigned char *place_of(size_t part, const unsigned char *file)
{
    const unsigned char *found = NULL;
    reel_context *c = reel_context_new(NULL);
    reel_params *params = make_model(c, true);
    const reel_param *p = reel_params_find(params, parts[part].name);
    size_t size = (size_t)p->numel * reel_dtype_size(p->dtype);
    size_t data = 8 + (size_t)golden_file[0] + 256 * (size_t)golden_file[1];
    for (size_t at = data; size > 0 && at + size <= sizeof golden_file && !found; at++)
        if (memcmp(golden_file + at, p->data, size) == 0)
            found = file + at;
    reel_params_free(params);
    reel_context_free(c);
    return size > 0 ? found : file;
}

/* A file with one changed byte is refused, or gives the values that its data has. */
Test(safetensors, every_changed_byte_is_refused_or_read)
{
    static unsigned char file[sizeof golden_file];
    const unsigned char *places[COUNT(parts)];
    for (size_t i = 0; i < COUNT(parts); i++)
        cr_assert_not_null(places[i] = place_of(i, file));
    reel_context *c = reel_context_new(NULL);
    int accepted = 0, refused = 0;
    for (size_t at = 0; at < sizeof golden_file; at++) {
        static const unsigned char masks[] = {1, 2, 4, 8, 16, 32, 64, 128, 3, 0x7f, 0xff};
        for (size_t m = 0; m < COUNT(masks); m++) {
            memcpy(file, golden_file, sizeof file);
            file[at] ^= masks[m];
            put_file(file, sizeof file);
            reel_params *params = make_model(c, false);
            if (reel_load_safetensors(params, path, NULL) == REEL_OK) {
                accepted++;
                for (size_t i = 0; i < COUNT(parts); i++) {
                    const reel_param *p = reel_params_find(params, parts[i].name);
                    cr_assert_eq(memcmp(p->data, places[i], (size_t)p->numel * reel_dtype_size(p->dtype)), 0,
                                 "byte %zu ^ %d: %s", at, masks[m], p->name);
                }
            } else {
                refused++;
                expect_error(c, REEL_ERROR_FORMAT, "model.safetensors");
                expect_zeros(params);
            }
            reel_params_free(params);
        }
    }
    cr_log_info("%d accepted, %d refused", accepted, refused);
    cr_assert(accepted > 0 && refused > 4 * accepted);
    reel_context_free(c);
}

/* ---- The system ---- */

Test(safetensors, files_that_cannot_be_read)
{
    reel_context *c = reel_context_new(NULL);
    cr_assert_null(reel_safetensors_open(c, path));
    expect_error(c, REEL_ERROR_IO, "cannot open it: No such file");
    cr_assert_null(reel_safetensors_open(c, folder));
    expect_error(c, REEL_ERROR_IO, "not a regular file");
    cr_assert_eq(mkfifo(path, 0600), 0);
    cr_assert_null(reel_safetensors_open(c, path));
    expect_error(c, REEL_ERROR_IO, "not a regular file");
    cr_assert_null(reel_safetensors_open(c, NULL));
    expect_error(c, REEL_ERROR_ARGUMENT, "NULL");
    cr_assert_null(reel_safetensors_open(c, "no\nsuch\x1b[31mfile"));
    expect_error(c, REEL_ERROR_IO, "no?such?[31mfile");
    reel_context_free(c);
}

Test(safetensors, a_failed_save_leaves_the_old_file)
{
    reel_context *c = reel_context_new(NULL);
    reel_params *params = make_model(c, true);
    char elsewhere[160];
    snprintf(elsewhere, sizeof elsewhere, "%s/missing/model", folder);
    reel_save_safetensors(params, elsewhere);
    expect_error(c, REEL_ERROR_IO, "cannot write beside it: No such file");
    reel_save_safetensors(params, folder);
    expect_error(c, REEL_ERROR_IO, "is not a regular file");
    reel_save_safetensors(params, "/dev/null");
    expect_error(c, REEL_ERROR_IO, "is not a regular file");
    reel_save_safetensors(params, NULL);
    expect_error(c, REEL_ERROR_ARGUMENT, "NULL");

    put_file("old", 3);
    reel_param_new(params, "not \xff UTF-8", REEL_PARAM_BUFFER, REEL_REAL, REEL_SHAPE(1));
    reel_save_safetensors(params, path);
    expect_error(c, REEL_ERROR_ARGUMENT, "\"not ? UTF-8\" is not UTF-8");
    unsigned char bytes[8];
    cr_assert(get_file(bytes, sizeof bytes) == 3 && memcmp(bytes, "old", 3) == 0);
    cr_assert_eq(files_in_folder(), 1);
    reel_params_free(params);
    reel_context_free(c);
}

Test(safetensors, a_save_keeps_permissions_and_follows_links)
{
    reel_context *c = reel_context_new(NULL);
    reel_params *params = make_model(c, true);
    put_file("old", 3);
    cr_assert_eq(chmod(path, 0640), 0);
    char link[160];
    snprintf(link, sizeof link, "%s/link", folder);
    cr_assert_eq(symlink("model.safetensors", link), 0);
    cr_assert_eq(reel_save_safetensors(params, link), REEL_OK, "%s", reel_error(c));
    struct stat about;
    cr_assert(lstat(link, &about) == 0 && S_ISLNK(about.st_mode));
    cr_assert(stat(path, &about) == 0 && about.st_size == sizeof golden_file && (about.st_mode & 0777) == 0640);
    cr_assert_eq(files_in_folder(), 2);
    cr_assert_eq(unlink(path), 0);
    reel_save_safetensors(params, link);
    expect_error(c, REEL_ERROR_IO, "cannot follow the link");

    /* A path without a folder is in the current one. */
    cr_assert_eq(chdir(folder), 0);
    cr_assert_eq(reel_save_safetensors(params, "model.safetensors"), REEL_OK, "%s", reel_error(c));
    cr_assert(stat(path, &about) == 0 && about.st_size == sizeof golden_file);
    reel_params_free(params);
    reel_context_free(c);
}

Test(safetensors, out_of_memory_changes_nothing)
{
    struct failing f;
    reel_context *c = failing_context(&f);
    reel_params *params = make_model(c, true), *zeros = make_model(c, false);
    cr_assert_eq(reel_save_safetensors(params, path), REEL_OK);
    int64_t live = f.live;
    int failures[2] = {0, 0};
    for (int load = 0; load < 2; load++)
        for (int64_t k = 0;; k++) {
            f.count = 0;
            f.fail_at = k;
            reel_status status = load ? reel_load_safetensors(zeros, path, NULL) : reel_save_safetensors(params, path);
            cr_assert_eq(f.live, live, "a leak");
            f.fail_at = -1;
            if (status == REEL_OK)
                break;
            failures[load]++;
            expect_error(c, REEL_ERROR_OUT_OF_MEMORY, "out of memory");
            expect_zeros(zeros);
            unsigned char bytes[4096];
            cr_assert(get_file(bytes, sizeof bytes) == sizeof golden_file &&
                      memcmp(bytes, golden_file, sizeof golden_file) == 0);
            cr_assert_eq(files_in_folder(), 1);
        }
    cr_assert(failures[0] >= 4 && failures[1] >= 8, "%d and %d", failures[0], failures[1]);
    expect_model(zeros);
    reel_params_free(params);
    reel_params_free(zeros);
    reel_context_free(c);
    cr_assert_eq(f.live, 0);
}

Test(safetensors, metadata_goes_both_ways)
{
    reel_context *c = reel_context_new(NULL);
    reel_params *params = make_model(c, true);
    const reel_metadata metadata[] = {{"classes", "10"}, {"odd \"\x02\u00e9", "a\nb"}, {"", ""}};
    cr_assert_eq(reel_save_safetensors_with(params, path, metadata, 3), REEL_OK, "%s", reel_error(c));
    reel_safetensors *file = reel_safetensors_open(c, path);
    cr_assert_str_eq(reel_safetensors_metadata(file, "format"), "pt");
    for (size_t i = 0; i < COUNT(metadata); i++)
        cr_assert_str_eq(reel_safetensors_metadata(file, metadata[i].key), metadata[i].value);
    cr_assert_null(reel_safetensors_metadata(file, "other"));
    reel_safetensors_close(file);
    reel_params *zeros = make_model(c, false);
    cr_assert_eq(reel_load_safetensors(zeros, path, NULL), REEL_OK, "%s", reel_error(c));
    expect_model(zeros);

    const reel_metadata bad[][2] = {{{"a", "b"}, {"a", "c"}},    {{"a", "b"}, {"format", "c"}},
                                    {{"a", "b"}, {NULL, "c"}},   {{"a", "b"}, {"c", NULL}},
                                    {{"a", "b"}, {"\xff", "c"}}, {{"a", "b"}, {"c", "\xff"}}};
    for (size_t i = 0; i < COUNT(bad); i++) {
        reel_save_safetensors_with(params, path, bad[i], 2);
        expect_error(c, REEL_ERROR_ARGUMENT, "metadata 1");
    }
    reel_params_free(params);
    reel_params_free(zeros);
    reel_context_free(c);
}

/* ---- Plain arrays ---- */

Test(safetensors, plain_arrays_go_both_ways)
{
    reel_context *c = reel_context_new(NULL);
    const int64_t y[2] = {7, -9};
    const reel_named_array arrays[] = {
        {"x", REEL_REAL, REEL_SHAPE(2, 3), weight},
        {"y", REEL_INT64, REEL_SHAPE(2), y},
        {"nothing", REEL_BOOL, REEL_SHAPE(0), NULL},
    };
    cr_assert_eq(reel_safetensors_write(c, path, arrays, 3), REEL_OK, "%s", reel_error(c));
    reel_safetensors *file = reel_safetensors_open(c, path);
    cr_assert_eq(reel_safetensors_count(file), 3);
    cr_assert_null(reel_safetensors_at(file, 3));
    cr_assert_null(reel_safetensors_at(file, -1));
    cr_assert_null(reel_safetensors_find(file, "z"));
    const reel_tensor_info *info = reel_safetensors_find(file, "x");
    cr_assert_str_eq(info->dtype, REAL_NAME);
    cr_assert(info->numel == 6 && info->shape.ndim == 2 && info->shape.dim[1] == 3);
    cr_assert_str_eq(reel_safetensors_at(file, 0)->name, "y", "wide elements come first");

    reel_real x[6];
    int64_t got[2];
    cr_assert_eq(reel_safetensors_read(file, "x", REEL_REAL, x, 6), REEL_OK);
    cr_assert_eq(reel_safetensors_read(file, "y", REEL_INT64, got, 2), REEL_OK);
    cr_assert_eq(reel_safetensors_read(file, "nothing", REEL_BOOL, NULL, 0), REEL_OK);
    cr_assert(memcmp(x, weight, sizeof x) == 0 && memcmp(got, y, sizeof y) == 0);

    reel_safetensors_read(file, "z", REEL_REAL, x, 6);
    expect_error(c, REEL_ERROR_ARGUMENT, "there is no tensor \"z\"");
    reel_safetensors_read(file, NULL, REEL_REAL, x, 6);
    expect_error(c, REEL_ERROR_ARGUMENT, "NULL");
    reel_safetensors_read(file, "x", REEL_INT64, x, 6);
    expect_error(c, REEL_ERROR_DTYPE, "cannot be read as int64");
    reel_safetensors_read(file, "y", REEL_REAL, x, 2);
    expect_error(c, REEL_ERROR_DTYPE, "is I64, which cannot be read as float");
    reel_safetensors_read(file, "x", REEL_REAL, x, 5);
    expect_error(c, REEL_ERROR_SHAPE, "has 6 elements, the room is for 5");
    reel_safetensors_read(file, "x", REEL_REAL, NULL, 6);
    expect_error(c, REEL_ERROR_ARGUMENT, "NULL");
    reel_safetensors_close(file);
    reel_safetensors_close(NULL);
    reel_context_free(c);
}

Test(safetensors, arrays_that_cannot_be_written)
{
    reel_context *c = reel_context_new(NULL);
    const struct {
        reel_named_array array;
        reel_status status;
        const char *says;
    } cases[] = {
        {{NULL, REEL_REAL, REEL_SHAPE(1), weight}, REEL_ERROR_ARGUMENT, "empty"},
        {{"", REEL_REAL, REEL_SHAPE(1), weight}, REEL_ERROR_ARGUMENT, "empty"},
        {{"__metadata__", REEL_REAL, REEL_SHAPE(1), weight}, REEL_ERROR_ARGUMENT, "__metadata__"},
        {{"\xe2\x82", REEL_REAL, REEL_SHAPE(1), weight}, REEL_ERROR_ARGUMENT, "UTF-8"},
        {{"x", REEL_REAL, REEL_SHAPE(1), weight}, REEL_ERROR_ARGUMENT, "two arrays are called \"x\""},
        {{"y", REEL_REAL, REEL_SHAPE(1), NULL}, REEL_ERROR_ARGUMENT, "\"y\" has no data"},
        {{"y", REEL_REAL, REEL_SHAPE(-1), weight}, REEL_ERROR_SHAPE, "not possible"},
        {{"y", REEL_REAL, REEL_SHAPE(INT64_MAX), weight}, REEL_ERROR_SHAPE, "not possible"},
        {{"y", (reel_dtype)9, REEL_SHAPE(1), weight}, REEL_ERROR_DTYPE, "element type"},
    };
    for (size_t k = 0; k < COUNT(cases); k++) {
        reel_named_array arrays[] = {{"x", REEL_INT32, REEL_SHAPE(1), rows}, cases[k].array};
        cr_assert_eq(reel_safetensors_write(c, path, arrays, 2), cases[k].status);
        expect_error(c, cases[k].status, cases[k].says);
    }
    reel_safetensors_write(c, path, NULL, 1);
    expect_error(c, REEL_ERROR_ARGUMENT, "no arrays");
    cr_assert_eq(files_in_folder(), 0);
    cr_assert_eq(reel_safetensors_write(c, path, NULL, 0), REEL_OK);
    reel_safetensors *file = reel_safetensors_open(c, path);
    cr_assert(file && reel_safetensors_count(file) == 0);
    reel_safetensors_close(file);
    reel_context_free(c);
}

Test(safetensors, types_without_a_dtype_are_listed_but_not_read)
{
    reel_context *c = reel_context_new(NULL);
    put_file(golden_file_types, sizeof golden_file_types);
    reel_safetensors *file = reel_safetensors_open(c, path);
    cr_assert_not_null(file, "%s", reel_error(c));
    cr_assert_eq(reel_safetensors_count(file), 4);
    cr_assert_str_eq(reel_safetensors_find(file, "brain")->dtype, "BF16");
    cr_assert_str_eq(reel_safetensors_find(file, "complex")->dtype, "C64");
    reel_real x[2];
    reel_safetensors_read(file, "half", REEL_REAL, x, 2);
    expect_error(c, REEL_ERROR_DTYPE, "tensor \"half\" is F16, which cannot be read as float");
    reel_safetensors_close(file);
    reel_context_free(c);
}

Test(safetensors, a_bool_is_0_or_1)
{
    static const char header[] = "{\"b\":{\"dtype\":\"BOOL\",\"shape\":[2],\"data_offsets\":[0,2]}}";
    static unsigned char file[8 + sizeof header + 1] = {sizeof header - 1};
    memcpy(file + 8, header, sizeof header - 1);
    file[sizeof file - 1] = 2;
    put_file(file, sizeof file);
    reel_context *c = reel_context_new(NULL);
    reel_params *params = reel_params_new(c);
    reel_param_new(params, "b", REEL_PARAM_BUFFER, REEL_BOOL, REEL_SHAPE(2));
    reel_load_safetensors(params, path, NULL);
    expect_error(c, REEL_ERROR_FORMAT, "element 1 is the byte 2");
    expect_zeros(params);
    reel_params_free(params);
    reel_context_free(c);
}

/* Names of files end up on terminals. */
Test(safetensors, long_names_are_cut_in_messages)
{
    char name[300], header[600];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    snprintf(header, sizeof header, "{\"%s\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,8]}}", name);
    put_header(header, strlen(header), 8);
    reel_context *c = reel_context_new(NULL);
    cr_assert_null(reel_safetensors_open(c, path));
    expect_error(c, REEL_ERROR_FORMAT, "nnn...\" (bytes 0 to 8) has a shape of another number of bytes");
    reel_context_free(c);
}
