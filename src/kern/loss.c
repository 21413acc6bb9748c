/* Losses and their gradients. */
#include "kern/loss.h"

#include "base/clones.h"
#include "kern/functions.h"
#include "kern/parallel.h"

#include <math.h>
#include <string.h>

/* ---- Losses of two numbers ---- */

typedef void elements(int64_t n, const reel_real *x, const reel_real *target, reel_real beta, reel_real *out);

/* As kern/unary.c: loops get whole groups of elements, and the rest in padded arrays. */
enum { GROUP = 16 };
static void in_groups(elements *f, int64_t n, const reel_real *x, const reel_real *target, reel_real beta,
                      reel_real *out)
{
    int64_t whole = n & -GROUP;
    size_t rest = (size_t)(n - whole) * sizeof *x;
    if (whole > 0)
        f(whole, x, target, beta, out);
    if (rest == 0)
        return;
    reel_real xs[GROUP] = {0}, targets[GROUP] = {0}, to[GROUP];
    memcpy(xs, x + whole, rest);
    memcpy(targets, target + whole, rest);
    f(GROUP, xs, targets, beta, to);
    memcpy(out + whole, to, rest);
}

#define DEFINE_MAP(name, ...)                                                                                          \
    REEL_CLONES                                                                                                        \
    static void name##_elements(int64_t n, const reel_real *restrict xs, const reel_real *restrict targets,            \
                                reel_real beta, reel_real *restrict out)                                               \
    {                                                                                                                  \
        (void)beta;                                                                                                    \
        for (int64_t i = 0; i < (n & -GROUP); i++) {                                                                   \
            reel_real x = xs[i], t = targets[i];                                                                       \
            (void)x, (void)t;                                                                                          \
            out[i] = __VA_ARGS__;                                                                                      \
        }                                                                                                              \
    }                                                                                                                  \
    static void name(int64_t n, const reel_real *x, const reel_real *other, const reel_real *center,                   \
                     int64_t center_step, reel_real parameter, reel_real *out)                                         \
    {                                                                                                                  \
        (void)center, (void)center_step;                                                                               \
        in_groups(name##_elements, n, x, other, parameter, out);                                                       \
    }

REEL_INLINE reel_real sign(reel_real x)
{
    return (reel_real)(x > 0) - (reel_real)(x < 0);
}

REEL_INLINE reel_real at_least(reel_real bound, reel_real x)
{
    return x < bound ? bound : x; /* x when it is NaN */
}

REEL_INLINE reel_real smooth_l1_loss(reel_real d, reel_real beta)
{
    return d < beta ? d * d / (2 * beta) : d - beta / 2;
}

/* NaN, which has no sign, goes on. */
REEL_INLINE reel_real smooth_l1_slope(reel_real d, reel_real beta)
{
    return ((REEL_ABS(d) < beta) | (d != d)) ? d / beta : sign(d);
}

/* Lane by lane, as kern/reduce.c sums a block. */
#define DEFINE_RUN(name, VALUE, BY_X)                                                                                  \
    REEL_CLONES                                                                                                        \
    static reel_real name##_run(int64_t n, const reel_real *restrict xs, const reel_real *restrict targets,            \
                                reel_real beta, reel_real factor, reel_real *restrict by_x)                            \
    {                                                                                                                  \
        reel_real lane[REEL_KERN_LANES], values[REEL_KERN_LANES];                                                      \
        (void)beta;                                                                                                    \
        for (int64_t i = 0; i < n; i += REEL_KERN_LANES) {                                                             \
            for (int l = 0; l < REEL_KERN_LANES; l++) {                                                                \
                reel_real x = xs[i + l], t = targets[i + l];                                                           \
                values[l] = VALUE;                                                                                     \
            }                                                                                                          \
            REEL_UNROLL for (int l = 0; l < REEL_KERN_LANES; l++) lane[l] = i == 0 ? values[l] : lane[l] + values[l];  \
            for (int l = 0; by_x && l < REEL_KERN_LANES; l++) {                                                        \
                reel_real x = xs[i + l], t = targets[i + l];                                                           \
                by_x[i + l] = (BY_X)*factor;                                                                           \
            }                                                                                                          \
        }                                                                                                              \
        for (int half = REEL_KERN_LANES / 2; half > 0; half /= 2)                                                      \
            for (int l = 0; l < half; l++)                                                                             \
                lane[l] = lane[l] + lane[l + half];                                                                    \
        return lane[0];                                                                                                \
    }

