/* What operations over a set of axes share: the attribute, its checks, and samples. */
#ifndef REEL_OPS_AXES_H
#define REEL_OPS_AXES_H

#include "ops/family.h"

/* Axes as the user gave them: n 0 is all of them. The first member of the attributes. */
struct reel_axes {
    int n;
    int axes[REEL_MAX_NDIM];
    bool keepdim;
};

/* From the arguments of a public function. Nothing is checked yet. */
struct reel_axes reel_axes_of(const int *axes, int n, bool keepdim);

/* Checks input 0 and the axes, and gives output 0 its shape. */
reel_status reel_axes_check(reel_call *call, const struct reel_axes *a);

/* Of checked axes: a bit for each, and the number of elements that make one result. */
unsigned reel_axes_mask(const struct reel_axes *a, int ndim);
double reel_axes_count(const reel_shape *shape, unsigned reduced);

/* REEL_ERROR_SHAPE when an axis to reduce has size 0: for what has no neutral element. */
reel_status reel_axes_refuse_empty(reel_call *call, unsigned reduced);

/* v, of the shape of the result, as it would be with keepdim: then it broadcasts against input 0. */
reel_var reel_axes_keep(const reel_call *call, const struct reel_axes *a, reel_var v);

/* `grad`, one for each result, shared evenly among the elements of `value` (of the shape of input 0) that equal
 * `result`. */
reel_var reel_share_among_equals(const reel_call *call, const struct reel_axes *a, reel_var value, reel_var result,
                                 reel_var grad);

/* A reducing node ("ReduceSum") of a value with the axes of input 0. */
reel_onnx_value reel_axes_onnx(const reel_call *call, reel_onnx *to, const struct reel_axes *a, const char *node,
                               reel_onnx_value value, bool keepdim);

/* The number of elements that make one result, as a real without axes, for any batch. */
reel_onnx_value reel_axes_count_onnx(const reel_call *call, reel_onnx *to, const struct reel_axes *a);

/* One pass over input 0. */
reel_cost reel_axes_cost(const reel_call *call);

/* Sets of axes for samples, as the first members of any attributes that begin with reel_axes. */
#define ALL                                                                                                            \
    {                                                                                                                  \
        0                                                                                                              \
    }
#define ALL_KEPT                                                                                                       \
    {                                                                                                                  \
        .keepdim = true                                                                                                \
    }
#define FIRST                                                                                                          \
    {                                                                                                                  \
        1, {0}, false                                                                                                  \
    }
#define FIRST_KEPT                                                                                                     \
    {                                                                                                                  \
        1, {0}, true                                                                                                   \
    }
#define LAST                                                                                                           \
    {                                                                                                                  \
        1, {-1}, false                                                                                                 \
    }
#define LAST_KEPT                                                                                                      \
    {                                                                                                                  \
        1, {-1}, true                                                                                                  \
    }
#define MIDDLE                                                                                                         \
    {                                                                                                                  \
        1, {1}, false                                                                                                  \
    }
#define OUTER                                                                                                          \
    {                                                                                                                  \
        2, {0, -1}, false                                                                                              \
    }
#define EVERY_OTHER                                                                                                    \
    {                                                                                                                  \
        4, {0, 2, 4, 6}, true                                                                                          \
    }
#define ODD                                                                                                            \
    {                                                                                                                  \
        4, {-1, 5, 3, -7}, false                                                                                       \
    }

/* Attributes for AXES_GOOD(set, ...): a struct that begins with reel_axes, and its other members. */
#define WITH_AXES(attributes, set, ...)                                                                                \
    static const struct attributes set##_all = {ALL, __VA_ARGS__}, set##_all_kept = {ALL_KEPT, __VA_ARGS__},           \
                                   set##_first = {FIRST, __VA_ARGS__}, set##_first_kept = {FIRST_KEPT, __VA_ARGS__},   \
                                   set##_last = {LAST, __VA_ARGS__}, set##_last_kept = {LAST_KEPT, __VA_ARGS__},       \
                                   set##_middle = {MIDDLE, __VA_ARGS__}, set##_outer = {OUTER, __VA_ARGS__},           \
                                   set##_every_other = {EVERY_OTHER, __VA_ARGS__}, set##_odd = {ODD, __VA_ARGS__}

