/* Parametrizations: a layer computes one of its params from others, which are trained in its place
 * (torch.nn.utils.parametrizations).
 *
 *     reel_module *d1 = reel_spectral_norm(reel_conv2d_new(d, "d1", 1, 64, 4, 4, NULL), NULL);
 *
 * Each function gives the module that it was given, changed, or NULL with the error in the context, and then the module
 * is as it was; a NULL module gives NULL. It comes before optimizers, averages, checkpoints and exports of the
 * set (REEL_ERROR_STATE), since it changes names, which become those of PyTorch's state_dict; what reel_param_name gave
 * for the param is no more. REEL_ERROR_ARGUMENT when the module has no param of this name that is trained or frozen, or
 * when it has a parametrization already, and for options outside their range. The result is computed in every call of
 * the module, by operations, so that gradients of any order are right, in dense form: a param with sparse gradients
 * gets dense ones. Embeddings with a max_norm that is not differentiable are refused when they are called. */
#ifndef REEL_PARAMETRIZE_H
#define REEL_PARAMETRIZE_H

#include <reel/nn.h>
#include <reel/options.h>

#ifdef __cplusplus
extern "C" {
#endif

/* weight / sigma, with sigma its largest singular value as a matrix (Miyato et al. 2018, "Spectral normalization for
 * generative adversarial networks"; torch.nn.utils.parametrizations.spectral_norm). sigma = u^T weight v by power
 * iteration, u and v being constants for gradients:
 *
 *     u = weight v / max(|weight v|, eps), then v = weight^T u / max(|weight^T u|, eps)
 *
 * n_power_iterations times in every forward pass in training, before it uses them; in evaluation, and when a segment is
 * computed again (reel_recompute), none. A call of the module that fails leaves them. The param is then called
 * "<name>.parametrizations.weight.original"; new buffers are "....weight.0._u" [rows] and "....weight.0._v" [all other
 * axes], drawn from N(0, 1), u before v, and iterated 15 + n_power_iterations times, as in PyTorch. The weight has two
 * axes or more (REEL_ERROR_SHAPE). */
typedef struct reel_spectral_norm_options {
    reel_options_mark mark;
    const char *name;       /* "weight": which param */
    int n_power_iterations; /* 1; at least 1 */
    double eps;             /* 1e-12; not negative */
    int dim;                /* -1: the axis that is rows is that of the outputs: 1 of transposed convolutions, else 0 */
} reel_spectral_norm_options;
REEL_API reel_spectral_norm_options reel_spectral_norm_defaults(void);
REEL_API reel_module *reel_spectral_norm(reel_module *module, const reel_spectral_norm_options *options);

/* g v / |v|: length and direction as params of their own (Salimans and Kingma 2016, "Weight normalization";
 * torch.nn.utils.parametrizations.weight_norm). |v| is the 2-norm over all axes but dim. The param is then called
 * "<name>.parametrizations.weight.original1" and is v; g is the new param "....weight.original0", of the same kind, in
 * the shape of the norms, which it begins as. */
typedef struct reel_weight_norm_options {
    reel_options_mark mark;
    const char *name; /* "weight": which param */
    int dim;          /* 0; -1: none, one norm for the whole, and g has no axes (PyTorch's None) */
} reel_weight_norm_options;
REEL_API reel_weight_norm_options reel_weight_norm_defaults(void);
REEL_API reel_module *reel_weight_norm(reel_module *module, const reel_weight_norm_options *options);

/* Takes the parametrization of the param `name` away, which gets its name and its place back; the params and buffers
 * that were made for it go, and vars on tapes that depend on them become stale
 * (torch.nn.utils.parametrize.remove_parametrizations). With leave_parametrized (PyTorch's default) its elements become
 * what a call of the module would compute now: in training, after a power iteration more. Its gradient is forgotten.
 * Without, they are those of the original, and a gradient stays; weight norm has none (REEL_ERROR_ARGUMENT). Gives the
 * module, or NULL with everything as it was: REEL_ERROR_ARGUMENT when there is no such parametrization, or another
 * param has the name by now; REEL_ERROR_STATE while the set has optimizers, averages, checkpoints or exports, in a
 * backward pass, and when the set is shared. */
REEL_API reel_module *reel_remove_parametrizations(reel_module *module, const char *name, bool leave_parametrized);

#ifdef __cplusplus
}
#endif

#endif
