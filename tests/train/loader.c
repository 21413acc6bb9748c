/* The loader of batches: order, shapes, and what must be refused. */
#include "support/allocator.h"
#include "support/fixture.h"

#include "golden/loader.h"

#include <math.h>
#include <string.h>

TestSuite(loader, .init = set_up, .fini = tear_down);

static int64_t numbers[GOLDEN_N + 1];

static reel_loader *loader_of_numbers(reel_context *context, const reel_loader_options *options)
{
    for (int64_t i = 0; i <= GOLDEN_N; i++)
        numbers[i] = i;
    reel_loader *l = reel_loader_new(context, GOLDEN_N, options);
    cr_assert_eq(reel_loader_add(l, REEL_INT64, numbers, REEL_SCALAR), REEL_OK, "%s", reel_error(context));
    return l;
}

/* ---- The order ---- */

static void gives(reel_loader *l, const int64_t *golden, int64_t after)
{
    reel_manual_seed(c, 11);
    for (int epoch = 0; epoch < 2; epoch++) {
        reel_var batch;
        int64_t batches = 0;
        for (int64_t count; (count = reel_loader_next(l, t, &batch)) > 0; batches++) {
            const int64_t *samples = reel_data_int64(t, batch);
            cr_assert_eq(reel_shape_of(t, batch).dim[0], count);
            for (int64_t i = 0; i < count; i++)
                cr_assert_eq(samples[i], *golden++);
            cr_assert_eq(*golden++, -1, "batch %d has more samples", (int)batches);
            reel_tape_reset(t);
        }
        cr_assert_eq(*golden++, -2, "epoch %d has more batches", epoch);
        cr_assert_eq(batches, reel_loader_batches(l));
    }
    reel_var next = reel_randint(t, 0, INT64_C(1) << 40, REEL_SCALAR);
    cr_assert_eq(*reel_data_int64(t, next), after, "the generator is elsewhere");
    reel_loader_free(l);
}

Test(loader, samples_and_draws_are_those_of_pytorch)
{
    reel_loader_options o = reel_loader_defaults();
    o.batch_size = 5;
    gives(loader_of_numbers(c, &o), golden_in_order, golden_in_order_next);
    o.shuffle = true;
    gives(loader_of_numbers(c, &o), golden_shuffled, golden_shuffled_next);
    o.drop_last = true;
    gives(loader_of_numbers(c, &o), golden_dropped, golden_dropped_next);
    o.drop_last = false;
    o.batch_size = 3;
    o.indices = golden_subset;
    o.n_indices = sizeof golden_subset / sizeof *golden_subset;
    gives(loader_of_numbers(c, &o), golden_shuffled_subset, golden_shuffled_subset_next);
}

Test(loader, weighted_samples_are_those_of_pytorch)
{
    reel_loader_options o = reel_loader_defaults();
    o.batch_size = 6;
    reel_loader *l = loader_of_numbers(c, &o);
    cr_assert_eq(reel_loader_set_weights(l, golden_weights, GOLDEN_DRAWS), REEL_OK);
    gives(l, golden_weighted, golden_weighted_next);
}

Test(loader, classes_are_balanced)
{
    reel_loader_options o = reel_loader_defaults();
    o.batch_size = 6;
    for (int type = 0; type < 3; type++) {
        int32_t narrow[GOLDEN_N];
        int64_t wide[GOLDEN_N];
        for (int i = 0; i < GOLDEN_N; i++) {
            narrow[i] = golden_labels[i];
            wide[i] = golden_labels[i] - INT64_C(0x7000000000000000); /* any integers are labels */
        }
        reel_loader *counted = loader_of_numbers(c, &o), *l = reel_loader_new(c, GOLDEN_N, &o);
        if (type == 0)
            reel_loader_add_bytes(l, golden_labels, REEL_SCALAR);
        else if (type == 1)
            reel_loader_add(l, REEL_INT32, narrow, REEL_SCALAR);
        else
            reel_loader_add(l, REEL_INT64, wide, REEL_SCALAR);
        cr_assert_eq(reel_loader_add(l, REEL_INT64, numbers, REEL_SCALAR), REEL_OK);
        cr_assert_eq(reel_loader_vars(l), 2);
        cr_assert_eq(reel_loader_balance(l, 0, 0), REEL_OK);
        reel_manual_seed(c, 11);
        const int64_t *golden = golden_balanced;
        reel_var batch[2];
        for (int64_t count; (count = reel_loader_next(l, t, batch)) > 0; golden++)
            for (int64_t i = 0; i < count; i++, golden++)
                cr_assert_eq(reel_data_int64(t, batch[1])[i], *golden);
        cr_assert_eq(*golden, -2);
        reel_tape_reset(t);
        reel_loader_free(l);
        reel_loader_free(counted);
    }
}

