/* Threads that serve one model: it is trained, shared (reel_params_share), and then asked from several threads at once,
 * each with a context of its own and none with a copy of the params. One sees how many requests a second are answered
 * by one thread and by several, and that they all give the same answers, bit for bit.
 *
 *     serve_threads [THREADS]    4 */
#include <reel/reel.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROWS = 1000, WIDTH = 32, BATCH = 64, REQUESTS = 2000, MOST_THREADS = 64 };

struct model {
    reel_params *params;
    reel_module *table, *network;
};

static reel_var answer(reel_tape *t, const struct model *m, reel_var item)
{
    return reel_forward(t, m->network, reel_forward(t, m->table, item));
}

/* The rank of an item, from 0 to 1, is what there is to be learned. */
static double train(reel_context *c, struct model *m)
{
    m->params = reel_params_new(c);
    m->table = reel_embedding_new(m->params, "table", ROWS, WIDTH, NULL);
    reel_module *fc1 = reel_linear_new(m->params, "fc1", WIDTH, 64, NULL);
    reel_module *relu = reel_relu_new(m->params);
    reel_module *fc2 = reel_linear_new(m->params, "fc2", 64, 1, NULL);
    m->network = reel_sequential_new(m->params, REEL_MODULES(fc1, relu, fc2));
    REEL_OPTIONS(adam, o, o.lr = 0.01);
    reel_optim *adam = reel_adam_new(m->params, &o);
    reel_tape *t = reel_tape_new(c);
    double loss = 1;
    for (int step = 0; step < 600; step++) {
        reel_var item = reel_randint(t, 0, ROWS, REEL_SHAPE(256));
        reel_var rank = reel_reshape(t, reel_div_scalar(t, reel_to_real(t, item), ROWS), REEL_SHAPE(256, 1));
        reel_var error = reel_mse_loss(t, answer(t, m, item), rank);
        reel_zero_grad(m->params);
        if (reel_backward(t, error, m->params) || reel_optim_step(adam))
            break;
        loss = reel_item(t, error);
        reel_tape_reset(t);
    }
    reel_tape_free(t);
    reel_optim_free(adam);
    return loss;
}

/* A thread, its context, and what it answered. */
struct server {
    const struct model *model;
    pthread_t thread;
    double sum;
    char error[256];
};

static void *serve(void *user)
{
    struct server *s = user;
    /* Requests run side by side, so each is computed by one thread. */
    REEL_OPTIONS(context, o, o.num_threads = 1, o.seed = 5);
    reel_context *c = reel_context_new(&o);
    reel_tape *t = reel_tape_new(c);
    reel_no_grad_begin(t);
    for (int i = 0; i < REQUESTS; i++) {
        reel_var y = answer(t, s->model, reel_randint(t, 0, ROWS, REEL_SHAPE(BATCH)));
        s->sum += reel_item(t, reel_sum_all(t, y));
        if (reel_tape_reset(t) != REEL_OK) {
            snprintf(s->error, sizeof s->error, "%s", reel_error(c));
            break;
        }
        reel_no_grad_begin(t);
    }
    reel_tape_free(t);
    reel_context_free(c);
    return NULL;
}

static double seconds(void)
{
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Has n threads answer the same requests, and says how fast. Returns whether all gave the sum, the first one's where
 * *sum is not known yet. */
static bool measure(const struct model *m, int n, double *sum)
{
    struct server server[MOST_THREADS];
    memset(server, 0, sizeof server);
    double start = seconds();
    int started = 0;
    for (; started < n; started++) {
        server[started].model = m;
        if (pthread_create(&server[started].thread, NULL, serve, &server[started]) != 0)
            break;
    }
    bool same = started == n;
    for (int i = 0; i < started; i++) {
        pthread_join(server[i].thread, NULL);
        if (*server[i].error)
            fprintf(stderr, "serve_threads: %s\n", server[i].error);
        if (*sum == 0)
            *sum = server[i].sum;
        same = same && !*server[i].error && server[i].sum == *sum;
    }
    printf("%2d thread%s  %7.0f requests a second\n", n, n == 1 ? " " : "s", n * REQUESTS / (seconds() - start));
    return same;
}

int main(int argc, char **argv)
{
    int n = argc > 1 ? atoi(argv[1]) : 4;
    if (n < 1 || n > MOST_THREADS) {
        fprintf(stderr, "usage: serve_threads [THREADS], 1 to %d\n", MOST_THREADS);
        return 2;
    }
    reel_context *c = reel_context_new(NULL);
    struct model m;
    double loss = train(c, &m);
    reel_eval(m.params);
    if (!c || reel_context_status(c) || reel_params_share(m.params)) {
        fprintf(stderr, "serve_threads: %s\n", reel_error(c));
        return 1;
    }
    printf("trained to a loss of %.4f\n", loss);
    double sum = 0;
    bool same = measure(&m, 1, &sum);
    same = measure(&m, n, &sum) && same;
    printf("%s\n", same ? "the same answers from every thread" : "ANSWERS DIFFER");
    reel_params_free(m.params);
    reel_context_free(c);
    return same && loss < 0.02 ? 0 : 1;
}