/* For operations whose attributes are reel_axes alone: the set `over`, and what AXES_REFUSED takes. */
#define PLAIN_AXES                                                                                                     \
    static const struct reel_axes over_all = ALL, over_all_kept = ALL_KEPT, over_first = FIRST,                        \
                                  over_first_kept = FIRST_KEPT, over_last = LAST, over_last_kept = LAST_KEPT,          \
                                  over_middle = MIDDLE, over_outer = OUTER, over_every_other = EVERY_OTHER,            \
                                  over_odd = ODD, out_of_range = {1, {2}, false}, below_range = {1, {-3}, false},      \
                                  twice = {2, {1, -1}, false}, too_many = {3, {0, 1, 2}, false}, no_axes = {.n = -1},  \
                                  nine = {.n = 9}

/* Samples for attributes `set`_all, `set`_first and so on, of inputs made by IN. */
#define AXES_GOOD(set, IN)                                                                                             \
    GOOD(#set ": all axes", &set##_all, IN(3, 4)), GOOD(#set ": all axes, kept", &set##_all_kept, IN(2, 3, 4)),        \
        GOOD(#set ": columns", &set##_first, IN(7, 5)), GOOD(#set ": columns, kept", &set##_first_kept, IN(5, 2, 3)),  \
        GOOD(#set ": many columns", &set##_first, IN(3, 70)), GOOD(#set ": many rows", &set##_first, IN(70, 2)),       \
        GOOD(#set ": rows", &set##_last, IN(5, 7)), GOOD(#set ": long rows, kept", &set##_last_kept, IN(2, 70)),       \
        GOOD(#set ": an axis in the middle", &set##_middle, IN(3, 4, 2)),                                              \
        GOOD(#set ": first and last", &set##_outer, IN(2, 3, 4)),                                                      \
        GOOD(#set ": eight axes, every other one", &set##_every_other, IN(2, 1, 2, 2, 2, 1, 3, 2)),                    \
        GOOD(#set ": eight axes, negative", &set##_odd, IN(2, 2, 1, 2, 1, 2, 1, 3)),                                   \
        GOOD(#set ": no results", &set##_last, IN(0, 3))
/* Also where each result is of a single element. */
#define AXES_SINGLE(set, IN)                                                                                           \
    GOOD(#set ": a scalar", &set##_all, SCALAR), GOOD(#set ": a scalar along axis 0", &set##_first, SCALAR),           \
        GOOD(#set ": a scalar along axis -1, kept", &set##_last_kept, SCALAR),                                         \
        GOOD(#set ": axes of size 1", &set##_outer, IN(1, 3, 1)), GOOD(#set ": one element", &set##_all, IN(1, 1))
#define AXES_REFUSED                                                                                                   \
    REFUSED("axis too large", REEL_ERROR_ARGUMENT, &out_of_range, REAL(2, 3)),                                         \
        REFUSED("axis too small", REEL_ERROR_ARGUMENT, &below_range, REAL(2, 3)),                                      \
        REFUSED("an axis twice", REEL_ERROR_ARGUMENT, &twice, REAL(2, 3)),                                             \
        REFUSED("more axes than there are", REEL_ERROR_ARGUMENT, &too_many, REAL(2, 3)),                               \
        REFUSED("nine axes", REEL_ERROR_ARGUMENT, &nine, REAL(2, 3)),                                                  \
        REFUSED("no pointer to axes", REEL_ERROR_ARGUMENT, &no_axes, REAL(2, 3)),                                      \
        REFUSED("axis 2 of a scalar", REEL_ERROR_ARGUMENT, &out_of_range, SCALAR),                                     \
        REFUSED("not real", REEL_ERROR_DTYPE, &over_all, INDEX(4, 2, 3)),                                              \
        REFUSED("bools", REEL_ERROR_DTYPE, &over_all, BOOL(3))

/* Inputs without ties. */
#define DISTINCT(...) APART(0.004, __VA_ARGS__)

#endif
