/* Vars from nothing, from numbers of the caller, or from the context's generator. All are constants: no gradient flows
 * out of them, but reel_grad may ask for gradients with respect to them.
 *
 * Sizes may be 0. REEL_ERROR_SHAPE for a shape that is not one. A drawing function that fails leaves the generator as
 * it was; after the same seed the numbers are those of PyTorch's CPU generator, bit for bit. C does not say in which
 * order arguments are evaluated: draw at most one var per expression.
 *
 *     reel_manual_seed(c, 0);
 *     reel_var z = reel_randn(t, REEL_SHAPE(64, 100));                      // torch.randn after torch.manual_seed(0)
 *     reel_var y = reel_tensor_of(t, REEL_INT64, counts, REEL_SHAPE(1000)); // a copy
 *     reel_var target = reel_borrow(t, batch, REEL_SHAPE(64, 784));         // no copy: it stays until the reset */
#ifndef REEL_CREATE_H
#define REEL_CREATE_H

#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Real vars filled with 0, 1, or value (torch.zeros, torch.ones, torch.full). */
REEL_API reel_var reel_zeros(reel_tape *tape, reel_shape shape);
REEL_API reel_var reel_ones(reel_tape *tape, reel_shape shape);
REEL_API reel_var reel_full(reel_tape *tape, reel_shape shape, double value);

/* An int64 var filled with value. */
REEL_API reel_var reel_full_int64(reel_tape *tape, reel_shape shape, int64_t value);

/* Zeros and ones with the shape and the element type of x (torch.zeros_like, torch.ones_like). */
REEL_API reel_var reel_zeros_like(reel_tape *tape, reel_var x);
REEL_API reel_var reel_ones_like(reel_tape *tape, reel_var x);

/* A copy of the caller's elements, row-major (torch.tensor). reel_tensor_of takes any element type: reel_real, int64_t,
 * int32_t, or one byte per bool, of which any but 0 is true. data may be NULL only when the shape has no elements
 * (REEL_ERROR_ARGUMENT). */
REEL_API reel_var reel_tensor(reel_tape *tape, const reel_real *data, reel_shape shape);
REEL_API reel_var reel_tensor_of(reel_tape *tape, reel_dtype dtype, const void *data, reel_shape shape);

/* The caller's elements themselves, not a copy (torch.from_numpy): they must live, and stay as they are, until the tape
 * is reset or freed, and bools must be 0 or 1: debug builds assert it when they look next. REEL_ERROR_ARGUMENT when
 * data is not aligned for its type, and as above for NULL. */
REEL_API reel_var reel_borrow(reel_tape *tape, const reel_real *data, reel_shape shape);
REEL_API reel_var reel_borrow_of(reel_tape *tape, reel_dtype dtype, const void *data, reel_shape shape);

/* start, start + step, ... up to end, which is not reached: ceil((end - start) / step) elements (torch.arange). Element
 * i is start + i * step, computed in double and rounded to reel_real; PyTorch's own rounding depends on the processor's
 * vector width, so that last digits differ from it where step is no exact binary number. step may be negative but not
 * 0, and must lead from start to end; all three are finite (REEL_ERROR_ARGUMENT). */
REEL_API reel_var reel_arange(reel_tape *tape, double start, double end, double step);
REEL_API reel_var reel_arange_int64(reel_tape *tape, int64_t start, int64_t end, int64_t step);

/* `steps` numbers from start to end, both included, equally far apart (torch.linspace); computed as in reel_arange. Of
 * one number: start. REEL_ERROR_ARGUMENT when steps is negative or a bound is not finite. */
REEL_API reel_var reel_linspace(reel_tape *tape, double start, double end, int64_t steps);

/* A real matrix of zeros with ones on the main diagonal (torch.eye). */
REEL_API reel_var reel_eye(reel_tape *tape, int64_t rows, int64_t columns);

/* Uniform on [0, 1) and standard normal (torch.rand, torch.randn). As in PyTorch, fewer than 16 normal numbers come by
 * another method than more: two draws of 8 are not one of 16. */
REEL_API reel_var reel_rand(reel_tape *tape, reel_shape shape);
REEL_API reel_var reel_randn(reel_tape *tape, reel_shape shape);

/* Exponentially distributed with mean 1 (torch.Tensor.exponential_). */
REEL_API reel_var reel_exponential(reel_tape *tape, reel_shape shape);

/* int64 from low..high-1, each as likely (torch.randint). REEL_ERROR_ARGUMENT unless low < high. */
REEL_API reel_var reel_randint(reel_tape *tape, int64_t low, int64_t high, reel_shape shape);

/* 1 with the probability that p says for each element, else 0, as reals: torch.bernoulli. p is real and in 0..1
 * (REEL_ERROR_ARGUMENT, with the position). */
REEL_API reel_var reel_bernoulli(reel_tape *tape, reel_var p);

/* num_samples >= 1 places of weights [n], or of each row of weights [rows, n], in proportion to the weights, which are
 * not negative and need not add up to 1: int64 [num_samples] or [rows, num_samples] (torch.multinomial). Without
 * replacement no place is drawn twice. A place without weight is never drawn: where as many as are wanted have none,
 * PyTorch draws them. REEL_ERROR_ARGUMENT for weights that are negative or not finite, and for fewer weights above 0
 * than draws, or none. For many draws from the same weights see reel_alias_draw. */
REEL_API reel_var reel_multinomial(reel_tape *tape, reel_var weights, int64_t num_samples, bool replacement);

/* The int64 numbers 0..n-1 in random order (torch.randperm). REEL_ERROR_ARGUMENT when n is negative. */
REEL_API reel_var reel_randperm(reel_tape *tape, int64_t n);

#ifdef __cplusplus
}
#endif

#endif