/* ---- What is in a batch ---- */

Test(loader, elements_of_every_type)
{
    enum { N = 3 };
    const reel_real reals[N][2] = {{1, 2}, {3, 4}, {5, 6}};
    const int32_t narrow[N] = {7, 8, 9};
    const bool bools[N][1][2] = {{{true, false}}, {{false, true}}, {{true, true}}};
    const unsigned char bytes[N] = {0, 200, 255};
    reel_loader_options o = reel_loader_defaults();
    o.batch_size = 2;
    reel_loader *l = reel_loader_new(c, N, &o);
    reel_loader_add(l, REEL_REAL, reals, REEL_SHAPE(2));
    reel_loader_add(l, REEL_INT32, narrow, REEL_SCALAR);
    reel_loader_add(l, REEL_BOOL, bools, REEL_SHAPE(1, 2));
    cr_assert_eq(reel_loader_add_bytes(l, bytes, REEL_SHAPE(1)), REEL_OK);
    cr_assert_eq(reel_loader_vars(l), 4);
    reel_var batch[4];
    cr_assert_eq(reel_loader_next(l, t, batch), 2);
    cr_assert_arr_eq(reel_data(t, batch[0]), reals, 4 * sizeof(reel_real));
    cr_assert_arr_eq(reel_data(t, batch[1]), narrow, 2 * sizeof(int32_t));
    cr_assert_arr_eq(reel_data(t, batch[2]), bools, 4);
    cr_assert_eq(reel_data_int64(t, batch[3])[1], 200);
    const reel_shape expected[] = {REEL_SHAPE(2, 2), REEL_SHAPE(2), REEL_SHAPE(2, 1, 2), REEL_SHAPE(2, 1)};
    for (int i = 0; i < 4; i++) {
        reel_shape shape = reel_shape_of(t, batch[i]);
        cr_assert(reel_shape_equal(&shape, &expected[i]), "var %d", i);
    }
    cr_assert_eq(reel_loader_next(l, t, batch), 1);
    cr_assert_arr_eq(reel_data(t, batch[0]), reals[2], 2 * sizeof(reel_real));
    cr_assert_eq(reel_loader_next(l, t, batch), 0);
    reel_loader_free(l);
}

Test(loader, bytes_are_scaled_as_by_torchvision)
{
    unsigned char bytes[256];
    for (int i = 0; i < 256; i++)
        bytes[i] = (unsigned char)i;
    reel_loader *l = reel_loader_new(c, 1, NULL);
    reel_loader_add_scaled_bytes(l, bytes, REEL_SHAPE(16, 16), 0, 1);
    reel_loader_add_scaled_bytes(l, bytes, REEL_SHAPE(256), -1, 1);
    reel_var batch[2];
    cr_assert_eq(reel_loader_next(l, t, batch), 1);
    for (int i = 0; i < 256; i++) {
        cr_assert_eq(reel_data_real(t, batch[0])[i], (reel_real)i / (reel_real)255);
        cr_assert_eq(reel_data_real(t, batch[1])[i], ((reel_real)i / (reel_real)255 - (reel_real)0.5) / (reel_real)0.5);
    }
    reel_loader_free(l);
}

