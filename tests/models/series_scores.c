/* Scores that compare sets of series: what they are where it is known, and that they see what they should see. */
#include "series_scores.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

enum { COUNT = 400, STEPS = 12 };

static reel_context *context;

static void begin(void)
{
    context = reel_context_new(NULL);
}

static void end(void)
{
    cr_expect_eq(reel_context_status(context), REEL_OK, "%s", reel_error(context));
    reel_context_free(context);
}

/* Waves of two channels around `level`, of lengths from 6 to 12, each value with noise. */
static struct series_set waves(uint64_t seed, double level, int64_t count)
{
    const struct series_set like = {.longest = STEPS, .channels = 2, .classes = 2};
    struct series_set s;
    reel_context *c = reel_context_new(NULL);
    reel_manual_seed(c, seed);
    reel_tape *t = reel_tape_new(c);
    cr_assert(series_set_like(&s, &like, count));
    const reel_real *phase = reel_data_real(t, reel_rand(t, REEL_SHAPE(count)));
    const reel_real *noise = reel_data_real(t, reel_randn(t, REEL_SHAPE(count, STEPS, 2)));
    const int64_t *length = reel_data_int64(t, reel_randint(t, STEPS / 2, STEPS + 1, REEL_SHAPE(count)));
    for (int64_t i = 0; i < count; i++) {
        s.lengths[i] = length[i];
        s.labels[i] = i % 2;
        for (int64_t v = 0; v < 2 * length[i]; v++)
            series_at(&s, i)[v] =
                (float)(level + sin(6 * phase[i] + 0.5 * (double)(v / 2)) + 0.1 * noise[i * 2 * STEPS + v]);
    }
    reel_tape_free(t);
    reel_context_free(c);
    return s;
}

TestSuite(series_scores, .init = begin, .fini = end);

Test(series_scores, discriminative)
{
    struct series_set real = waves(1, 0, COUNT), same = waves(2, 0, 2 * COUNT), other = waves(2, 1.5, 2 * COUNT);
    double of_same = series_discriminative_score(context, &real, &same, 1000, NULL);
    double of_other = series_discriminative_score(context, &real, &other, 1000, NULL);
    cr_expect_lt(of_same, 0.1);
    cr_expect_gt(of_other, 0.4);
    series_set_free(&real);
    series_set_free(&same);
    series_set_free(&other);
}

Test(series_scores, predictive)
{
    /* The last channel is a known function of the first: at the next step it is what the first is now. */
    const struct series_set like = {.longest = STEPS, .channels = 2, .classes = 1};
    struct series_set s, still;
    cr_assert(series_set_like(&s, &like, COUNT) && series_set_like(&still, &like, COUNT));
    reel_tape *t = reel_tape_new(context);
    const reel_real *x = reel_data_real(t, reel_rand(t, REEL_SHAPE(COUNT, STEPS)));
    double spread = 0;
    for (int64_t i = 0; i < COUNT; i++) {
        s.lengths[i] = still.lengths[i] = STEPS;
        for (int64_t k = 0; k < STEPS; k++) {
            series_at(&s, i)[2 * k] = x[i * STEPS + k];
            series_at(&s, i)[2 * k + 1] = k > 0 ? x[i * STEPS + k - 1] : 0;
            series_at(&still, i)[2 * k] = x[i * STEPS + k];
            series_at(&still, i)[2 * k + 1] = 0.5f;
            spread += fabs(x[i * STEPS + k] - 0.5) / (COUNT * STEPS);
        }
    }
    reel_tape_free(t);
    double learned = series_predictive_score(context, &s, &s, 1500, NULL);
    double constant = series_predictive_score(context, &s, &still, 300, NULL);
    /* Values between 0 and 1 whose nearest constant is 0.5 on average off by a quarter. */
    cr_expect_lt(learned, 0.08);
    cr_expect_float_eq(constant, spread, 0.03);
    /* Between 0 and 1 values are left as they are: half of them, half the error. */
    for (int64_t v = 0; v < 2 * COUNT * STEPS; v++) {
        s.x[v] *= 0.5f;
        still.x[v] *= 0.5f;
    }
    cr_expect_float_eq(series_predictive_score(context, &s, &still, 300, NULL), 0.5 * spread, 0.03);
    series_set_free(&s);
    series_set_free(&still);
}

Test(series_scores, a_stronger_critic)
{
    struct series_set real = waves(1, 0, COUNT), same = waves(2, 0, COUNT), other = waves(2, 0.3, COUNT);
    cr_expect_lt(series_critic_score(context, &real, &same, 60, NULL), 0.12);
    cr_expect_gt(series_critic_score(context, &real, &other, 60, NULL), 0.3);
    series_set_free(&real);
    series_set_free(&same);
    series_set_free(&other);
}

Test(series_scores, nearest)
{
    struct series_set a = waves(1, 0, COUNT), shifted = waves(1, 0, COUNT);
    cr_expect_eq(series_nearest(&a, &a), 0);
    for (int64_t i = 0; i < a.count; i++)
        a.lengths[i] = shifted.lengths[i] = STEPS;
    float mean[2], spread[2];
    series_scale_of(&a, mean, spread);
    for (int64_t v = 0; v < a.count * 2 * STEPS; v++)
        shifted.x[v] += 0.001f * spread[v % 2];
    cr_expect_float_eq(series_nearest(&shifted, &a), 0.001, 1e-4);
    series_set_free(&a);
    series_set_free(&shifted);
}

Test(series_scores, lengths)
{
    struct series_set a = waves(1, 0, 4), b = waves(1, 0, 4);
    const int64_t of_a[] = {6, 7, 8, 9}, of_b[] = {6, 9, 8, 9}; /* class 0: 6, 8 and 6, 8; class 1: 7, 9 and 9, 9 */
    for (int64_t i = 0; i < 4; i++) {
        a.lengths[i] = of_a[i];
        b.lengths[i] = of_b[i];
    }
    cr_expect_eq(series_length_distance(&a, &a), 0);
    cr_expect_eq(series_length_distance(&a, &b), 0.5);
    series_set_free(&a);
    series_set_free(&b);
}
