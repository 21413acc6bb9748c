/* Reductions: sums, means, extremes, norms over any set of axes.
 *
 *     reel_var mean = reel_mean(t, x, REEL_AXES(0, 2, 3), true); // [64, 32, 14, 14] -> [1, 32, 1, 1]
 *     reel_var norms = reel_norm(t, h, 2, REEL_AXES(1), false);  // [64, 10] -> [64] */
#ifndef REEL_REDUCE_H
#define REEL_REDUCE_H

#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What they share. x must be real (reel_to_real counts bools and integers). `axes` points to n different axes, negative
 * ones count from the end; n 0 stands for all axes, and axes may be NULL then. With keepdim a reduced axis stays with
 * size 1, else it goes. A scalar accepts axis 0 and -1, as in PyTorch. REEL_ERROR_ARGUMENT for an axis out of range or
 * given twice. Sums of many elements are made in blocks and pairwise, so they keep their digits, and their bits for any
 * number of threads. */

/* torch.sum. Of no elements: 0. */
REEL_API reel_var reel_sum(reel_tape *tape, reel_var x, const int *axes, int n, bool keepdim);

/* torch.mean. Of no elements: NaN. */
REEL_API reel_var reel_mean(reel_tape *tape, reel_var x, const int *axes, int n, bool keepdim);

/* Over all axes: the scalars x.sum() and x.mean(). */
REEL_API reel_var reel_sum_all(reel_tape *tape, reel_var x);
REEL_API reel_var reel_mean_all(reel_tape *tape, reel_var x);

/* torch.Tensor.sum_to_size: x summed down to `shape`, which must broadcast to the shape of x; gives x itself when the
 * shapes are equal. */
REEL_API reel_var reel_sum_to_size(reel_tape *tape, reel_var x, reel_shape shape);

/* torch.var with `correction` (1: Bessel's, 0: the mean squared deviation): the squared deviations from the mean,
 * summed and divided by max(0, count - correction). NaN when that is 0. */
REEL_API reel_var reel_variance(reel_tape *tape, reel_var x, const int *axes, int n, double correction, bool keepdim);

/* torch.std: the square root of reel_variance, with a gradient of 0 where all elements are equal. */
REEL_API reel_var reel_std(reel_tape *tape, reel_var x, const int *axes, int n, double correction, bool keepdim);

/* torch.amax and torch.amin. The gradient is shared evenly among equal extremes. NaN wins. REEL_ERROR_SHAPE when a
 * reduced axis has size 0. */
REEL_API reel_var reel_amax(reel_tape *tape, reel_var x, const int *axes, int n, bool keepdim);
REEL_API reel_var reel_amin(reel_tape *tape, reel_var x, const int *axes, int n, bool keepdim);

/* torch.argmax and torch.argmin along one axis: the int64 position of the largest, or smallest, element, the first of
 * equals; a NaN comes before all numbers. No derivative. REEL_ERROR_SHAPE when the axis has size 0. */
REEL_API reel_var reel_argmax(reel_tape *tape, reel_var x, int axis, bool keepdim);
REEL_API reel_var reel_argmin(reel_tape *tape, reel_var x, int axis, bool keepdim);

/* The product along one axis, and of all elements: torch.prod. Of no elements: 1. Derivatives are exact where elements
 * are 0. Elements are multiplied in pairs, so last digits may differ from PyTorch's. */
REEL_API reel_var reel_prod(reel_tape *tape, reel_var x, int axis, bool keepdim);
REEL_API reel_var reel_prod_all(reel_tape *tape, reel_var x);

/* torch.cumsum: element i of the result is the sum of the elements 0..i along the axis. x is real or int64, whose sums
 * wrap; reals are summed in double. */
REEL_API reel_var reel_cumsum(reel_tape *tape, reel_var x, int axis);

/* torch.linalg.vector_norm: (sum |x|^p)^(1/p) for any p but NaN; p INFINITY and -INFINITY are the largest and smallest
 * |x|, p 0 counts the elements that are not 0. The gradient is 0 where the norm has none (p 2: at norm 0; p 1: at 0).
 * REEL_ERROR_SHAPE when a reduced axis has size 0 and p is negative or infinite. */
REEL_API reel_var reel_norm(reel_tape *tape, reel_var x, double p, const int *axes, int n, bool keepdim);

/* torch.renorm: x [...] of two axes or more, each slice along `axis` (negative: from the end) scaled down to the p-norm
 * maxnorm, by maxnorm / (norm + 1e-7), if its own is larger. p and maxnorm are not negative (p 0 counts, which PyTorch
 * refuses). Exact derivatives of any order, away from norm == maxnorm. REEL_ERROR_SHAPE for fewer axes. */
REEL_API reel_var reel_renorm(reel_tape *tape, reel_var x, double p, int axis, double maxnorm);

/* torch.logsumexp: log(sum(exp(x))) without overflow. -INFINITY when all elements are that, or there are none. */
REEL_API reel_var reel_logsumexp(reel_tape *tape, reel_var x, const int *axes, int n, bool keepdim);

#ifdef __cplusplus
}
#endif

#endif
