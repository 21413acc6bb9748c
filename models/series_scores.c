/* Scores that compare sets of series. */
#include "series_scores.h"

#include "series_classifier.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 128, APPLY_BATCH = 256 };

/* A recurrent network with one output a step, on values that were brought to 0..1. */
struct probe {
    reel_tape *tape;
    reel_params *params;
    reel_module *gru, *out;
    reel_optim *adam;
    float *least, *range; /* [channels] */
    int64_t inputs, longest, channels;
    float *x;         /* room for a batch, [APPLY_BATCH, longest, channels] */
    int64_t *lengths; /* [APPLY_BATCH] */
};

static void find_ranges(const struct series_set *s, float *least, float *range)
{
    bool there = true;
    for (int64_t c = 0; c < s->channels; c++) {
        float low = INFINITY, high = -INFINITY;
        for (int64_t i = 0; i < s->count; i++)
            for (int64_t t = 0; t < s->lengths[i]; t++) {
                low = fminf(low, series_at(s, i)[t * s->channels + c]);
                high = fmaxf(high, series_at(s, i)[t * s->channels + c]);
            }
        least[c] = low;
        range[c] = high - low + 1e-7f;
        there = there && low >= 0 && high <= 1;
    }
    for (int64_t c = 0; there && c < s->channels; c++) {
        least[c] = 0;
        range[c] = 1;
    }
}

static bool probe_new(struct probe *p, reel_context *context, const struct series_set *real, int64_t inputs)
{
    int64_t hidden = real->channels / 2 > 0 ? real->channels / 2 : 1;
    *p = (struct probe){.inputs = inputs, .longest = real->longest, .channels = real->channels};
    p->tape = reel_tape_new(context);
    p->params = reel_params_new(context);
    p->gru = reel_gru_new(p->params, "gru", inputs, hidden, NULL);
    p->out = reel_linear_new(p->params, "out", hidden, 1, NULL);
    p->adam = reel_adam_new(p->params, NULL);
    p->least = malloc((size_t)real->channels * sizeof *p->least);
    p->range = malloc((size_t)real->channels * sizeof *p->range);
    p->x = malloc((size_t)(APPLY_BATCH * real->longest * real->channels) * sizeof *p->x);
    p->lengths = malloc(APPLY_BATCH * sizeof *p->lengths);
    if (!p->least || !p->range || !p->x || !p->lengths)
        reel_fail(context, REEL_ERROR_OUT_OF_MEMORY, "out of memory: a batch of series");
    else
        find_ranges(real, p->least, p->range);
    return reel_context_status(context) == REEL_OK;
}

static void probe_free(struct probe *p)
{
    reel_optim_free(p->adam);
    reel_tape_free(p->tape);
    reel_params_free(p->params);
    free(p->least);
    free(p->range);
    free(p->x);
    free(p->lengths);
}

/* Puts series i of a set into place k of the batch. */
static void put(struct probe *p, int64_t k, const struct series_set *s, int64_t i)
{
    const float *from = series_at(s, i);
    float *to = p->x + k * p->longest * p->channels;
    p->lengths[k] = s->lengths[i];
    for (int64_t v = 0; v < p->longest * p->channels; v++) {
        int64_t c = v % p->channels;
        to[v] = v < s->lengths[i] * p->channels ? (from[v] - p->least[c]) / p->range[c] : 0;
    }
}

/* A batch of rows drawn at random into the places from k on. */
static void put_some(struct probe *p, int64_t k, const struct series_set *s, const int64_t *rows, int64_t count)
{
    const int64_t *drawn = reel_data_int64(p->tape, reel_randint(p->tape, 0, count, REEL_SHAPE(BATCH)));
    for (int64_t i = 0; drawn && i < BATCH; i++)
        put(p, k + i, s, rows ? rows[drawn[i]] : drawn[i]);
}

static void step(struct probe *p, reel_var loss)
{
    reel_zero_grad(p->params);
    if (reel_backward(p->tape, loss, p->params) == REEL_OK && reel_optim_step(p->adam) == REEL_OK)
        reel_tape_reset(p->tape);
}

/* ---- Telling real from made ---- */

/* Logits [n, 1] for the n series in the batch, from the last state of each. */
static reel_var judge(struct probe *p, int64_t n)
{
    reel_tape *t = p->tape;
    reel_var x = reel_borrow(t, p->x, REEL_SHAPE(n, p->longest, p->channels)), out[2] = {{0}};
    reel_var lengths = reel_borrow_of(t, REEL_INT64, p->lengths, REEL_SHAPE(n));
    reel_forward_all(t, p->gru, REEL_VARS(x, reel_null(), lengths), out, 2);
    return reel_forward(t, p->out, reel_squeeze(t, out[1], 0));
}