Test(loader, sequences_are_padded_and_their_lengths_given)
{
    const int64_t tokens[] = {5, 6, 7, 8, 9, 10}, offsets[] = {0, 2, 2, 5, 6};
    const reel_real points[6][2] = {{0, 1}, {2, 3}, {4, 5}, {6, 7}, {8, 9}, {10, 11}};
    reel_loader_options o = reel_loader_defaults();
    o.batch_size = 3;
    reel_loader *l = reel_loader_new(c, 4, &o);
    reel_loader_add_sequences(l, REEL_INT64, tokens, offsets, REEL_SCALAR, -3);
    cr_assert_eq(reel_loader_add_sequences(l, REEL_REAL, points, offsets, REEL_SHAPE(2), 0.5), REEL_OK);
    cr_assert_eq(reel_loader_vars(l), 4);
    reel_var batch[4];
    cr_assert_eq(reel_loader_next(l, t, batch), 3);
    const int64_t padded[3][3] = {{5, 6, -3}, {-3, -3, -3}, {7, 8, 9}}, lengths[] = {2, 0, 3};
    const reel_real padded_points[] = {0, 1, 2, 3, .5, .5, .5, .5, .5, .5, .5, .5, 4, 5, 6, 7, 8, 9};
    const reel_shape shape = reel_shape_of(t, batch[0]), expected = REEL_SHAPE(3, 3),
                     shape_of_points = reel_shape_of(t, batch[2]), expected_of_points = REEL_SHAPE(3, 3, 2);
    cr_assert(reel_shape_equal(&shape, &expected) && reel_shape_equal(&shape_of_points, &expected_of_points));
    cr_assert_arr_eq(reel_data(t, batch[0]), padded, sizeof padded);
    cr_assert_arr_eq(reel_data(t, batch[1]), lengths, sizeof lengths);
    cr_assert_arr_eq(reel_data(t, batch[2]), padded_points, sizeof padded_points);
    cr_assert_arr_eq(reel_data(t, batch[3]), lengths, sizeof lengths);
    cr_assert_eq(reel_loader_next(l, t, batch), 1);
    cr_assert_eq(reel_shape_of(t, batch[0]).dim[1], 1);
    reel_loader_free(l);
}

/* ---- Changed pictures ---- */

enum { PICTURES = 600, HEIGHT = 5, WIDTH = 6, PLANES = 2, PIXELS = PLANES * HEIGHT * WIDTH };
static unsigned char pictures[PICTURES][PIXELS];

static reel_loader *loader_of_pictures(reel_context *context, int64_t batch_size, const reel_augment_options *augment)
{
    for (int i = 0; i < PICTURES; i++)
        for (int k = 0; k < PIXELS; k++)
            pictures[i][k] = (unsigned char)(i * 31 + k * 7 + 1);
    reel_loader_options o = reel_loader_defaults();
    o.batch_size = batch_size;
    reel_loader *l = reel_loader_new(context, PICTURES, &o);
    reel_loader_add_scaled_bytes(l, &pictures[0][0], REEL_SHAPE(PLANES, HEIGHT, WIDTH), 0, 255);
    if (augment)
        cr_assert_eq(reel_loader_augment(l, 0, augment), REEL_OK, "%s", reel_error(context));
    return l;
}

/* The pixel of picture i that the loader should have put at a place, by the definition. */
static double moved_pixel(int i, int plane, int y, int x, const int move[4], double fill)
{
    int from_y = (move[2] ? HEIGHT - 1 - y : y) - move[0], from_x = (move[3] ? WIDTH - 1 - x : x) - move[1];
    if (from_y < 0 || from_y >= HEIGHT || from_x < 0 || from_x >= WIDTH)
        return fill;
    return pictures[i][(plane * HEIGHT + from_y) * WIDTH + from_x];
}

