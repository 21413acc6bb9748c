/* Two contexts in two threads give the bits that each gives alone. */
#include <reel/reel.h>

#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>

enum { STEPS = 12, BATCH = 96 };

struct run {
    uint64_t seed;
    int threads;
    double losses[STEPS];
    reel_real weight[40 * 24];
    const char *failed;
    char text[512];
};

/* Training with most of what there is: draws, lookups, products, normalisation, dropout, a penalty, an optimizer. */
static void *train(void *user)
{
    struct run *r = user;
    reel_context_options o = reel_context_defaults();
    o.seed = r->seed;
    o.num_threads = r->threads;
    reel_context *c = reel_context_new(&o);
    reel_tape *t = reel_tape_new(c);
    reel_params *p = reel_params_new(c);
    reel_embedding_options sparse = reel_embedding_defaults();
    sparse.sparse = true;
    reel_module *label = reel_embedding_new(p, "label", 50, 8, &sparse);
    reel_module *first = reel_linear_new(p, "first", 24, 40, NULL), *norm = reel_batch_norm1d_new(p, "norm", 40, NULL);
    reel_module *last = reel_linear_new(p, "last", 40, 1, NULL);
    reel_optim *adam = reel_adam_new(p, NULL);
    for (int i = 0; i < STEPS; i++) {
        reel_var y = reel_randint(t, 0, 50, REEL_SHAPE(BATCH)), z = reel_randn(t, REEL_SHAPE(BATCH, 16));
        reel_var x = reel_cat(t, REEL_VARS(z, reel_forward(t, label, y)), 1), grad;
        reel_var h = reel_leaky_relu(t, reel_forward(t, norm, reel_forward(t, first, x)), 0.2);
        h = reel_dropout(t, h, 0.3, true);
        reel_var score = reel_forward(t, last, h);
        reel_grad(t, reel_sum_all(t, score), &x, 1, REEL_GRAD_CREATE_GRAPH, &grad);
        reel_var loss =
            reel_add(t, reel_mean_all(t, reel_softplus(t, score, 1, 20)), reel_mean_all(t, reel_square(t, grad)));
        reel_zero_grad(p);
        reel_backward(t, loss, p);
        reel_optim_step(adam);
        r->losses[i] = reel_item(t, loss);
        if (reel_context_status(c) != REEL_OK) {
            snprintf(r->text, sizeof r->text, "%s", reel_error(c));
            r->failed = r->text;
            break;
        }
        reel_tape_reset(t);
    }
    if (!r->failed)
        memcpy(r->weight, reel_param_data(reel_params_find(p, "first.weight")), sizeof r->weight);
    reel_optim_free(adam);
    reel_tape_free(t);
    reel_params_free(p);
    reel_context_free(c);
    return NULL;
}

Test(threads, contexts_do_not_disturb_each_other, .timeout = 120)
{
    static struct run alone[4], together[4];
    for (int i = 0; i < 4; i++) {
        alone[i] = together[i] = (struct run){.seed = (uint64_t)i / 2, .threads = 1 + i % 2};
        train(&alone[i]);
        cr_assert(!alone[i].failed, "%s", alone[i].failed);
    }
    for (int round = 0; round < 3; round++) {
        pthread_t threads[4];
        for (int i = 0; i < 4; i++)
            cr_assert_eq(pthread_create(&threads[i], NULL, train, &together[i]), 0);
        for (int i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
        for (int i = 0; i < 4; i++) {
            cr_assert(!together[i].failed, "%s", together[i].failed);
            cr_expect_arr_eq(together[i].losses, alone[i].losses, sizeof alone[i].losses, "context %d", i);
            cr_expect_arr_eq(together[i].weight, alone[i].weight, sizeof alone[i].weight, "context %d", i);
        }
    }
    if (reel_threads_deterministic())
        for (int i = 0; i < 4; i += 2)
            cr_expect_arr_eq(alone[i].losses, alone[i + 1].losses, sizeof alone[i].losses, "1 and 2 threads");
    cr_expect_neq(alone[0].losses[STEPS - 1], alone[2].losses[STEPS - 1], "another seed");
}
