/* The types that elements have in files, and reading them as reel's own. */
#ifndef REEL_FILES_ELEMENTS_H
#define REEL_FILES_ELEMENTS_H

#include "files/input.h"

/* Data is copied between file and memory as it is. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files are little-endian: swap bytes here");

/* How the bits of an element are to be read. */
enum reel_tensor_coding { REEL_CODED_OTHERWISE, REEL_CODED_FLOAT, REEL_CODED_SIGNED, REEL_CODED_UNSIGNED };

/* A type that some format has, called as in safetensors. reel's own types are listed too. */
struct reel_tensor_type {
    const char *name;
    int bits;
    int dtype; /* the reel_dtype it is stored as, or -1 */
    enum reel_tensor_coding coding;
    int mantissa;  /* of a float: its lowest bits; all others but the sign are the exponent */
    bool infinite; /* of a float: the highest exponent is kept for infinities and NaN, as IEEE 754 has it */
};

/* The type that is called so; NULL when there is none. */
const struct reel_tensor_type *reel_tensor_type_named(const char *name);

/* The name of reel's own type; NULL when there is no such type. */
const char *reel_tensor_type_name(reel_dtype dtype);

/* Whether elements of a type (NULL: an unknown one) can become `dtype`: they are of that type, or of one that reel does
 * not have and whose every value it holds. F32 and F64 are both reel_real's, U64 fits when its values do. */
bool reel_tensor_type_converts(const struct reel_tensor_type *type, reel_dtype dtype);

/* How elements lie in a file, and what they become. The types convert. */
struct reel_element_reading {
    const struct reel_tensor_type *type;
    bool swapped; /* the bytes of each are in big-endian order */
    reel_dtype dtype;
};

/* Reads the next n elements and returns how many went well: fewer when the source failed, which is recorded then, or
 * when the next one has no value of the type, which is for the caller to record. */
int64_t reel_elements_read(struct reel_source *from, const struct reel_element_reading *reading, int64_t n, void *out);

/* For messages, what is wrong with an element that has no value: "above the largest int64". */
const char *reel_element_misfit(const struct reel_element_reading *reading);

#endif
