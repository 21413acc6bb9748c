/* Undoing a broadcast: sums to a smaller shape. */
#include "kern/sum_to.h"

#include "kern/reduce.h"

void reel_kern_sum_to(const reel_shape *from_shape, const reel_real *from, const reel_shape *to_shape, reel_real *to,
                      bool add, int threads)
{
    unsigned reduced = 0;
    int new_axes = from_shape->ndim - to_shape->ndim;
    for (int i = 0; i < from_shape->ndim; i++)
        if (i < new_axes || to_shape->dim[i - new_axes] != from_shape->dim[i])
            reduced |= 1u << i;
    const struct reel_kern_reduction sum = {.combine = REEL_KERN_SUM, .divisor = 1, .add = add};
    reel_kern_reduce(from_shape, reduced, from, &sum, to, threads);
}