static bool is_moved(const reel_real *out, int i, const int move[4], double fill)
{
    for (int plane = 0; plane < PLANES; plane++)
        for (int y = 0; y < HEIGHT; y++)
            for (int x = 0; x < WIDTH; x++)
                if (out[(plane * HEIGHT + y) * WIDTH + x] != (reel_real)moved_pixel(i, plane, y, x, move, fill))
                    return false;
    return true;
}

/* Every picture is one of the possible moves of itself, and every possible move happens about as often as it should. */
Test(loader, pictures_move_as_asked)
{
    REEL_OPTIONS(augment, o, o.shift = 1, o.flip_horizontal = 0.5, o.flip_vertical = 0.25, o.fill = 300);
    reel_loader *l = loader_of_pictures(c, PICTURES, &o);
    int seen[3][3][2][2] = {0}, epochs = 30;
    for (int epoch = 0; epoch < epochs; epoch++) {
        reel_var batch;
        cr_assert_eq(reel_loader_next(l, t, &batch), PICTURES);
        const reel_real *out = reel_data_real(t, batch);
        for (int i = 0; i < PICTURES; i++) {
            int found = 0;
            for (int code = 0; code < 36; code++) {
                const int move[] = {code % 3 - 1, code / 3 % 3 - 1, code / 9 % 2, code / 18};
                if (is_moved(out + (size_t)i * PIXELS, i, move, 300)) {
                    found++;
                    seen[move[0] + 1][move[1] + 1][move[2]][move[3]]++;
                }
            }
            cr_assert_eq(found, 1, "picture %d is %d of its moves", i, found);
        }
        cr_assert_eq(reel_loader_next(l, t, &batch), 0);
        reel_tape_reset(t);
    }
    for (int code = 0; code < 36; code++) {
        double chance = (code / 9 % 2 ? 0.25 : 0.75) * 0.5 / 9, draws = (double)PICTURES * epochs;
        double count = seen[code % 3][code / 3 % 3][code / 9 % 2][code / 18];
        cr_assert(fabs(count - draws * chance) < 5 * sqrt(draws * chance), "move %d: %g times, not about %g", code,
                  count, draws * chance);
    }
    reel_loader_free(l);
}

Test(loader, noise_is_normal_and_new_in_each_epoch)
{
    REEL_OPTIONS(augment, o, o.noise = 2);
    reel_loader *l = loader_of_pictures(c, PICTURES, &o);
    double sum = 0, squares = 0, products = 0, n = 0;
    for (int epoch = 0; epoch < 10; epoch++) {
        reel_var batch;
        reel_loader_next(l, t, &batch);
        const reel_real *out = reel_data_real(t, batch);
        double previous[PIXELS] = {0};
        for (int i = 0; i < PICTURES; i++)
            for (int k = 0; k < PIXELS; k++, n++) {
                double noise = (double)out[i * PIXELS + k] - pictures[i][k];
                sum += noise;
                squares += noise * noise;
                products += noise * previous[k]; /* of neighbouring samples */
                previous[k] = noise;
            }
        reel_loader_next(l, t, &batch);
        reel_tape_reset(t);
    }
    cr_assert(fabs(sum / n) < 5 * 2 / sqrt(n));
    cr_assert(fabs(squares / n - 4) < 5 * 4 * sqrt(2 / n));
    cr_assert(fabs(products / n) < 5 * 4 / sqrt(n));
    reel_loader_free(l);
}

