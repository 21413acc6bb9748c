/* Drawing numbers with given probabilities, in a time that does not depend on how many there are: the alias method
 * (Walker 1977, with the tables of Vose 1991). For negative samples, and for drawing rows by how often they occur.
 *
 *     reel_alias *negatives = reel_alias_new_of_counts(c, counts, 1000, 0.75);
 *     reel_var words = reel_alias_draw(t, negatives, REEL_SHAPE(64, 5)); // int64, each by how often it occurs
 *     reel_alias_free(negatives); */
#ifndef REEL_ALIAS_H
#define REEL_ALIAS_H

#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Tables for drawing 0..n-1 in proportion to their weights, which are finite, >= 0 and not all 0; 1 <= n <= 2^32.
 * reel_alias_new_of_counts takes counts to a power, such as word2vec's 0.75; a count of 0 has the weight 0. Takes 8
 * bytes a number. NULL when the context is NULL or has an error, for a weight, count or power that is not as said
 * (REEL_ERROR_ARGUMENT), or when memory ran out. Owned by the caller; free it before the context. */
typedef struct reel_alias reel_alias;
REEL_API reel_alias *reel_alias_new(reel_context *context, const double *weights, int64_t n);
REEL_API reel_alias *reel_alias_new_of_counts(reel_context *context, const int64_t *counts, int64_t n, double power);
REEL_API void reel_alias_free(reel_alias *alias);

/* int64 numbers, each drawn on its own (torch.multinomial with replacement, but not its numbers). They come from Philox
 * by the seed, how often Philox was drawn from before, and the element's place: the same for any number of threads.
 * What has no weight is never drawn; probabilities are right to 2^-32 / n. */
REEL_API reel_var reel_alias_draw(reel_tape *tape, const reel_alias *alias, reel_shape shape);

#ifdef __cplusplus
}
#endif

#endif