/* How many of these series get a positive logit; -1 on error. */
static int64_t count_taken_for_real(struct probe *p, const struct series_set *s, const int64_t *rows, int64_t count)
{
    int64_t taken = 0;
    for (int64_t first = 0; first < count; first += APPLY_BATCH) {
        int64_t n = count - first < APPLY_BATCH ? count - first : APPLY_BATCH;
        for (int64_t i = 0; i < n; i++)
            put(p, i, s, rows[first + i]);
        const reel_real *logits = reel_data_real(p->tape, judge(p, n));
        if (!logits)
            return -1;
        for (int64_t i = 0; i < n; i++)
            taken += logits[i] > 0;
        reel_tape_reset(p->tape);
    }
    return taken;
}

/* A permutation of a set's series. */
static int64_t *permutation(reel_context *context, const struct series_set *s)
{
    int64_t *rows = malloc((size_t)s->count * sizeof *rows);
    if (!rows)
        reel_fail(context, REEL_ERROR_OUT_OF_MEMORY, "out of memory: numbers of series");
    else if (reel_random_split(context, s->count, (const int64_t[]){s->count}, 1, rows) == REEL_OK)
        return rows;
    free(rows);
    return NULL;
}

/* As many series of two sets as the smaller one has, in random order: the first four fifths are to learn from. */
struct halves {
    int64_t *real, *made; /* numbers of series; NULL on error */
    int64_t train, test;
};

static struct halves halves_of(reel_context *context, const struct series_set *real, const struct series_set *made)
{
    struct halves h = {permutation(context, real), permutation(context, made), 0, 0};
    int64_t count = real->count < made->count ? real->count : made->count;
    h.train = count * 4 / 5;
    h.test = count - h.train;
    return h;
}

static void halves_free(struct halves *h)
{
    free(h->real);
    free(h->made);
}

static double discriminate(struct probe *p, const struct series_set *real, const struct series_set *made,
                           const struct halves *h, int64_t steps, reel_progress *progress)
{
    reel_tape *t = p->tape;
    reel_context *context = reel_tape_context(t);
    for (int64_t i = 0; i < steps && reel_context_status(context) == REEL_OK; i++) {
        put_some(p, 0, real, h->real, h->train);
        put_some(p, BATCH, made, h->made, h->train);
        reel_var logits = judge(p, 2 * BATCH);
        reel_var losses = reel_add(t, reel_softplus(t, reel_neg(t, reel_narrow(t, logits, 0, 0, BATCH)), 1, 20),
                                   reel_softplus(t, reel_narrow(t, logits, 0, BATCH, BATCH), 1, 20));
        step(p, reel_mean_all(t, losses));
        reel_progress_advance(progress, 1);
    }
    int64_t right = count_taken_for_real(p, real, h->real + h->train, h->test);
    int64_t wrong = count_taken_for_real(p, made, h->made + h->train, h->test);
    if (right < 0 || wrong < 0)
        return NAN;
    return fabs((double)(right + h->test - wrong) / (double)(2 * h->test) - 0.5);
}

double series_discriminative_score(reel_context *context, const struct series_set *real, const struct series_set *made,
                                   int64_t steps, reel_progress *progress)
{
    struct probe p;
    double score = NAN;
    struct halves h = halves_of(context, real, made);
    if (probe_new(&p, context, real, real->channels) && h.real && h.made)
        score = discriminate(&p, real, made, &h, steps, progress);
    probe_free(&p);
    halves_free(&h);
    return score;
}

/* ---- Predicting the next value ---- */

struct prediction {
    reel_var error; /* |prediction - value|, [n, longest - 1], 0 where there is no next value */
    reel_var steps; /* [n], how many next values each series has */
};

static struct prediction predict(struct probe *p, int64_t n)
{
    reel_tape *t = p->tape;
    struct prediction r;
    int64_t steps = p->longest - 1;
    reel_var x = reel_borrow(t, p->x, REEL_SHAPE(n, p->longest, p->channels));
    reel_var lengths = reel_borrow_of(t, REEL_INT64, p->lengths, REEL_SHAPE(n));
    reel_var seen = reel_narrow(t, reel_narrow(t, x, 1, 0, steps), 2, 0, p->inputs);
    reel_var wanted = reel_narrow(t, reel_narrow(t, x, 1, 1, steps), 2, p->channels - 1, 1);
    r.steps = reel_maximum_scalar(t, reel_sub_scalar(t, reel_to_real(t, lengths), 1), 1);
    reel_var place = reel_reshape(t, reel_arange(t, 0, (double)steps, 1), REEL_SHAPE(1, steps));
    reel_var mask = reel_to_real(t, reel_lt(t, place, reel_reshape(t, r.steps, REEL_SHAPE(n, 1))));
    reel_var y = reel_sigmoid(t, reel_forward(t, p->out, reel_forward(t, p->gru, seen)));
    r.error = reel_mul(t, reel_abs(t, reel_squeeze(t, reel_sub(t, y, wanted), 2)), mask);
    return r;
}

