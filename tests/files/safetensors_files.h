/* Files of safetensors, and the model of tests/golden/files.py that is read from them and written to them. */
#ifndef TESTS_FILES_SAFETENSORS_FILES_H
#define TESTS_FILES_SAFETENSORS_FILES_H

#include "files/folder.h"
#include "train/helpers.h"

#include "golden/files.h"

#include <reel/safetensors.h>

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

/* A file with this header and so many bytes of data after it. */
static inline void put_header(const char *header, size_t header_size, size_t data_size)
{
    static char bytes[65536];
    cr_assert(8 + header_size + data_size <= sizeof bytes);
    for (int i = 0; i < 8; i++)
        bytes[i] = (char)(header_size >> 8 * i);
    memcpy(bytes + 8, header, header_size);
    memset(bytes + 8 + header_size, 1, data_size);
    put_file(bytes, 8 + header_size + data_size);
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
static inline reel_params *make_model(reel_context *c, bool filled)
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

static inline void expect_model(const reel_params *params)
{
    for (size_t i = 0; i < COUNT(parts); i++) {
        const reel_param *p = reel_params_find(params, parts[i].name);
        cr_assert(memcmp(p->data, parts[i].data, (size_t)p->numel * reel_dtype_size(p->dtype)) == 0, "%s", p->name);
    }
}

static inline void expect_zeros(const reel_params *params)
{
    for (int64_t i = 0; i < params->count; i++) {
        const reel_param *p = params->params[i];
        const char *bytes = p->data;
        for (size_t k = 0; k < (size_t)p->numel * reel_dtype_size(p->dtype); k++)
            cr_assert_eq(bytes[k], 0, "%s changed", p->name);
        cr_assert_eq(p->version, 0u, "%s counts as changed", p->name);
    }
}

#endif
