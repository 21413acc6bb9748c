/* Types that every part of reel shares: the real type, status codes, element types, shapes and vars.
 *
 *     reel_shape shape = REEL_SHAPE(64, 10);
 *     printf("%lld elements\n", (long long)reel_shape_numel(&shape));
 *     reel_status status = reel_save_safetensors(params, "model.safetensors");
 *     if (status)
 *         printf("%s: %s\n", reel_status_text(status), reel_error(c)); */
#ifndef REEL_TYPES_H
#define REEL_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of these headers, by semantic versioning (before 1.0 a new minor version may change what is called), and
 * as one number: 10000 major + 100 minor + patch. */
#define REEL_VERSION_MAJOR 0
#define REEL_VERSION_MINOR 1
#define REEL_VERSION_PATCH 0
#define REEL_VERSION (REEL_VERSION_MAJOR * 10000 + REEL_VERSION_MINOR * 100 + REEL_VERSION_PATCH)

/* What the library exports, and functions that take a format as printf does. */
#if defined(__GNUC__)
#define REEL_API __attribute__((visibility("default")))
#define REEL_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define REEL_API
#define REEL_PRINTF(text, first)
#endif

/* The element type of parameters, activations and gradients: float in libreel, double in libreel_f64 (same sources,
 * compiled with REEL_F64). A program links one of the two and is compiled to match it. */
#ifdef REEL_F64
typedef double reel_real;
#else
typedef float reel_real;
#endif

/* What a function that may fail returns, and what reel_context_status keeps of the first failure. */
typedef enum reel_status {
    REEL_OK = 0,              /* no failure */
    REEL_ERROR_OUT_OF_MEMORY, /* the allocator returned NULL */
    REEL_ERROR_ARGUMENT,      /* a value outside its range, a NULL that must not be, a malformed option */
    REEL_ERROR_SHAPE,         /* shapes that do not fit together, or a size that does not fit 64 bits */
    REEL_ERROR_DTYPE,         /* an element type that the operation does not take */
    REEL_ERROR_INDEX,         /* an index outside the table or axis that it points into */
    REEL_ERROR_STALE,         /* a var that its tape no longer holds (kept across a reset), or of another tape */
    REEL_ERROR_STATE,         /* right arguments at the wrong time: a param changed since the forward pass, say */
    REEL_ERROR_NO_RULE,       /* a derivative was asked of an operation that has none */
    REEL_ERROR_IO,            /* a file that cannot be opened, read or written */
    REEL_ERROR_FORMAT,        /* a file whose contents break its format, or do not match the model */
    REEL_ERROR_GRADIENT,      /* reel_gradcheck found a gradient that is not the function's */
    REEL_ERROR_NOT_FINITE,    /* NaN or an infinity came up, and reel_set_detect_anomaly asked for it to be an error */
    REEL_ERROR_PEER           /* another process of the training (reel/mpi.h) is late, or cannot be reached */
} reel_status;

/* A short English name of the status, such as "out of memory". Static storage; never NULL. */
REEL_API const char *reel_status_text(reel_status status);

/* The element types of vars, params and arrays. */
typedef enum reel_dtype {
    REEL_REAL = 0, /* reel_real */
    REEL_INT64,    /* int64_t */
    REEL_INT32,    /* int32_t */
    REEL_BOOL,     /* one byte, 0 or 1 */
    /* uint16_t, the upper half of a float32 (torch.bfloat16). Of params that are tables alone: lookups (reel_embedding)
     * read them as reals, and every other operation refuses them. */
    REEL_BFLOAT16
} reel_dtype;

/* Bytes of one element. */
REEL_API size_t reel_dtype_size(reel_dtype dtype);

/* "float32" or "float64" for REEL_REAL, "int64", "int32", "bool", "bfloat16". Static storage. */
REEL_API const char *reel_dtype_name(reel_dtype dtype);

/* The most axes. */
#define REEL_MAX_NDIM 8

/* Sizes of up to 8 axes, outermost first (row-major). A size may be 0. ndim 0 is a scalar with one element. */
typedef struct reel_shape {
    int ndim;
    int64_t dim[REEL_MAX_NDIM]; /* of which the first ndim count */
} reel_shape;

/* A shape from a pointer and a count. A count outside 0..8 gives a shape whose ndim is that count, which every
 * function refuses with REEL_ERROR_SHAPE. */
REEL_API reel_shape reel_shape_make(int ndim, const int64_t *dim);

/* The product of the sizes; or -1 when shape is NULL, a size is negative, ndim is outside 0..8, or the product of the
 * sizes that are not 0 does not fit: with [2^32, 2^32, 0] no stride would. */
REEL_API int64_t reel_shape_numel(const reel_shape *shape);

/* Whether both have the same axes; false for NULL. */
REEL_API bool reel_shape_equal(const reel_shape *a, const reel_shape *b);

/* A value recorded on a tape: its number, and the generation of the tape that it belongs to, which no other tape or
 * step of the context has. Plain data: copy it, keep it, compare it by both members; it owns nothing. After the tape is
 * reset, using it is an error (REEL_ERROR_STALE), never undefined. The null var {0, 0} is what a failed operation
 * returns; every operation accepts it and returns it. */
typedef struct reel_var {
    uint32_t number;
    uint64_t generation;
} reel_var;

/* Whether v is the null var. */
static inline bool reel_is_null(reel_var v)
{
    return v.generation == 0;
}

/* The null var. */
static inline reel_var reel_null(void)
{
    reel_var v = {0, 0};
    return v;
}

typedef struct reel_context reel_context; /* context.h */
typedef struct reel_tape reel_tape;       /* tape.h */
typedef struct reel_params reel_params;   /* a set: params.h */
typedef struct reel_param reel_param;     /* a param or buffer of a set */

#ifdef __cplusplus
}
#endif

/* REEL_LIST(type, a, b): stands for two arguments, a pointer to values of the type and their count. They live until the
 * end of the full expression (in C: of the block). */
#ifdef __cplusplus
#include <initializer_list>

/* Never called: the size of its result is the number of its arguments. */
template <class... Values> char (&reel_count(const Values &...))[sizeof...(Values)];

template <class... Sizes> inline reel_shape reel_shape_from(Sizes... sizes)
{
    const int64_t dim[] = {static_cast<int64_t>(sizes)...};
    return reel_shape_make(static_cast<int>(sizeof...(sizes)), dim);
}

#define REEL_LIST(type, ...)                                                                                           \
    std::initializer_list<type>{__VA_ARGS__}.begin(), static_cast<int>(sizeof(reel_count(__VA_ARGS__)))
#define REEL_SHAPE(...) reel_shape_from(__VA_ARGS__)
#else
#define REEL_LIST(type, ...) ((type[]){__VA_ARGS__}), (int)(sizeof((type[]){__VA_ARGS__}) / sizeof(type))
/* A shape from its sizes: REEL_SHAPE(64, 10). */
#define REEL_SHAPE(...)                                                                                                \
    reel_shape_make((int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__})
#endif

/* REEL_SCALAR: the shape with no axes. REEL_VARS(a, b), REEL_AXES(0, 2) and
 * REEL_SIZES(1, 2): lists for functions that take vars, axes or sizes, and their count. */
#define REEL_SCALAR reel_shape_make(0, NULL)
#define REEL_VARS(...) REEL_LIST(reel_var, __VA_ARGS__)
#define REEL_AXES(...) REEL_LIST(int, __VA_ARGS__)
#define REEL_SIZES(...) REEL_LIST(int64_t, __VA_ARGS__)

#endif