double series_predictive_score(reel_context *context, const struct series_set *real, const struct series_set *made,
                               int64_t steps, reel_progress *progress)
{
    struct probe p;
    double sum = 0;
    const int over_steps = 1;
    bool ok = probe_new(&p, context, real, real->channels > 1 ? real->channels - 1 : 1);
    for (int64_t i = 0; ok && i < steps; i++) {
        put_some(&p, 0, made, NULL, made->count);
        struct prediction r = predict(&p, BATCH);
        step(&p, reel_div(p.tape, reel_sum_all(p.tape, r.error), reel_sum_all(p.tape, r.steps)));
        reel_progress_advance(progress, 1);
        ok = reel_context_status(context) == REEL_OK;
    }
    for (int64_t first = 0; ok && first < real->count; first += APPLY_BATCH) {
        int64_t n = real->count - first < APPLY_BATCH ? real->count - first : APPLY_BATCH;
        for (int64_t i = 0; i < n; i++)
            put(&p, i, real, first + i);
        struct prediction r = predict(&p, n);
        reel_var means = reel_div(p.tape, reel_sum(p.tape, r.error, &over_steps, 1, false), r.steps);
        sum += reel_item(p.tape, reel_sum_all(p.tape, means));
        ok = reel_context_status(context) == REEL_OK;
        reel_tape_reset(p.tape);
    }
    probe_free(&p);
    return ok ? sum / (double)real->count : NAN;
}

/* ---- The stronger critic ---- */

/* Copies `count` series of each set, labelled 1 when they are real. */
static bool mix(struct series_set *out, const struct series_set *real, const int64_t *real_rows,
                const struct series_set *made, const int64_t *made_rows, int64_t count)
{
    struct series_set like = *real;
    like.classes = 2;
    like.names = NULL;
    if (!series_set_like(out, &like, 2 * count))
        return false;
    size_t size = (size_t)(real->longest * real->channels) * sizeof *out->x;
    for (int64_t i = 0; i < out->count; i++) {
        bool is_real = i < count;
        const struct series_set *from = is_real ? real : made;
        int64_t row = is_real ? real_rows[i] : made_rows[i - count];
        out->labels[i] = is_real;
        out->lengths[i] = from->lengths[row];
        memcpy(series_at(out, i), series_at(from, row), size);
    }
    return true;
}

double series_critic_score(reel_context *context, const struct series_set *real, const struct series_set *made,
                           int64_t steps, reel_progress *progress)
{
    struct series_set train = {0}, test = {0};
    double accuracy = NAN;
    struct halves h = halves_of(context, real, made);
    bool ok = h.real && h.made;
    if (ok && mix(&train, real, h.real, made, h.made, h.train) &&
        mix(&test, real, h.real + h.train, made, h.made + h.train, h.test)) {
        struct series_classifier critic = series_classifier_train(context, &train, steps, progress);
        accuracy = series_classifier_apply(&critic, &test, NULL, NULL);
        series_classifier_free(&critic);
    } else if (ok)
        reel_fail(context, REEL_ERROR_OUT_OF_MEMORY, "out of memory: copies of series");
    series_set_free(&train);
    series_set_free(&test);
    halves_free(&h);
    return fabs(accuracy - 0.5);
}

/* ---- Without training ---- */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double series_nearest(const struct series_set *set, const struct series_set *from)
{
    double *nearest = malloc((size_t)set->count * sizeof *nearest), median = NAN;
    reel_real *scale = malloc((size_t)(2 * from->channels) * sizeof *scale);
    if (nearest && scale) {
        series_scale_of(from, scale, scale + from->channels);
        for (int64_t i = 0; i < set->count; i++) {
            nearest[i] = INFINITY;
            for (int64_t k = 0; k < from->count; k++) {
                double sum = 0;
                for (int64_t v = 0; v < from->longest * from->channels && sum < nearest[i]; v++) {
                    double d = series_at(set, i)[v] - series_at(from, k)[v];
                    d /= scale[from->channels + v % from->channels];
                    sum += d * d;
                }
                nearest[i] = fmin(nearest[i], sum);
            }
        }
        qsort(nearest, (size_t)set->count, sizeof *nearest, ascending);
        median = sqrt(nearest[set->count / 2] / (double)(from->longest * from->channels));
    }
    free(nearest);
    free(scale);
    return median;
}

/* The part of a class's series that are at most `length` long; -1 when there are none. */
static double part_up_to(const struct series_set *s, int64_t label, int64_t length)
{
    int64_t count = 0, within = 0;
    for (int64_t i = 0; i < s->count; i++)
        if (s->labels[i] == label) {
            count++;
            within += s->lengths[i] <= length;
        }
    return count ? (double)within / (double)count : -1;
}

double series_length_distance(const struct series_set *a, const struct series_set *b)
{
    double largest = 0;
    for (int64_t c = 0; c < a->classes; c++)
        for (int64_t l = 1; l <= a->longest; l++) {
            double x = part_up_to(a, c, l), y = part_up_to(b, c, l);
            if (x >= 0 && y >= 0)
                largest = fmax(largest, fabs(x - y));
        }
    return largest;
}