#define DEFINE_LOSS(name, VALUE, BY_X, BY_TARGET)                                                                      \
    DEFINE_MAP(name, VALUE)                                                                                            \
    DEFINE_MAP(name##_by_x, BY_X)                                                                                      \
    DEFINE_MAP(name##_by_target, BY_TARGET)                                                                            \
    DEFINE_RUN(name, VALUE, BY_X)                                                                                      \
    const struct reel_kern_loss reel_kern_##name = {name, name##_by_x, name##_by_target, name##_run};

DEFINE_LOSS(mse, (x - t) * (x - t), 2 * (x - t), 2 * (t - x))
DEFINE_LOSS(l1, REEL_ABS(x - t), sign(x - t), sign(t - x))
DEFINE_LOSS(smooth_l1, smooth_l1_loss(REEL_ABS(x - t), beta), smooth_l1_slope(x - t, beta),
            smooth_l1_slope(t - x, beta))
DEFINE_LOSS(bce, (t - 1) * at_least(-100, reel_math_log1p(-x)) - t * at_least(-100, reel_math_log(x)),
            (x - t) / at_least((reel_real)1e-12, (1 - x) * x),
            at_least(-100, reel_math_log1p(-x)) - at_least(-100, reel_math_log(x)))
DEFINE_LOSS(bce_with_logits, at_least(0, x) - x * t + reel_math_log1p(reel_math_exp(-REEL_ABS(x))),
            reel_math_sigmoid(x) - t, -x)

REEL_CLONES
static void multiply(int64_t n, const reel_real *restrict values, const reel_real *restrict factor, int64_t factor_step,
                     bool add, reel_real *restrict out)
{
    if (factor_step && add)
        for (int64_t i = 0; i < n; i++)
            out[i] += values[i] * factor[i];
    else if (factor_step)
        for (int64_t i = 0; i < n; i++)
            out[i] = values[i] * factor[i];
    else if (add)
        for (int64_t i = 0; i < n; i++)
            out[i] += values[i] * factor[0];
    else
        for (int64_t i = 0; i < n; i++)
            out[i] = values[i] * factor[0];
}

static void map_block(const struct reel_kern_loss_map *of, int64_t first, int64_t last, bool add, reel_real *out)
{
    reel_real values[REEL_KERN_MAP];
    for (int64_t i = first; i < last; i += REEL_KERN_MAP) {
        int64_t count = last - i < REEL_KERN_MAP ? last - i : REEL_KERN_MAP;
        if (!of->factor && !add) {
            of->map(count, of->x + i, of->target + i, NULL, 0, of->parameter, out + i);
            continue;
        }
        const reel_real one = 1;
        of->map(count, of->x + i, of->target + i, NULL, 0, of->parameter, values);
        multiply(count, values, of->factor ? of->factor + i * of->factor_step : &one, of->factor_step, add, out + i);
    }
}

void reel_kern_loss_map(const struct reel_kern_loss_map *of, bool add, reel_real *out, int threads)
{
    REEL_PARALLEL_FOR(first, last, of->n, REEL_BLOCK, threads, map_block(of, first, last, add, out));
}

void reel_kern_scale_to(int64_t n, reel_real factor, const reel_real *values, bool add, reel_real *out, int threads)
{
    REEL_PARALLEL_FOR(first, last, n, REEL_BLOCK, threads,
                      multiply(last - first, values + first, &factor, 0, add, out + first));
}

int64_t reel_kern_find_outside_unit(int64_t n, const reel_real *x)
{
    for (int64_t i = 0; i < n; i++)
        if (x[i] < 0 || x[i] > 1)
            return i;
    return -1;
}

/* ---- Classes ---- */

int64_t reel_kern_find_wrong_class(const struct reel_kern_classes *k)
{
    for (int64_t i = 0; i < k->outer * k->inner; i++)
        if ((k->target[i] < 0 || k->target[i] >= k->classes) && k->target[i] != k->ignore_index)
            return i;
    return -1;
}

static reel_real weight_of(const struct reel_kern_classes *k, int64_t class)
{
    return k->weight ? k->weight[class] : 1;
}

/* x of class 0 at one place; the classes are `inner` apart. */
static int64_t first_class(const struct reel_kern_classes *k, int64_t place)
{
    return place / k->inner * k->classes * k->inner + place % k->inner;
}

/* The part of the loss that comes from spreading the target evenly, before the factor smoothing / classes. */
static reel_real even_loss(const struct reel_kern_classes *k, const reel_real *x, reel_real maximum, reel_real log_sum)
{
    reel_real sum = 0, lost = 0; /* compensated: there may be very many classes */
    for (int64_t c = 0; c < k->classes; c++) {
        reel_real term = weight_of(k, c) * (log_sum - (x[c * k->inner] - maximum)) - lost;
        reel_real next = sum + term;
        lost = next - sum - term;
        lost = lost == lost ? lost : 0; /* infinity - infinity */
        sum = next;
    }
    return sum;
}

static reel_real class_loss(const struct reel_kern_classes *k, int64_t place, const reel_real *x, reel_real maximum,
                            reel_real log_sum)
{
    int64_t target = k->target[place];
    if (target == k->ignore_index)
        return 0;
    reel_real smoothing = (reel_real)k->smoothing;
    reel_real loss = (1 - smoothing) * weight_of(k, target) * (log_sum - (x[target * k->inner] - maximum));
    if (smoothing > 0)
        loss += smoothing / (reel_real)k->classes * even_loss(k, x, maximum, log_sum);
    return loss;
}

static int64_t places_at_once(const struct reel_kern_classes *k)
{
    return k->classes > 0 ? REEL_BLOCK / k->classes + 1 : REEL_BLOCK;
}

static void class_losses(const struct reel_kern_classes *k, int64_t first, int64_t last, const reel_real *x,
                         const reel_real *maxima, const reel_real *log_sums, reel_real *losses)
{
    for (int64_t i = first; i < last; i++)
        losses[i] = class_loss(k, i, x + first_class(k, i), maxima ? maxima[i] : 0, log_sums ? log_sums[i] : 0);
}

void reel_kern_class_losses(const struct reel_kern_classes *k, const reel_real *x, const reel_real *maxima,
                            const reel_real *log_sums, reel_real *losses, int threads)
{
    REEL_PARALLEL_FOR(first, last, k->outer * k->inner, places_at_once(k), threads,
                      class_losses(k, first, last, x, maxima, log_sums, losses));
}

void reel_kern_class_weights(const struct reel_kern_classes *k, reel_real *weights)
{
    for (int64_t i = 0; i < k->outer * k->inner; i++)
        weights[i] = k->target[i] == k->ignore_index ? 0 : weight_of(k, k->target[i]);
}

/* q of class c, given the target of the place. */
static reel_real target_share(const struct reel_kern_classes *k, int64_t target, int64_t c)
{
    reel_real smoothing = (reel_real)k->smoothing;
    reel_real even = smoothing > 0 ? smoothing / (reel_real)k->classes * weight_of(k, c) : 0;
    return c == target ? (1 - smoothing) * weight_of(k, c) + even : even;
}

void reel_kern_class_targets(const struct reel_kern_classes *k, reel_real *q)
{
    for (int64_t i = 0; i < k->outer * k->inner; i++) {
        reel_real *to = q + first_class(k, i);
        for (int64_t c = 0; c < k->classes; c++)
            to[c * k->inner] = k->target[i] == k->ignore_index ? 0 : target_share(k, k->target[i], c);
    }
}

bool reel_kern_class_any_ignored(const struct reel_kern_classes *k)
{
    for (int64_t i = 0; i < k->outer * k->inner; i++)
        if (k->target[i] == k->ignore_index)
            return true;
    return false;
}

void reel_kern_class_counts(const struct reel_kern_classes *k, bool target_only, unsigned char *counts)
{
    for (int64_t i = 0; i < k->outer * k->inner; i++) {
        unsigned char *to = counts + first_class(k, i);
        for (int64_t c = 0; c < k->classes; c++)
            to[c * k->inner] = k->target[i] != k->ignore_index && (!target_only || c == k->target[i]);
    }
}

/* out[c] = (add ? out[c] : 0) + scale softmax(x)[c] - even weight[c]; classes are inner apart. */
REEL_CLONES
static void gradient_row(int64_t n, int64_t inner, const reel_real *restrict x, reel_real maximum, reel_real log_sum,
                         reel_real scale, const reel_real *restrict weight, reel_real even, bool add,
                         reel_real *restrict out)
{
#define SOFTMAX(i) scale *reel_math_exp(x[i] - maximum - log_sum)
    if (inner == 1 && even == 0 && add)
        for (int64_t c = 0; c < n; c++)
            out[c] += SOFTMAX(c);
    else if (inner == 1 && even == 0)
        for (int64_t c = 0; c < n; c++)
            out[c] = SOFTMAX(c);
    else
        for (int64_t c = 0; c < n; c++) {
            reel_real g = SOFTMAX(c * inner) - (weight ? even * weight[c] : even);
            out[c * inner] = add ? out[c * inner] + g : g;
        }
#undef SOFTMAX
}

struct class_gradient {
    const struct reel_kern_classes *classes;
    struct reel_kern_class_gradient of;
    reel_real even; /* what the even part adds to the sum of q: the same at every place */
    bool add;
};

/* Where the factor is infinite the order counts: first the difference, which is finite, as in the rule of operations.
 */
static void place_gradient_in_order(const struct class_gradient *job, int64_t place, int64_t target, reel_real factor,
                                    reel_real *out)
{
    const struct reel_kern_classes *k = job->classes;
    const reel_real *x = job->of.x + first_class(k, place);
    reel_real sum = (1 - (reel_real)k->smoothing) * weight_of(k, target) + job->even;
    for (int64_t c = 0; c < k->classes; c++) {
        reel_real softmax = reel_math_exp(x[c * k->inner] - job->of.maxima[place] - job->of.log_sums[place]);
        reel_real g = (softmax * sum - target_share(k, target, c)) * factor;
        out[c * k->inner] = job->add ? out[c * k->inner] + g : g;
    }
}

static void place_gradient(const struct class_gradient *job, int64_t place, reel_real *out)
{
    const struct reel_kern_classes *k = job->classes;
    int64_t target = k->target[place], at = first_class(k, place);
    bool ignored = target == k->ignore_index;
    reel_real factor = job->of.factor[place * job->of.factor_step] / job->of.divisor;
    reel_real smoothing = (reel_real)k->smoothing, chosen = ignored ? 0 : (1 - smoothing) * weight_of(k, target);
    out += at;
    if (job->of.maxima && !ignored && !isfinite(factor)) {
        place_gradient_in_order(job, place, target, factor, out);
        return;
    }
    if (job->of.maxima && !ignored)
        gradient_row(k->classes, k->inner, job->of.x + at, job->of.maxima[place], job->of.log_sums[place],
                     factor * (chosen + job->even), smoothing > 0 ? k->weight : NULL,
                     factor * smoothing / (reel_real)k->classes, job->add, out);
    else
        for (int64_t c = 0; c < k->classes && !job->add; c++)
            out[c * k->inner] = 0;
    if (!ignored)
        out[target * k->inner] -= factor * chosen;
}

static void class_gradient(const struct class_gradient *job, int64_t first, int64_t last, reel_real *out)
{
    for (int64_t place = first; place < last; place++)
        place_gradient(job, place, out);
}

void reel_kern_class_gradient(const struct reel_kern_classes *k, const struct reel_kern_class_gradient *of, bool add,
                              reel_real *out, int threads)
{
    struct class_gradient job = {k, *of, (reel_real)k->smoothing, add};
    if (k->weight && k->smoothing > 0)
        job.even = job.even / (reel_real)k->classes * reel_kern_sum_run(k->classes, k->weight);
    REEL_PARALLEL_FOR(first, last, k->outer * k->inner, places_at_once(k), threads,
                      class_gradient(&job, first, last, out));
}
