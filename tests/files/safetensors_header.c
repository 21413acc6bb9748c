/* Files that are no safetensors files, or nearly. */
#include "safetensors_files.h"

TestSuite(safetensors_header, .init = make_folder, .fini = remove_folder);

Test(safetensors_header, bad_headers_are_refused)
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
        {"{\"x\":{\"dtype\":\"F4\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "another number of bytes"},
        {"{\"x\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,1]}}", 1, "another number of bytes"},
        {"{\"x\":{\"dtype\":\"F4\",\"shape\":[2],\"data_offsets\":[0,1]}}", 1, NULL},
        {"{\"x\":{\"dtype\":\"F3\",\"shape\":[3],\"data_offsets\":[0,4]}}", 4, NULL},
        {"{\"x\":{\"dtype\":\"F3\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,4]}}", 4, "too many elements"},
        {"{\"x\":{\"dtype\":\"F3\",\"shape\":[3],\"data_offsets\":[1,4]}}", 4, "after a gap"},
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

Test(safetensors_header, deep_nesting_is_refused_without_recursion)
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

Test(safetensors_header, bad_lengths_are_refused)
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

Test(safetensors_header, every_truncation_is_refused)
{
    reel_context *c = reel_context_new(NULL);
    reel_params *params = make_model(c, false);
    for (size_t size = 0; size < sizeof golden_file; size++) {
        put_file(golden_file, size);
        reel_load_safetensors(params, path, NULL);
        expect_error(c, REEL_ERROR_FORMAT, "/file\"");
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
Test(safetensors_header, every_changed_byte_is_refused_or_read)
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
                expect_error(c, REEL_ERROR_FORMAT, "/file\"");
                expect_zeros(params);
            }
            reel_params_free(params);
        }
    }
    cr_log_info("%d accepted, %d refused", accepted, refused);
    cr_assert(accepted > 0 && refused > 4 * accepted);
    reel_context_free(c);
}