Test(loader, changes_have_a_stream_of_their_own)
{
    REEL_OPTIONS(augment, o, o.shift = 2, o.flip_horizontal = 0.5, o.noise = 1);
    static reel_real first[PICTURES][PIXELS];
    int64_t next = 0;
    const struct {
        int64_t batch_size;
        int threads;
        bool augmented;
    } cases[] = {{PICTURES, 1, true}, {7, 1, true}, {PICTURES, 3, true}, {64, 1, false}};
    for (int k = 0; k < 4; k++) {
        reel_manual_seed(c, 5);
        reel_set_num_threads(c, cases[k].threads);
        reel_loader *l = loader_of_pictures(c, cases[k].batch_size, cases[k].augmented ? &o : NULL);
        reel_var batch;
        for (int64_t count, done = 0; (count = reel_loader_next(l, t, &batch)) > 0; done += count) {
            const reel_real *out = reel_data_real(t, batch);
            size_t bytes = (size_t)count * sizeof first[0];
            if (k == 0)
                memcpy(first[done], out, bytes);
            else
                cr_assert_eq(memcmp(first[done], out, bytes) == 0, cases[k].augmented);
        }
        int64_t drawn = *reel_data_int64(t, reel_randint(t, 0, INT64_C(1) << 40, REEL_SCALAR));
        cr_assert(k == 0 || drawn == next);
        next = drawn;
        reel_tape_reset(t);
        reel_loader_free(l);
    }
}

/* ---- The position ---- */

static void follow(reel_loader *l, int64_t *out, int64_t n)
{
    while (n > 0) {
        reel_var batch;
        int64_t count = reel_loader_next(l, t, &batch);
        *out++ = count;
        n--;
        for (int64_t i = 0; i < count && n > 0; i++, n--)
            *out++ = reel_data_int64(t, batch)[i];
        reel_tape_reset(t);
    }
}

Test(loader, goes_on_from_a_position)
{
    for (int kind = 0; kind < 3; kind++)
        for (int batches = 0; batches < 13; batches++) {
            reel_loader *loaders[2];
            for (int k = 0; k < 2; k++) {
                reel_loader_options o = reel_loader_defaults();
                o.batch_size = 5;
                o.shuffle = kind == 1;
                loaders[k] = loader_of_numbers(c, &o);
                if (kind == 2)
                    reel_loader_set_weights(loaders[k], golden_weights, GOLDEN_DRAWS);
            }
            for (int i = 0; i < batches; i++) {
                reel_var batch;
                reel_loader_next(loaders[0], t, &batch);
                reel_tape_reset(t);
            }
            reel_loader_position position, again;
            unsigned char generator[REEL_RNG_STATE_SIZE];
            cr_assert_eq(reel_loader_position_of(loaders[0], &position), REEL_OK);
            reel_get_rng_state(c, generator);
            int64_t expected[70], got[70];
            follow(loaders[0], expected, 70);
            reel_manual_seed(c, 99);
            cr_assert_eq(reel_loader_set_position(loaders[1], &position), REEL_OK, "%s", reel_error(c));
            reel_set_rng_state(c, generator);
            reel_loader_position_of(loaders[1], &again);
            cr_assert_arr_eq(&again, &position, sizeof position);
            follow(loaders[1], got, 70);
            cr_assert_arr_eq(got, expected, sizeof got, "kind %d after %d batches", kind, batches);
            reel_loader_free(loaders[0]);
            reel_loader_free(loaders[1]);
        }
}

Test(loader, changed_pictures_go_on_from_a_position)
{
    REEL_OPTIONS(augment, o, o.shift = 2, o.flip_horizontal = 0.5, o.noise = 1);
    reel_loader *loaders[] = {loader_of_pictures(c, 64, &o), loader_of_pictures(c, 64, &o)};
    reel_var batches[2];
    reel_loader_next(loaders[0], t, &batches[0]);
    reel_loader_position position;
    reel_loader_position_of(loaders[0], &position);
    cr_assert_eq(reel_loader_set_position(loaders[1], &position), REEL_OK);
    reel_loader_next(loaders[0], t, &batches[0]);
    reel_loader_next(loaders[1], t, &batches[1]);
    cr_assert_arr_eq(reel_data(t, batches[0]), reel_data(t, batches[1]), 64 * PIXELS * sizeof(reel_real));
    reel_loader_free(loaders[0]);
    reel_loader_free(loaders[1]);
}

