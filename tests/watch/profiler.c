/* The profiler: what it counts, its table and its trace, ranges, and what goes wrong. */
#include "watch/profiler.h"

#include <criterion/criterion.h>
#include <reel/reel.h>
#include <reel/watch.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, IN = 300, OUT = 200 };

static reel_context *c;
static reel_tape *t;
static reel_params *params;
static reel_module *fc1, *fc2;

static void make(void)
{
    REEL_OPTIONS(context, o, o.num_threads = 1);
    c = reel_context_new(&o);
    t = reel_tape_new(c);
    params = reel_params_new(c);
    fc1 = reel_linear_new(params, "net.fc1", IN, OUT, NULL);
    fc2 = reel_linear_new(params, "net.fc2", OUT, 1, NULL);
}

static void drop(void)
{
    reel_params_free(params);
    reel_tape_free(t);
    reel_context_free(c);
}

TestSuite(profiler, .init = make, .fini = drop);

static void step(void)
{
    reel_var x = reel_randn(t, REEL_SHAPE(BATCH, IN));
    reel_var h = reel_forward(t, fc2, reel_tanh(t, reel_forward(t, fc1, x)));
    reel_zero_grad(params);
    cr_assert_eq(reel_backward(t, reel_mean_all(t, h), params), REEL_OK, "%s", reel_error(c));
    reel_tape_reset(t);
}

static const struct profile_node *find(const reel_profiler *p, const char *layer, const char *op, reel_call_phase phase)
{
    const struct profile_node *nodes = p->nodes.items;
    for (int64_t i = 1; i < p->nodes.n; i++)
        if (strcmp(nodes[i].name, layer) == 0 && nodes[i].op && strcmp(nodes[i].op->name, op) == 0 &&
            nodes[i].phase == phase)
            return &nodes[i];
    cr_assert_fail("there is no %s of %s", op, layer);
    return NULL;
}

Test(profiler, counts_calls_and_work)
{
    reel_profiler *p = reel_profiler_new(c, NULL);
    cr_assert_not_null(p, "%s", reel_error(c));
    for (int i = 0; i < 10; i++) {
        step();
        reel_profiler_step(p);
    }
    cr_assert_eq(reel_profiler_stop(p), REEL_OK, "%s", reel_error(c));
    int64_t nodes = p->nodes.n;
    step();
    cr_expect_eq(p->nodes.n, nodes, "counted after its end");

    const struct profile_node *forward = find(p, "net.fc1", "linear_bias", REEL_CALL_FORWARD);
    const struct profile_node *backward = find(p, "net.fc1", "linear_bias", REEL_CALL_BACKWARD);
    cr_expect(forward->count == 10 && backward->count == 10);
    cr_expect(find(p, "", "tanh", REEL_CALL_FORWARD)->count == 10);
    double flops = 2.0 * BATCH * IN * OUT * 10;
    cr_expect(forward->flops >= flops && forward->flops <= 1.02 * flops, "%g and not %g", forward->flops, flops);
    /* Gradients of weight and bias: of x there is none. */
    cr_expect_eq(backward->flops, 2 * forward->flops);
    /* All are timed, and together they take no longer than the whole. */
    const struct profile_node *all = p->nodes.items;
    uint64_t sum = 0;
    for (int64_t i = 1; i < p->nodes.n; i++) {
        cr_expect_eq(all[i].whole.count, all[i].count);
        cr_expect_eq(profiler_node_ticks(p, i), all[i].whole.ticks);
        sum += profiler_own_ticks(p, i);
    }
    cr_expect_leq(sum, profiler_ticks(p));
    cr_expect_gt(sum, 0);
    reel_profiler_free(p);
}

