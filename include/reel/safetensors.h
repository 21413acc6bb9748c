/* Files of named arrays in the safetensors format, which Python's `safetensors` and everything built on it read.
 *
 * The format stores little-endian numbers under these type names; reel writes F32 (libreel) or F64 (libreel_f64), I64,
 * I32, BOOL, and BF16 for tables of REEL_BFLOAT16. A file is written beside its target, flushed to the disk and then
 * renamed, so that the target is the old file or the new one and never half of one (a process that is killed may leave
 * the file beside it, whose name ends in .tmp). A symbolic link is followed; a target that is not a regular file is
 * refused. The bytes are those that safetensors.torch.save_file(..., metadata={"format": "pt"}) writes.
 *
 * Reading checks the whole header before anything else: its length (at most 100,000,000 bytes, and within the file),
 * strict JSON without unknown or repeated keys, names in UTF-8, shapes of at most 8 axes whose bytes are exactly what
 * the offsets span, and data without overlap, gap or rest. Anything else is REEL_ERROR_FORMAT with the place and the
 * reason; what the system refuses is REEL_ERROR_IO, its text in English whatever the locale. A type name that reel does
 * not know blocks that tensor alone.
 *
 * Types that reel does not have are converted to those whose values include theirs: F32, F64, F16, BF16, F8_E4M3 (the
 * one without infinities) and F8_E5M2 to reel_real, F64 rounded where that is float; I8, I16, U8 and U16 to int32 or
 * int64; U32 and U64 to int64, a U64 above its largest being REEL_ERROR_FORMAT.
 *
 *     reel_load_report report;
 *     REEL_OPTIONS(load, o, o.strict = false, o.report = &report);
 *     if (reel_load_safetensors(params, "model.safetensors", &o))
 *         fprintf(stderr, "%s\n", reel_error(c));
 *     for (int64_t i = 0; i < report.n_missing_keys; i++)
 *         printf("not in the file: %s\n", report.missing_keys[i]);
 *     reel_load_report_free(&report);
 *     reel_save_safetensors(params, "model.safetensors"); */
#ifndef REEL_SAFETENSORS_H
#define REEL_SAFETENSORS_H

#include <reel/options.h>
#include <reel/params.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Param sets ---- */

/* Writes every param and buffer under its name. */
REEL_API reel_status reel_save_safetensors(const reel_params *params, const char *path);

/* A text that the file carries beside the tensors. */
typedef struct reel_metadata {
    const char *key, *value; /* valid UTF-8 */
} reel_metadata;

/* The same with n pairs of metadata, whose keys differ from each other and from "format". */
REEL_API reel_status reel_save_safetensors_with(const reel_params *params, const char *path,
                                                const reel_metadata *metadata, int n);

/* What came of a load, in names: missing are params and buffers that the file does not have, unexpected are tensors
 * that the set does not have (what load_state_dict returns), mismatched are those that both have, with shapes or types
 * that do not go together. In the order of the set and of the file. */
typedef struct reel_load_report {
    int64_t n_loaded; /* params and buffers that were read; 0 after a failure */
    int64_t n_missing_keys, n_unexpected_keys, n_mismatched_keys; /* how many names each list has */
    const char *const *missing_keys;                              /* this list and the two below are the report's own */
    const char *const *unexpected_keys;                           /* as missing_keys */
    const char *const *mismatched_keys;                           /* as missing_keys */
    reel_context *context;                                        /* internal */
} reel_load_report;

/* Frees the names, before the context, and leaves an empty report. NULL is accepted. */
REEL_API void reel_load_report_free(reel_load_report *report);

typedef struct reel_load_options {
    reel_options_mark mark;
    /* true: the file and the set must have the same names. false: tensors that the set does not have are passed over,
     * and params that the file does not have stay as they are (load_state_dict with strict=False); but a file of which
     * no name is the set's is refused all the same, since nothing would be loaded. */
    bool strict;
    /* Written by every load that gets as far as the names, also by one that they make fail; empty after another
     * failure. What it held is not freed. NULL: no report. */
    reel_load_report *report;
} reel_load_options;
REEL_API reel_load_options reel_load_defaults(void);