Test(loader, refuses_positions_of_others)
{
    reel_loader_options o = reel_loader_defaults();
    o.shuffle = true;
    reel_loader *l = loader_of_numbers(c, &o);
    reel_var batch;
    reel_loader_next(l, t, &batch);
    reel_loader_position good, bad;
    reel_loader_position_of(l, &good);
#define REFUSED_POSITION(change)                                                                                       \
    do {                                                                                                               \
        bad = good;                                                                                                    \
        change;                                                                                                        \
        cr_assert_eq(reel_loader_set_position(l, &bad), REEL_ERROR_FORMAT);                                            \
        reel_clear_error(c);                                                                                           \
        reel_loader_position_of(l, &bad);                                                                              \
        cr_assert_arr_eq(&bad, &good, sizeof good);                                                                    \
    } while (0)
    REFUSED_POSITION(bad.samples++);
    REFUSED_POSITION(bad.next = -2);
    REFUSED_POSITION(bad.next = GOLDEN_N + 1);
    REFUSED_POSITION(bad.epoch = -1);
    REFUSED_POSITION(memset(bad.generator, 0xff, sizeof bad.generator));
    reel_loader_free(l);
}

/* ---- Memory and errors ---- */

Test(loader, does_not_allocate_after_the_second_batch)
{
    struct counting counts;
    reel_context *context = counting_context(&counts, 2);
    reel_tape *tape = reel_tape_new(context);
    REEL_OPTIONS(augment, augment, augment.shift = 1, augment.noise = 1);
    reel_loader_options o = reel_loader_defaults();
    o.batch_size = 50;
    o.shuffle = true;
    reel_loader *l = loader_of_pictures(context, 50, &augment), *shuffled = loader_of_numbers(context, &o);
    reel_loader_add_sequences(shuffled, REEL_INT64, numbers, numbers, REEL_SCALAR, 0);
    reel_var batch[3];
    for (int step = 0; step < 60; step++) {
        int64_t before = counts.calls;
        if (reel_loader_next(l, tape, batch) == 0)
            reel_loader_next(l, tape, batch);
        if (reel_loader_next(shuffled, tape, batch) == 0)
            reel_loader_next(shuffled, tape, batch);
        reel_tape_reset(tape);
        cr_assert(step < 2 || counts.calls == before, "batch %d", step);
    }
    cr_assert_eq(reel_context_status(context), REEL_OK, "%s", reel_error(context));
    reel_loader_free(l);
    reel_loader_free(shuffled);
    reel_tape_free(tape);
    reel_context_free(context);
    cr_assert_eq(counts.live, 0);
    cr_assert_eq(counts.wrong_sizes, 0);
}

/* Calls again what got no memory. */
#define TWICE(call)                                                                                                    \
    do {                                                                                                               \
        call;                                                                                                          \
        if (reel_context_status(context) != REEL_OK) {                                                                 \
            cr_assert_eq(reel_context_status(context), REEL_ERROR_OUT_OF_MEMORY);                                      \
            failures++;                                                                                                \
            reel_clear_error(context);                                                                                 \
            call;                                                                                                      \
        }                                                                                                              \
        cr_assert_eq(reel_context_status(context), REEL_OK, "%s", reel_error(context));                                \
    } while (0)

/* Every allocation fails once; the batches are those of a run in which none did. */
Test(loader, out_of_memory_loses_nothing)
{
    reel_loader_free(loader_of_numbers(c, NULL));
    int64_t expected[3] = {0};
    int failures = 0;
    for (int fail_at = -1; fail_at < 0 || failures > 0; fail_at++) {
        struct counting counts;
        reel_context *context = counting_context(&counts, 1);
        reel_tape *tape = reel_tape_new(context);
        reel_loader_options o = reel_loader_defaults();
        o.batch_size = 3;
        o.indices = golden_subset;
        o.n_indices = 7;
        reel_loader *l;
        reel_var batch;
        counts.calls = 0;
        counts.fail_at = fail_at;
        failures = 0;
        TWICE(l = reel_loader_new(context, GOLDEN_N, &o));
        TWICE(reel_loader_add(l, REEL_INT64, numbers, REEL_SCALAR));
        TWICE(reel_loader_balance(l, 0, 0));
        TWICE(reel_loader_next(l, tape, &batch));
        const int64_t *samples = reel_data_int64(tape, batch);
        cr_assert(fail_at < 0 || memcmp(samples, expected, sizeof expected) == 0, "allocation %d", fail_at);
        memcpy(expected, samples, sizeof expected);
        reel_loader_free(l);
        reel_tape_free(tape);
        reel_context_free(context);
        cr_assert_eq(counts.live, 0);
    }
}