/* After 16 steps one in three is timed; what ran in no such step, once. */
Test(profiler, times_some_steps_for_all)
{
    enum { STEPS = 16 + 300, RARE = 100 };
    const struct timespec pause = {0, 100000};
    REEL_OPTIONS(profiler, o, o.every = 3);
    reel_profiler *p = reel_profiler_new(c, &o);
    for (int i = 0; i < STEPS; i++) {
        reel_profiler_enter(p, "range");
        step();
        if (i == RARE)
            reel_exp(t, reel_zeros(t, REEL_SHAPE(1)));
        nanosleep(&pause, NULL);
        reel_profiler_leave(p);
        reel_profiler_step(p);
    }
    cr_assert_eq(reel_profiler_stop(p), REEL_OK, "%s", reel_error(c));
    const struct profile_node *all = p->nodes.items, *forward = find(p, "net.fc1", "linear_bias", REEL_CALL_FORWARD);
    const struct profile_node *rare = find(p, "", "exp", REEL_CALL_FORWARD);
    cr_expect_eq(forward->count, STEPS);
    cr_expect_eq(forward->whole.count, 16);
    cr_expect_eq(forward->sampled.count, 100);
    cr_expect_float_eq(forward->flops, (2.0 * BATCH * IN + 1) * OUT * STEPS, 0.02 * forward->flops);
    cr_expect_eq(profiler_node_ticks(p, forward - all),
                 forward->whole.ticks + (uint64_t)((double)forward->sampled.ticks * (STEPS - 16) / 100));
    cr_expect(rare->count == 1 && rare->whole.count == 1 && rare->sampled.count == 0);
    cr_expect_eq(profiler_node_ticks(p, rare - all), rare->whole.ticks);
    cr_expect(strcmp(all[1].name, "range") == 0 && all[1].whole.count == STEPS && all[1].sampled.count == 0);
    cr_expect_geq(profiler_seconds(p, profiler_own_ticks(p, 1)), 0.9e-4 * STEPS);
    reel_profiler_free(p);
}

/* What a training does in every fourth step is among the steps that are timed, and not as if it were in all. */
Test(profiler, times_steps_at_random)
{
    enum { STEPS = 16 + 400 };
    REEL_OPTIONS(profiler, o, o.every = 4);
    reel_profiler *p = reel_profiler_new(c, &o);
    for (int i = 0; i < STEPS; i++) {
        if (i % 4 == 0)
            reel_exp(t, reel_zeros(t, REEL_SHAPE(1)));
        reel_tape_reset(t);
        reel_profiler_step(p);
    }
    reel_profiler_stop(p);
    const struct profile_node *rare = find(p, "", "exp", REEL_CALL_FORWARD);
    cr_expect(rare->count == 104 && rare->whole.count == 4);
    cr_expect(rare->sampled.count > 10 && rare->sampled.count < 45, "%lld", (long long)rare->sampled.count);
    reel_profiler_free(p);
}

/* Seconds are those of a clock. */
Test(profiler, ranges_take_the_time_that_they_take)
{
    reel_profiler *p = reel_profiler_new(c, NULL);
    const struct timespec pause = {0, 30000000};
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(reel_profiler_enter(p, "data"), REEL_OK);
        cr_assert_eq(reel_profiler_enter(p, "disk"), REEL_OK);
        nanosleep(&pause, NULL);
        cr_assert_eq(reel_profiler_leave(p), REEL_OK);
        reel_profiler_enter(p, "step");
        step();
        reel_profiler_leave(p);
        cr_assert_eq(reel_profiler_leave(p), REEL_OK);
    }
    cr_assert_eq(reel_profiler_stop(p), REEL_OK, "%s", reel_error(c));
    const struct profile_node *nodes = p->nodes.items;
    cr_expect(strcmp(nodes[1].name, "data") == 0 && nodes[1].count == 3 && nodes[1].parent == 0);
    cr_expect(strcmp(nodes[2].name, "disk") == 0 && nodes[2].count == 3 && nodes[2].parent == 1);
    double seconds = profiler_seconds(p, profiler_node_ticks(p, 2));
    cr_expect(seconds >= 0.089 && seconds < 10, "%g s", seconds);
    cr_expect_geq(profiler_node_ticks(p, 1), profiler_node_ticks(p, 2));
    for (int64_t i = 3; i < p->nodes.n; i++)
        cr_expect_neq(nodes[i].parent, 0);
    reel_profiler_free(p);
}

static char *text_of(FILE *file)
{
    static char text[1 << 16];
    rewind(file);
    size_t size = fread(text, 1, sizeof text - 1, file);
    text[size] = '\0';
    return text;
}

