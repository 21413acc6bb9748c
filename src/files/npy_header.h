/* What stands before the elements of an array in numpy's format. */
#ifndef REEL_FILES_NPY_HEADER_H
#define REEL_FILES_NPY_HEADER_H

#include "files/elements.h"

/* Version and length of the header, the header, which is a Python dictionary, then the elements. */
enum { REEL_NPY_MAGIC = 6, REEL_NPY_LONGEST = 10000, REEL_NPY_WRITTEN = 512, REEL_NPY_DESCR = 16 };

struct reel_npy_header {
    int64_t size; /* bytes, with the magic */
    reel_shape shape;
    int64_t numel;
    const struct reel_tensor_type *type; /* NULL: one that reel does not know */
    char descr[REEL_NPY_DESCR];          /* numpy's name of the type */
    bool swapped, fortran;
};

/* Reads and checks a header, of which no more than `available` bytes with the elements may follow: the elements are
 * just what is left of them. `input` is for messages, in which the array is called `name`. */
reel_status reel_npy_header_read(const struct reel_input *input, const char *name, struct reel_source *source,
                                 int64_t available, struct reel_npy_header *header);

/* Writes the header of an array in row-major order to `text`, as numpy.save does, and returns its size. */
int64_t reel_npy_header_write(reel_dtype dtype, const reel_shape *shape, char text[REEL_NPY_WRITTEN]);

#endif