Test(loader, bad_arguments_are_refused)
{
#define REFUSED(call, expected)                                                                                        \
    do {                                                                                                               \
        call;                                                                                                          \
        cr_assert_eq(reel_context_status(c), expected, "%s", #call);                                                   \
        reel_clear_error(c);                                                                                           \
    } while (0)
    reel_loader_options o = reel_loader_defaults();
    REFUSED(cr_assert_null(reel_loader_new(c, 0, NULL)), REEL_ERROR_ARGUMENT);
    o.batch_size = 0;
    REFUSED(cr_assert_null(reel_loader_new(c, 5, &o)), REEL_ERROR_ARGUMENT);
    o.batch_size = 2;
    o.indices = golden_subset;
    REFUSED(cr_assert_null(reel_loader_new(c, 5, &o)), REEL_ERROR_ARGUMENT);
    o.n_indices = 7;
    REFUSED(cr_assert_null(reel_loader_new(c, 22, &o)), REEL_ERROR_INDEX);
    REFUSED(cr_assert_null(reel_loader_new(c, 5, &(reel_loader_options){.batch_size = 1})), REEL_ERROR_ARGUMENT);
    cr_assert_null(reel_loader_new(NULL, 5, NULL));

    o = reel_loader_defaults();
    o.batch_size = 2;
    reel_loader *l = reel_loader_new(c, 3, &o);
    reel_var batch[8];
    const unsigned char bytes[3 * 4] = {0};
    const reel_real reals[3] = {0};
    const int64_t descending[] = {0, 2, 1, 3}, negative[] = {-1, 0, 0, 0};
    const reel_shape large = REEL_SHAPE(1, 1, 1, 1, 1, 1, 1, 1);
    REFUSED(reel_loader_next(l, t, batch), REEL_ERROR_ARGUMENT);
    REFUSED(reel_loader_add(l, REEL_REAL, NULL, REEL_SCALAR), REEL_ERROR_ARGUMENT);
    REFUSED(reel_loader_add(l, (reel_dtype)9, reals, REEL_SCALAR), REEL_ERROR_DTYPE);
    REFUSED(reel_loader_add(l, REEL_REAL, reals, large), REEL_ERROR_SHAPE);
    REFUSED(reel_loader_add(l, REEL_REAL, reals, REEL_SHAPE(-1)), REEL_ERROR_SHAPE);
    REFUSED(reel_loader_add_scaled_bytes(l, bytes, REEL_SHAPE(2, 2), 0, INFINITY), REEL_ERROR_ARGUMENT);
    REFUSED(reel_loader_add_sequences(l, REEL_REAL, reals, descending, REEL_SCALAR, 0), REEL_ERROR_INDEX);
    REFUSED(reel_loader_add_sequences(l, REEL_REAL, reals, negative, REEL_SCALAR, 0), REEL_ERROR_INDEX);
    REFUSED(reel_loader_add_sequences(l, REEL_REAL, reals, NULL, REEL_SCALAR, 0), REEL_ERROR_ARGUMENT);
    REFUSED(reel_loader_add_sequences(l, REEL_INT32, reals, numbers, REEL_SCALAR, 0x1p31), REEL_ERROR_ARGUMENT);
    REFUSED(reel_loader_add_sequences(l, REEL_INT64, numbers, numbers, REEL_SCALAR, NAN), REEL_ERROR_ARGUMENT);
    cr_assert_eq(reel_loader_vars(l), 0);

    reel_loader_add_scaled_bytes(l, bytes, REEL_SHAPE(2, 2), 0, 1);
    reel_loader_add(l, REEL_REAL, reals, REEL_SCALAR);
    REEL_OPTIONS(augment, a, a.shift = 1);
    REFUSED(reel_loader_augment(l, 1, &a), REEL_ERROR_ARGUMENT);
    REFUSED(reel_loader_augment(l, 2, &a), REEL_ERROR_ARGUMENT);
    REFUSED(reel_loader_augment(l, -1, &a), REEL_ERROR_ARGUMENT);
    a.shift = 2;
    REFUSED(reel_loader_augment(l, 0, &a), REEL_ERROR_ARGUMENT);
    a = reel_augment_defaults();
    a.noise = NAN;
    REFUSED(reel_loader_augment(l, 0, &a), REEL_ERROR_ARGUMENT);
    a.noise = 0;
    a.flip_vertical = 1.5;
    REFUSED(reel_loader_augment(l, 0, &a), REEL_ERROR_ARGUMENT);
    REFUSED(reel_loader_balance(l, 1, 0), REEL_ERROR_ARGUMENT);

    const double zeros[3] = {0}, negative_weight[] = {1, -1, 1}, no_number[] = {1, NAN, 1}, ones[] = {1, 1, 1};
    REFUSED(reel_loader_set_weights(l, zeros, 0), REEL_ERROR_ARGUMENT);
    REFUSED(reel_loader_set_weights(l, negative_weight, 0), REEL_ERROR_ARGUMENT);
    REFUSED(reel_loader_set_weights(l, no_number, 0), REEL_ERROR_ARGUMENT);
    REFUSED(reel_loader_set_weights(l, ones, -1), REEL_ERROR_ARGUMENT);
    cr_assert_eq(reel_loader_next(l, t, batch), 2);
    REFUSED(reel_loader_set_weights(l, ones, 0), REEL_ERROR_STATE);
    REFUSED(reel_loader_next(l, t, NULL), REEL_ERROR_ARGUMENT);
    reel_loader_free(l);
    o.shuffle = true;
    l = reel_loader_new(c, 3, &o);
    REFUSED(reel_loader_set_weights(l, ones, 0), REEL_ERROR_ARGUMENT);
    reel_loader_free(l);
    cr_assert_eq(reel_loader_next(NULL, t, batch), 0);
    cr_assert_eq(reel_loader_add(NULL, REEL_REAL, reals, REEL_SCALAR), REEL_ERROR_ARGUMENT);
    cr_assert_eq(reel_loader_batches(NULL), 0);
}

/* Offsets are the user's, and what they have become is looked at before anything is read by them. */
Test(loader, offsets_that_change_are_refused)
{
    static const int64_t tokens[6] = {1, 2, 3, 4, 5, 6};
    static const struct {
        int64_t at, value;
    } changes[] = {{3, 7}, {1, -1}, {1, 5}, {2, INT64_MAX}};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        int64_t offsets[] = {0, 2, 4, 6};
        reel_var batch[2];
        REEL_OPTIONS(loader, o, o.batch_size = 3);
        reel_loader *l = reel_loader_new(c, 3, &o);
        reel_loader_add_sequences(l, REEL_INT64, tokens, offsets, REEL_SCALAR, 0);
        cr_assert_eq(reel_loader_next(l, t, batch), 3, "%s", reel_error(c));
        cr_assert_eq(reel_loader_next(l, t, batch), 0);
        offsets[changes[i].at] = changes[i].value;
        cr_expect_eq(reel_loader_next(l, t, batch), 0);
        cr_expect_eq(reel_context_status(c), REEL_ERROR_INDEX, "change %zu", i);
        cr_expect_not_null(strstr(reel_error(c), "offsets must stay as they were added"), "%s", reel_error(c));
        reel_clear_error(c);
        reel_loader_free(l);
    }
}