Test(profiler, table_and_trace)
{
    REEL_OPTIONS(profiler, o, o.max_events = 7);
    reel_profiler *p = reel_profiler_new(c, &o);
    reel_profiler_enter(p, "a \"range\"");
    step();
    reel_profiler_leave(p);
    step();
    reel_profiler_step(p);
    reel_profiler_step(p);
    reel_profiler_stop(p);
    FILE *file = tmpfile();
    cr_assert_eq(reel_profiler_print(p, file), REEL_OK, "%s", reel_error(c));
    char *text = text_of(file);
    fclose(file);
    cr_expect_not_null(strstr(text, "\nnet.fc1                  linear_bias                  1 "), "%s", text);
    cr_expect_not_null(strstr(text, "\na \"range\"                (range)                    0.5 "), "%s", text);
    cr_expect_not_null(strstr(text, " us a step, over 2 steps\n"), "%s", text);

    char path[64];
    snprintf(path, sizeof path, "/tmp/reel-trace-%d.json", (int)getpid());
    cr_assert_eq(reel_profiler_save_trace(p, path), REEL_OK, "%s", reel_error(c));
    file = fopen(path, "r");
    text = text_of(file);
    fclose(file);
    remove(path);
    int events = 0;
    double before = -1;
    for (char *at = text; (at = strstr(at, "\"ph\":\"X\",\"ts\":")) != NULL; at++) {
        double ts, dur;
        cr_assert_eq(sscanf(at, "\"ph\":\"X\",\"ts\":%lf,\"dur\":%lf", &ts, &dur), 2);
        cr_expect(ts >= 0 && dur >= 0 && ts + dur >= before);
        before = ts + dur;
        events++;
    }
    cr_expect_eq(events, 7);
    cr_expect_not_null(strstr(text, "{\"name\":\"net.fc1: linear_bias\",\"cat\":\"forward\","), "%s", text);
    cr_expect_eq(reel_profiler_save_trace(p, "/nonexistent/trace"), REEL_ERROR_IO);
    reel_clear_error(c);
    reel_profiler_free(p);
}

Test(profiler, refuses)
{
    cr_expect_null(reel_profiler_new(NULL, NULL));
    REEL_OPTIONS(profiler, o, o.max_events = -1);
    cr_expect_null(reel_profiler_new(c, &o));
    cr_expect_eq(reel_context_status(c), REEL_ERROR_ARGUMENT);
    reel_clear_error(c);
    REEL_OPTIONS(profiler, none, none.every = 0);
    cr_expect_null(reel_profiler_new(c, &none));
    cr_expect_eq(reel_context_status(c), REEL_ERROR_ARGUMENT);
    reel_clear_error(c);
    reel_profiler *p = reel_profiler_new(c, NULL);
    cr_expect_null(reel_profiler_new(c, NULL));
    cr_expect_eq(reel_context_status(c), REEL_ERROR_STATE);
    reel_clear_error(c);
    cr_expect_eq(reel_profiler_leave(p), REEL_ERROR_STATE);
    reel_clear_error(c);
    cr_expect_eq(reel_profiler_enter(p, ""), REEL_ERROR_ARGUMENT);
    reel_clear_error(c);
    int depth = 0;
    while (depth < 100 && reel_profiler_enter(p, "deep") == REEL_OK)
        depth++;
    cr_expect_eq(depth, PROFILER_DEPTH - 1);
    cr_expect_eq(reel_context_status(c), REEL_ERROR_STATE);
    reel_clear_error(c);
    step(); /* no room for its calls, which end all the same */
    for (; depth > 0; depth--)
        cr_expect_eq(reel_profiler_leave(p), REEL_OK);
    reel_profiler_enter(p, "open");
    cr_expect_eq(reel_profiler_stop(p), REEL_ERROR_STATE);
    cr_expect_not_null(strstr(reel_error(c), "\"open\" was not left"), "%s", reel_error(c));
    reel_clear_error(c);
    cr_expect_eq(reel_profiler_stop(p), REEL_OK);
    cr_expect_eq(reel_profiler_print(p, NULL), REEL_ERROR_ARGUMENT);
    reel_clear_error(c);
    cr_expect_eq(reel_profiler_save_trace(p, NULL), REEL_ERROR_ARGUMENT);
    reel_clear_error(c);
    reel_profiler_free(p);
    reel_profiler_free(NULL);
    reel_profiler_step(NULL);
    cr_expect_eq(reel_profiler_stop(NULL), REEL_ERROR_ARGUMENT);
    cr_expect_eq(reel_profiler_enter(NULL, "a"), REEL_ERROR_ARGUMENT);
    cr_expect_eq(reel_profiler_leave(NULL), REEL_ERROR_ARGUMENT);
    cr_expect_eq(reel_profiler_print(NULL, stdout), REEL_ERROR_ARGUMENT);
    cr_expect_eq(reel_profiler_save_trace(NULL, "a"), REEL_ERROR_ARGUMENT);
    cr_expect_eq(reel_run_set_profile(NULL, NULL), REEL_ERROR_ARGUMENT);
}
