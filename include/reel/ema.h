/* An exponential moving average of a set's params: smoother weights for sampling and evaluation. */
#ifndef REEL_EMA_H
#define REEL_EMA_H

#include <reel/params.h>
#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An average of the params of a set, trained and frozen; of its buffers the latest values are kept. decay in [0, 1]. It
 * begins as a copy. NULL when params is NULL, the context has an error, decay is outside its range
 * (REEL_ERROR_ARGUMENT) or memory ran out. Owned by the caller. Freed while swapped, it leaves the set the averages.
 *
 *     reel_ema *ema = reel_ema_new(params, 0.998);
 *     ...
 *     reel_optim_step(adam);
 *     reel_ema_update(ema);
 *     ...
 *     reel_ema_swap(ema);
 *     sample(params);
 *     reel_ema_swap(ema); */
typedef struct reel_ema reel_ema;
REEL_API reel_ema *reel_ema_new(reel_params *params, double decay);
REEL_API void reel_ema_free(reel_ema *ema);

/* Another decay from the next update on, in [0, 1]: small at first and growing, say, so that the average does not drag
 * the initial values along. */
REEL_API reel_status reel_ema_set_decay(reel_ema *ema, double decay);

/* average = decay * average + (1 - decay) * param; the first update copies (torch.optim.swa_utils.AveragedModel with
 * get_ema_multi_avg_fn). Call it after each optimizer step. The averages of params with sparse gradients
 * (reel_param_set_sparse, before they join) follow by row: a row's updates are put off until the row changes, and then
 * made as one, with the product of their decays; so a call costs no work that depends on the number of rows. (After
 * steps of an exact optimizer, REEL_EXACT, they are made one by one.) Reading the averages makes up for what is put off
 * in a copy, so that whoever looks changes no later bit. Params added to the set since join as they are. On failure
 * nothing changed: out of memory, or REEL_ERROR_STATE while swapped. */
REEL_API reel_status reel_ema_update(reel_ema *ema);

/* Exchanges params and buffers with their averages; a second call brings them back, with all their bits. Counts as a
 * change of every param. Between the two calls a step of an optimizer, an update, the swap of another average of the
 * set, and loading or copying into the set are refused (REEL_ERROR_STATE). Needs memory for params with sparse
 * gradients: REEL_ERROR_OUT_OF_MEMORY, and nothing is exchanged. */
REEL_API reel_status reel_ema_swap(reel_ema *ema);

/* Copies the averages, and the buffers, to the params of the same names, shapes and types in another set, or in the
 * averaged set itself. Refused as a whole (REEL_ERROR_ARGUMENT) when `to` does not have the same names, shapes and
 * types, and while swapped (REEL_ERROR_STATE). */
REEL_API reel_status reel_ema_copy_to(const reel_ema *ema, reel_params *to);

#ifdef __cplusplus
}
#endif

#endif