/* Reads every param and buffer from the tensor of its name. Shapes must be equal and the types the same, or converted
 * as said above. As with load_state_dict, a param without axes takes a tensor of one element, and an int64 buffer
 * called num_batches_tracked, which old files lack, stays as it is. REEL_ERROR_FORMAT tells in one text how many names
 * are missing, unexpected and mismatched, and as many of them as it has room for, with what the two sides have. All is
 * checked and read before the first param changes: after a failure, none has. NULL options: the defaults (strict). */
REEL_API reel_status reel_load_safetensors(reel_params *params, const char *path, const reel_load_options *options);

/* ---- Plain arrays ---- */

/* An array of the caller's. */
typedef struct reel_named_array {
    const char *name; /* not empty, valid UTF-8, not "__metadata__", and unique in the file */
    reel_dtype dtype; /* of its elements */
    reel_shape shape; /* of at most 8 axes */
    const void *data; /* row-major; may be NULL when there are no elements */
} reel_named_array;

/* Writes n arrays under their names, as reel_save_safetensors does it. REEL_ERROR_ARGUMENT for a name that is none,
 * REEL_ERROR_IO. */
REEL_API reel_status reel_safetensors_write(reel_context *context, const char *path, const reel_named_array *arrays,
                                            int n);

/* A file that is open for reading, its header checked; NULL on error. Close it before the context is freed. */
typedef struct reel_safetensors reel_safetensors;
REEL_API reel_safetensors *reel_safetensors_open(reel_context *context, const char *path);
REEL_API void reel_safetensors_close(reel_safetensors *file);

/* What the header says about a tensor. Valid until the file is closed. */
typedef struct reel_tensor_info {
    const char *name;  /* valid UTF-8 */
    const char *dtype; /* the format's name: "F32", "BF16", ... */
    reel_shape shape;  /* of at most 8 axes */
    int64_t numel;     /* the product of its sizes */
} reel_tensor_info;

/* How many tensors there are, the i-th in the header's order, and one by name; NULL when there is none (no error). */
REEL_API int64_t reel_safetensors_count(const reel_safetensors *file);
REEL_API const reel_tensor_info *reel_safetensors_at(const reel_safetensors *file, int64_t i);
REEL_API const reel_tensor_info *reel_safetensors_find(const reel_safetensors *file, const char *name);

/* The metadata's value for a key; NULL when there is none (no error). Valid until the file is closed. */
REEL_API const char *reel_safetensors_metadata(const reel_safetensors *file, const char *key);

/* Copies a tensor to out, which has room for numel elements of type dtype: just as many as the tensor has
 * (REEL_ERROR_SHAPE). REEL_ERROR_ARGUMENT when there is no such tensor, REEL_ERROR_DTYPE unless the type is the same
 * or one that is converted. After REEL_ERROR_IO or REEL_ERROR_FORMAT out may be partly written. */
REEL_API reel_status reel_safetensors_read(reel_safetensors *file, const char *name, reel_dtype dtype, void *out,
                                           int64_t numel);

/* The same for rows first..first + rows - 1 of a tensor's axis 0, without reading the others; out has room for their
 * elements. REEL_ERROR_SHAPE for a tensor without axes, REEL_ERROR_INDEX when it does not have those rows. */
REEL_API reel_status reel_safetensors_read_rows(reel_safetensors *file, const char *name, reel_dtype dtype,
                                                int64_t first, int64_t rows, void *out);

/* A tensor as it lies in the file, without copying it: only what is looked at is read from the disk, and nothing counts
 * as memory of the context. Row-major elements of the type `dtype`, which is tensor_info.dtype; nothing is converted or
 * checked (a BOOL may hold any byte). They may be read until the file is closed, by several threads, and not written.
 * NULL with an error: REEL_ERROR_ARGUMENT when there is no such tensor, REEL_ERROR_DTYPE when it has another type or
 * one of less than a byte, REEL_ERROR_FORMAT when its place in the file is none for elements of that size in memory
 * (where reel and Python put them it always is one), REEL_ERROR_IO when the system does not map the file. A file
 * that is replaced by another one stays as it was; one that somebody makes shorter ends the process with SIGBUS when
 * what is gone is looked at. */
REEL_API const void *reel_safetensors_map(reel_safetensors *file, const char *name, const char *dtype);

#ifdef __cplusplus
}
#endif

#endif
