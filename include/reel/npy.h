/* Files of numpy: .npy, which holds one array, and .npz, a zip archive of such, as numpy.load reads them and
 * numpy.save, numpy.savez and numpy.savez_compressed write them.
 *
 * Types are called as in safetensors.h, and converted as said there: f2, f4, f8, i1..i8, u1..u8 and b1 of either order
 * of bytes, and V2, which is how numpy saves bfloat16 of the package ml_dtypes. What is in Fortran order is read in the
 * order of all others, row-major. An array of another type (strings, dates) has numpy's name for it, "<U5", and cannot
 * be read; it does not block the others of an archive.
 *
 * Nothing in a file is trusted. A header must be as numpy writes it, of versions 1 to 3 and up to 10,000 bytes: a
 * dictionary with just the keys descr, fortran_order and shape, a descr that is a plain string (records and objects are
 * not read), up to 8 axes, and elements that are just the bytes that follow. Of an archive's members those are arrays
 * whose names end in .npy, and called so without it. They are stored or deflated, their names UTF-8 and unique; the
 * parts of an archive are where its directory says, do not overlap, and agree on names and sizes (numpy gets through
 * some where they do not), and only a comment may follow. The checksum is compared when an array is read as a whole.
 * Anything else is REEL_ERROR_FORMAT with the reason, what the system refuses REEL_ERROR_IO.
 *
 *     reel_npy *file = reel_npy_open(c, "batch.npz");
 *     const reel_tensor_info *info = reel_npy_find(file, "x");
 *     reel_real *values = malloc((size_t)info->numel * sizeof(reel_real));
 *     if (reel_npy_read(file, "x", REEL_REAL, values, info->numel))
 *         fprintf(stderr, "%s\n", reel_error(c));
 *     reel_npy_close(file); */
#ifndef REEL_NPY_H
#define REEL_NPY_H

#include <reel/safetensors.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A file that is open for reading, its headers checked; NULL on error. What it is says its content, not its name. Close
 * it before the context is freed. */
typedef struct reel_npy reel_npy;
REEL_API reel_npy *reel_npy_open(reel_context *context, const char *path);
REEL_API void reel_npy_close(reel_npy *file);

/* How many arrays there are, the i-th in the file's order, and one by name; NULL when there is none (no error). The one
 * array of an .npy file is called "". Valid until the file is closed. */
REEL_API int64_t reel_npy_count(const reel_npy *file);
REEL_API const reel_tensor_info *reel_npy_at(const reel_npy *file, int64_t i);
REEL_API const reel_tensor_info *reel_npy_find(const reel_npy *file, const char *name);

/* Copies an array to out, which has room for numel elements of type dtype: just as many as the array has
 * (REEL_ERROR_SHAPE). REEL_ERROR_ARGUMENT when there is no such array, REEL_ERROR_DTYPE unless the type is the same or
 * one that is converted. After REEL_ERROR_IO or REEL_ERROR_FORMAT out may be partly written. */
REEL_API reel_status reel_npy_read(reel_npy *file, const char *name, reel_dtype dtype, void *out, int64_t numel);

/* The same for rows first..first + rows - 1 of axis 0; out has room for their elements. REEL_ERROR_SHAPE for an array
 * without axes, REEL_ERROR_INDEX when it does not have those rows. */
REEL_API reel_status reel_npy_read_rows(reel_npy *file, const char *name, reel_dtype dtype, int64_t first, int64_t rows,
                                        void *out);

/* An array as it lies in the file, as reel_safetensors_map. REEL_ERROR_FORMAT also for one that is in Fortran order
 * with more than one axis or in big-endian order. */
REEL_API const void *reel_npy_map(reel_npy *file, const char *name, const char *dtype);

/* Writes an array with the bytes of numpy.save; the file is replaced as reel_save_safetensors does it. */
REEL_API reel_status reel_npy_write(reel_context *context, const char *path, reel_dtype dtype, reel_shape shape,
                                    const void *data);

typedef struct reel_npz_options {
    reel_options_mark mark;
    bool compressed; /* false: as numpy.savez does it. true: deflated, as numpy.savez_compressed */
} reel_npz_options;
REEL_API reel_npz_options reel_npz_defaults(void);

/* Writes arrays as members NAME.npy of an archive. Names are not empty, valid UTF-8 and unique. An array that is not
 * compressed begins at a multiple of 64, so that it can be mapped. Members of 4 GiB and more are no special case: all
 * have the fields of zip64. NULL options: the defaults. REEL_ERROR_IO for compressed arrays without zlib. */
REEL_API reel_status reel_npz_write(reel_context *context, const char *path, const reel_named_array *arrays, int n,
                                    const reel_npz_options *options);

#ifdef __cplusplus
}
#endif

#endif
