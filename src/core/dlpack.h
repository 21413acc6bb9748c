/* The layout of DLPack 1, from its specification, and what a tape has taken over. */
#ifndef REEL_CORE_DLPACK_H
#define REEL_CORE_DLPACK_H

#include "core/tape.h"

#include <reel/dlpack.h>

/* Codes of devices and types, and flags; the others are not spoken here. */
enum { REEL_DL_CPU = 1 };
enum { REEL_DL_INT = 0, REEL_DL_FLOAT = 2, REEL_DL_BFLOAT = 4, REEL_DL_BOOL = 6 };
enum { REEL_DL_READ_ONLY = 1, REEL_DL_IS_COPIED = 2 };

struct reel_dl_device {
    int32_t type, id;
};

struct reel_dl_type {
    uint8_t code, bits;
    uint16_t lanes;
};

struct reel_dl_tensor {
    void *data;
    struct reel_dl_device device;
    int32_t ndim;
    struct reel_dl_type dtype;
    int64_t *shape, *strides; /* strides in elements; NULL: contiguous, row-major */
    uint64_t byte_offset;     /* of the first element from data */
};

struct DLManagedTensorVersioned {
    uint32_t major, minor;
    void *manager;
    void (*deleter)(struct DLManagedTensorVersioned *self); /* may be NULL */
    uint64_t flags;
    struct reel_dl_tensor tensor;
};

/* A tensor whose elements a var borrows: a block of scratch. */
struct reel_import {
    struct DLManagedTensorVersioned *tensor;
    struct reel_import *next;
};

/* Ends all that the tape has taken over. */
void reel_tape_delete_imports(reel_tape *tape);

#endif
